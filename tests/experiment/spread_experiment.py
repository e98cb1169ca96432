#!/usr/bin/env python3
"""One experiment over several processes: whatever their number, and although one is killed and one joins late, the results
are those of a single process, to the last bit.

    tests/experiment/spread_experiment.py --program build/release/deepsad [--mpirun mpirun]

Needs python3; with --mpirun also OpenMPI.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

import kill_experiment


def command(program, folder, *more):
    return [program, "experiment", "run", os.path.join(folder, "kills.toml"), "--jobs", "1", *more]


def check(what, store, whole):
    metrics, _ = kill_experiment.results(store)
    if metrics != whole:
        sys.exit(f"spread_experiment.py: {what}: the results differ from those of one process")
    print(f"{what}: the same results")


def over_sockets(program, folder, whole):
    store = os.path.join(folder, "served.sqlite")
    server = subprocess.Popen(command(program, folder, "--store", store, "--serve"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    address = server.stderr.readline().split("--join ")[1].strip()
    join = command(program, folder, "--join", address, "--folders", os.path.join(folder, "workers"))
    victim, worker = (subprocess.Popen(join, stderr=subprocess.PIPE, text=True) for _ in range(2))
    time.sleep(0.1)
    victim.send_signal(signal.SIGKILL)
    late = subprocess.Popen(join, stderr=subprocess.PIPE, text=True)
    for process, name in ((server, "server"), (worker, "worker")):
        _, err = process.communicate(timeout=120)
        if process.returncode != 0:
            sys.exit(f"spread_experiment.py: the {name} ended with {process.returncode}: {err}")
    late.communicate(timeout=120)  # may have come too late
    victim.communicate()
    check("a server, two workers of which one is killed, one late", store, whole)
    if not any(name.startswith("toy2d") for name in os.listdir(os.path.join(folder, "workers"))):
        sys.exit("spread_experiment.py: the workers trained nothing")

    refused = subprocess.run(command(program, folder, "--join", "127.0.0.1:1/key"), capture_output=True, text=True, check=False)
    if refused.returncode == 0 or "no server of the experiment answers" not in refused.stderr:
        sys.exit(f"spread_experiment.py: joining nobody gave {refused.returncode}: {refused.stderr}")


def over_mpi(program, mpirun, folder, whole):
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    start = [mpirun, "--oversubscribe", "--enable-recovery"]
    for n_ranks, kill in ((2, False), (3, True)):
        store = os.path.join(folder, f"ranks{n_ranks}.sqlite")
        job = subprocess.Popen([*start, "-np", str(n_ranks), *command(program, folder, "--store", store)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        if kill and not (wait_for_result(store) and kill_rank(job.pid, n_ranks - 1)):
            sys.exit("spread_experiment.py: the rank to kill was not found")
        out, _ = job.communicate(timeout=120)
        if job.returncode != 0:
            sys.exit(f"spread_experiment.py: mpirun ended with {job.returncode}: {out}")
        check(f"{n_ranks} MPI ranks{', one killed' if kill else ''}", store, whole)


def wait_for_result(store):
    """Until a run is done: then all ranks have met, and MPI is out of the way."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if os.path.exists(store) and kill_experiment.results(store)[0]:
            return True
        time.sleep(0.02)
    return False


def kill_rank(mpirun_pid, rank):
    """Kills that rank of the job."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if parent == mpirun_pid and f"OMPI_COMM_WORLD_RANK={rank}".encode() in variables:
                os.kill(int(pid), signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--mpirun", default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "kills.toml"), "w", encoding="utf-8") as file:
            file.write(kill_experiment.GRID.replace('"1-12"', '"1-20"').replace("= 20", "= 60"))
        whole, _ = kill_experiment.finish(arguments.program, folder, os.path.join(folder, "whole.sqlite"))
        if arguments.mpirun:
            over_mpi(arguments.program, arguments.mpirun, folder, whole)
        else:
            over_sockets(arguments.program, folder, whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
