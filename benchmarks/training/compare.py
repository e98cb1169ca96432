#!/usr/bin/env python3
"""Time of a training step: deepsad against PyTorch, on the same networks, weights and data.

    benchmarks/training/compare.py --bench build/benchmark/benchmarks/training/training_bench --out DIR

Both sides hold the data in memory and time gathering a batch of 128 rows, forward, backward and the Adam
update. The two run in turns, round by round, so that a busy machine disturbs both; a figure is the median over
all rounds of a round's median. PyTorch runs in the fastest of the ways listed in VARIANTS, which a trial picks
for each workload and thread count. Before anything is timed the losses of the first three steps are compared.

Needs: python3-torch, python3-numpy. Writes DIR/training.json and DIR/training.md.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from support.openblas import used_core, with_best_core

NETWORKS = ["mnist_LeNet", "fmnist_LeNet", "cifar10_LeNet", "arrhythmia_mlp", "cardio_mlp",
            "satellite_mlp", "satimage-2_mlp", "shuttle_mlp", "thyroid_mlp"]
MLPS = {"arrhythmia_mlp": (274, [128, 64], 32), "cardio_mlp": (21, [32, 16], 8),
        "satellite_mlp": (36, [32, 16], 8), "satimage-2_mlp": (36, [32, 16], 8),
        "shuttle_mlp": (9, [32, 16], 8), "thyroid_mlp": (6, [32, 16], 4)}
# The deep generative models (generative_peer.py), which have no autoencoder of their own.
GENERATIVE = ["mnist_VAE", "mnist_DGM_M2", "mnist_DGM_M1M2"]
# Ways to run PyTorch: memory format of images, Adam's loop over tensors, script-compiled module.
VARIANTS = [{"channels_last": c, "foreach": f, "script": s}
            for c in (False, True) for f in (False, True) for s in (False, True)]
ROWS, STRIDE, WARM_UP = 1024, 397, 3  # as in training_bench.cpp
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-6
LOSS_TOLERANCE = 1e-4  # relative; the golden values' tolerance for training traces


def fill(n, tensor):
    """The rule u(k, tensor) that both sides fill weights and data with."""
    import numpy as np
    h = np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32((97 * tensor + 1) % 2**32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2**32


def fill_module(module):
    import numpy as np
    import torch
    number = 0
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
                continue
            u = fill(tensor.numel(), number)
            number += 1
            if name.endswith("running_var"):
                values = 0.5 + u
            elif tensor.dim() == 1:
                values = 0.2 * u - 0.1
            else:
                values = (2 * u - 1) * np.sqrt(6.0 / (tensor.numel() / tensor.shape[0]))
            tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))


def build(name):
    """(encoder, decoder, input shape) of a network of the paper, as its authors' code builds it."""
    import torch.nn as nn

    def conv(i, o):
        return nn.Conv2d(i, o, 5, bias=False, padding=2)

    def deconv(i, o, padding=2):
        return nn.ConvTranspose2d(i, o, 5, bias=False, padding=padding)

    def bn(c):
        return nn.BatchNorm2d(c, eps=1e-4, affine=False)

    def bn1(c):
        return nn.BatchNorm1d(c, eps=1e-4, affine=False)

    def up():
        return nn.Upsample(scale_factor=2)

    def act():
        return nn.LeakyReLU()

    def linear(i, o):
        return nn.Linear(i, o, bias=False)

    def pool():
        return nn.MaxPool2d(2, 2)

    if name == "mnist_LeNet":
        encoder = [conv(1, 8), bn(8), act(), pool(), conv(8, 4), bn(4), act(), pool(), nn.Flatten(),
                   linear(196, 32)]
        decoder = [nn.Unflatten(1, (2, 4, 4)), act(), up(), deconv(2, 4), bn(4), act(), up(),
                   deconv(4, 8, 3), bn(8), act(), up(), deconv(8, 1), nn.Sigmoid()]
        shape = (1, 28, 28)
    elif name == "fmnist_LeNet":
        encoder = [conv(1, 16), bn(16), act(), pool(), conv(16, 32), bn(32), act(), pool(), nn.Flatten(),
                   linear(1568, 128), bn1(128), act(), linear(128, 64)]
        decoder = [linear(64, 128), bn1(128), nn.Unflatten(1, (8, 4, 4)), act(), up(), deconv(8, 32), bn(32),
                   act(), up(), deconv(32, 16, 3), bn(16), act(), up(), deconv(16, 1), nn.Sigmoid()]
        shape = (1, 28, 28)
    elif name == "cifar10_LeNet":
        encoder = [conv(3, 32), bn(32), act(), pool(), conv(32, 64), bn(64), act(), pool(), conv(64, 128),
                   bn(128), act(), pool(), nn.Flatten(), linear(2048, 128)]
        decoder = [nn.Unflatten(1, (8, 4, 4)), act(), deconv(8, 128), bn(128), act(), up(), deconv(128, 64),
                   bn(64), act(), up(), deconv(64, 32), bn(32), act(), up(), deconv(32, 3), nn.Sigmoid()]
        shape = (3, 32, 32)
    else:
        d, hidden, code = MLPS[name]

        def blocks(widths):
            layers = []
            for i, o in zip(widths, widths[1:]):
                layers += [linear(i, o), bn1(o), act()]
            return layers
        encoder = blocks([d] + hidden) + [linear(hidden[-1], code)]
        decoder = blocks([code] + hidden[::-1]) + [linear(hidden[0], d), nn.Sigmoid()]
        shape = (d,)
    return nn.Sequential(*encoder), nn.Sequential(*decoder), shape


class TorchWorkload:
    """One network or autoencoder in one way of running PyTorch."""

    def __init__(self, name, whole, batch, variant):
        import torch
        torch.manual_seed(0)
        encoder, decoder, shape = build(name)
        module = torch.nn.Sequential(encoder, decoder) if whole else encoder
        fill_module(module)
        n = ROWS
        for extent in shape:
            n *= extent
        self.x = torch.from_numpy(fill(n, 1000).astype("float32")).reshape((ROWS,) + shape)
        if variant["channels_last"] and len(shape) == 3:
            module = module.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        module.train()
        self.parameters = list(module.parameters())
        self.module = torch.jit.script(module) if variant["script"] else module
        self.optimizer = torch.optim.Adam(self.parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY,
                                          foreach=variant["foreach"])
        semi = torch.zeros(ROWS)
        semi[torch.arange(ROWS) % 20 == 0] = -1
        semi[torch.arange(ROWS) % 20 == 1] = 1
        self.semi = semi
        self.center = 0.1
        self.whole = whole
        self.batch = batch
        self.steps = 0

    def step(self):
        """Seconds and loss of the next step."""
        import torch
        rows = (torch.arange(self.batch) + self.steps * self.batch) * STRIDE % ROWS
        self.steps += 1
        start = time.perf_counter()
        x = self.x[rows]
        self.optimizer.zero_grad(set_to_none=True)
        if self.whole:
            loss = torch.nn.functional.mse_loss(self.module(x), x)
        else:
            semi = self.semi[rows]
            d = torch.sum((self.module(x) - self.center) ** 2, dim=1)
            loss = torch.mean(torch.where(semi == 0, d, (d + 1e-6) ** semi))
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        return time.perf_counter() - start, value


def run_steps(workload, seconds):
    """Median seconds of the steps that fit into `seconds` (at least five)."""
    times = []
    total = 0.0
    while len(times) < 5 or total < seconds:
        elapsed, _ = workload.step()
        times.append(elapsed)
        total += elapsed
    return statistics.median(times)


def make_workload(name, whole, batch, variant):
    if name not in GENERATIVE:
        return TorchWorkload(name, whole, batch, variant)
    from generative_peer import GenerativeWorkload
    return GenerativeWorkload(name, batch, variant, (ROWS, STRIDE, WARM_UP, LEARNING_RATE, WEIGHT_DECAY), fill,
                              fill_module)


def torch_worker(threads, batch):
    """Serves requests (a line of JSON each) until stdin closes; one process per thread count."""
    import torch
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    key, workload = None, None
    for line in sys.stdin:
        request = json.loads(line)
        wanted = (request["network"], request["autoencoder"], json.dumps(request["variant"], sort_keys=True))
        answer = {}
        if wanted != key:
            key, workload = wanted, make_workload(request["network"], request["autoencoder"], batch,
                                                  request["variant"])
            answer["losses"] = [workload.step()[1] for _ in range(WARM_UP)]
            run_steps(workload, 0)  # a scripted module compiles itself during its first calls
        answer["median"] = run_steps(workload, request["seconds"])
        print(json.dumps(answer), flush=True)


class TorchProcess:
    def __init__(self, threads, batch):
        environment = with_best_core(
            dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads)))
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--torch-worker", str(threads), "--batch", str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, network, whole, variant, seconds):
        request = {"network": network, "autoencoder": whole, "variant": variant, "seconds": seconds}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("compare.py: the PyTorch process ended early; its message is above")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_ours(bench, network, whole, threads, batch, seconds):
    workload = network + (":ae" if whole else "")
    command = [bench, "--threads", str(threads), "--batch", str(batch), "--seconds", str(seconds), workload]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check_losses(ours, theirs, what):
    for a, b in zip(ours["losses"], theirs["losses"]):
        if not abs(a - b) <= LOSS_TOLERANCE * abs(b):
            raise SystemExit(f"compare.py: {what}: losses differ, so the work is not the same: "
                             f"{ours['losses']} against {theirs['losses']}")


def machine():
    import torch
    cpu = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False).stdout
    return {"cpu": cpu, "processors": len(os.sched_getaffinity(0)), "torch": torch.__version__,
            "onednn": torch.backends.mkldnn.is_available(), "openblas": used_core(),
            "python": platform.python_version(),
            "compiler": compiler.splitlines()[0] if compiler else "?", "load": os.getloadavg()[0],
            "date": datetime.date.today().isoformat()}


def duration(seconds):
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"


def describe(variant):
    words = ["channels-last" if variant["channels_last"] else "NCHW",
             "foreach Adam" if variant["foreach"] else "plain Adam",
             "script" if variant["script"] else "eager"]
    return ", ".join(words)


def markdown(results):
    threads = sorted({r["threads"] for r in results})
    lines = ["| network | " + " | ".join(f"PyTorch {t}T | deepsad {t}T | ratio {t}T" for t in threads) + " |",
             "| --- |" + " --- |" * (3 * len(threads))]
    for network in NETWORKS + GENERATIVE:
        for whole in (False, True):
            cells = []
            for t in threads:
                found = [r for r in results
                         if (r["network"], r["autoencoder"], r["threads"]) == (network, whole, t)]
                if not found:
                    cells += ["", "", ""]
                    continue
                r = found[0]
                cells += [duration(r["torch"]), duration(r["deepsad"]), f"{r['torch'] / r['deepsad']:.1f}×"]
            if any(cells):
                name = network + (" autoencoder" if whole else "")
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="the program training_bench")
    parser.add_argument("--out", help="folder for training.json and training.md; made if missing")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default 1 2)")
    parser.add_argument("--batch", type=int, default=128, help="rows of a batch (default 128)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--seconds", type=float, default=0.5,
                        help="time of one side in one round (default 0.5)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS + GENERATIVE, choices=NETWORKS + GENERATIVE)
    parser.add_argument("--torch-worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch_worker:
        torch_worker(arguments.torch_worker, arguments.batch)
        return 0
    if not arguments.bench or not arguments.out:
        parser.error("--bench and --out are needed")

    about = machine()
    results = []
    for threads in arguments.threads:
        peer = TorchProcess(threads, arguments.batch)
        for network in arguments.networks:
            for whole in (False,) if network in GENERATIVE else (False, True):
                what = f"{network}{' autoencoder' if whole else ''}, {threads} threads"
                is_image = network not in MLPS and network not in GENERATIVE
                trials = {}
                for number, variant in enumerate(VARIANTS):
                    if variant["channels_last"] and not is_image:
                        continue
                    trials[number] = peer.ask(network, whole, variant, arguments.seconds / 2)["median"]
                best = VARIANTS[min(trials, key=trials.get)]
                ours, theirs = [], []
                for round_number in range(arguments.rounds):
                    mine = run_ours(arguments.bench, network, whole, threads, arguments.batch,
                                    arguments.seconds)
                    other = peer.ask(network, whole, best, arguments.seconds)
                    if round_number == 0:
                        # Asked anew, so that it reports its first losses.
                        if "losses" not in other:
                            peer.ask(network, not whole, best, 0)
                            other.update(peer.ask(network, whole, best, 0))
                        check_losses(mine, other, what)
                    ours.append(mine["median"])
                    theirs.append(other["median"])
                results.append({"network": network, "autoencoder": whole, "threads": threads,
                                "batch": arguments.batch, "isa": mine["isa"],
                                "deepsad": statistics.median(ours), "torch": statistics.median(theirs),
                                "deepsad_rounds": ours, "torch_rounds": theirs, "torch_variant": best})
                r = results[-1]
                print(f"{what}: PyTorch {duration(r['torch'])} ({describe(best)}), "
                      f"deepsad {duration(r['deepsad'])}, ratio {r['torch'] / r['deepsad']:.2f}",
                      file=sys.stderr, flush=True)
        peer.close()
    about["load_after"] = os.getloadavg()[0]

    os.makedirs(arguments.out, exist_ok=True)
    for name, text in (("training.json", json.dumps({"machine": about, "results": results}, indent=1) + "\n"),
                       ("training.md", markdown(results))):
        with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as file:
            file.write(text)
    print(markdown(results), end="")
    slower = [r for r in results if r["deepsad"] > r["torch"]]
    for r in slower:
        print(f"slower than PyTorch: {r['network']}{' autoencoder' if r['autoencoder'] else ''}, "
              f"{r['threads']} threads", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
