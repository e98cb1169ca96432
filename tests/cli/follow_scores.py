#!/usr/bin/env python3
"""Streams rows through `deepsad score --follow` by pipes, FIFOs and growing files, as a user does.

Usage: follow_scores.py --program build/dev/deepsad. Needs the standard library alone.
"""

import argparse
import os
import random
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

DEADLINE = 60  # seconds after which a line that does not come is a failure


class Stream:
    """A running `deepsad score --follow`, with its input as a pipe unless a file is given."""

    def __init__(self, program, model, *options, file="-"):
        self.process = subprocess.Popen(
            [program, "score", model, file, "--follow", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.waiting = {self.process.stdout: b"", self.process.stderr: b""}

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def _line(self, pipe, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.waiting[pipe]:
            ready, _, _ = select.select([pipe], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            got = os.read(pipe.fileno(), 65536)
            if not got:
                return None
            self.waiting[pipe] += got
        line, self.waiting[pipe] = self.waiting[pipe].split(b"\n", 1)
        return line.decode()

    def line(self, seconds=DEADLINE):
        return self._line(self.process.stdout, seconds)

    def lines(self, n):
        return [self.line() for _ in range(n)]

    def said(self, word):
        """The next line on standard error that holds the word."""
        while (line := self._line(self.process.stderr, DEADLINE)) is not None:
            if word in line:
                return line
        raise AssertionError(f"never said: {word}")

    def silent(self, seconds=0.5):
        return self.line(seconds) is None

    def end(self):
        """Closes the input and waits: (exit code, rest of the output, rest of the messages)."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return (self.process.returncode, (self.waiting[self.process.stdout] + out).decode(),
                (self.waiting[self.process.stderr] + err).decode())


def batch(program, model, folder, text, *options):
    """What the same rows give without --follow."""
    path = folder / "batch.csv"
    path.write_text(text)
    done = subprocess.run([program, "score", model, path, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def rows(n, seed, shift=0.0):
    rng = random.Random(seed)
    return "".join(f"{rng.gauss(shift, 1):.4f},{rng.gauss(0, 1):.4f}\n" for _ in range(n))


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def a_row_in_a_line_out(program, model, folder):
    text = "x,y\n1,2\n3,4\n5,6\n"
    wanted = batch(program, model, folder, text)
    stream = Stream(program, model)
    stream.send("x,y\n")
    check(stream.line() == wanted[0], "the header is out before the first row is in")
    for row, line in zip(text.splitlines()[1:], wanted[1:]):
        stream.send(row + "\n")
        check(stream.line() == line, "each row is out before the next is in")
    code, rest, _ = stream.end()
    check((code, rest) == (0, ""), "the end of the pipe is the end")


def partial_lines_wait(program, model, folder):
    wanted = batch(program, model, folder, "x,y\n1.25,2\n3,4\n")
    stream = Stream(program, model)
    stream.send("x,y\n1.2")
    check(stream.line() == "row,score", "header")
    check(stream.silent(), "half a number is no row")
    stream.send("5,2")
    check(stream.silent(), "a row without its end is none")
    stream.send("\n3,")
    check(stream.line() == wanted[1], "the first row")
    check(stream.silent(), "half of the second row is none")
    stream.send("4")
    code, rest, _ = stream.end()
    check((code, rest.splitlines()) == (0, wanted[2:]), "the last line needs no end")


def quoted_newlines(program, model, folder):
    stream = Stream(program, model, "--rejects", folder / "quoted.csv")
    stream.send('x,y\n1,2\n"a\n')
    check(stream.line() == "row,score" and stream.line().startswith("0,"), "the row before")
    check(stream.silent(), "a line end within quotes is none of the record")
    stream.send('b",3\n5,6\n')
    check(stream.line().startswith("2,"), "the row behind")
    stream.end()
    rejects = (folder / "quoted.csv").read_text()
    check(rejects.startswith("line,reason\n3,"), rejects)


def bad_rows_go_aside(program, model, folder):
    path = folder / "bad.csv"
    stream = Stream(program, model, "--rejects", path, "--threshold", "-1")
    stream.send("x,y\n1,2\nheavy,2\n1,2,3\n3,4\n")
    got = stream.lines(3)
    check(got[0] == "row,score,label", got)
    check([line.split(",")[0] for line in got[1:]] == ["0", "3"], got)
    check(all(line.endswith(",anomaly") for line in got[1:]), got)
    lines = path.read_text().splitlines()  # while the stream goes on
    check([line.split(",")[0] for line in lines] == ["line", "3", "4"], lines)
    check('found ""heavy""' in lines[1] and "found 3 cells, wanted 2" in lines[2], lines)
    check(stream.end()[0] == 0, "bad rows are no failure")
    again = Stream(program, model, "--rejects", path)
    code, _, err = again.end()
    check(code == 1 and "nothing is overwritten" in err, err)
    strict = Stream(program, model)
    strict.send("x,y\nheavy,2\n")
    code, _, err = strict.end()
    check(code == 3 and '3:1' not in err and '2:1: column "x": found "heavy"' in err, err)


def signals_end_it_cleanly(program, model, folder):
    for name in (signal.SIGTERM, signal.SIGINT):
        stream = Stream(program, model)
        stream.send("x,y\n1,2\n3,4\n5,")
        check(stream.lines(3)[2].startswith("1,"), "two rows")
        stream.process.send_signal(name)
        # The pipe stays open: it is the signal that ends it.
        check(stream.process.wait(DEADLINE) == 0, "told to stop is no failure")
        rest, err = stream.process.stdout.read().decode(), stream.process.stderr.read().decode()
        check(rest == "" and "told to stop after 2 rows" in err, (rest, err))
    waiting = Stream(program, model)  # not even a header yet
    time.sleep(0.3)
    waiting.process.send_signal(signal.SIGTERM)
    check(waiting.process.wait(DEADLINE) == 0, "nor is it before the header")


def files_and_fifos(program, model, folder):
    growing = folder / "growing.csv"
    growing.write_text("x,y\n1,2\n")
    stream = Stream(program, model, file=str(growing))
    check(stream.lines(2)[1].startswith("0,"), "what is there")
    check(stream.silent(), "a file's end is not the end")
    with growing.open("a") as out:
        out.write("3,4\n")
    check(stream.line().startswith("1,"), "what is added")
    growing.write_text("x,y\n")
    code, _, err = stream.end()
    check(code == 3 and "became shorter" in err, err)
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    stream = Stream(program, model, file=str(fifo))
    with fifo.open("w") as out:
        out.write("x,y\n1,2\n")
        out.flush()
        check(stream.lines(2)[1].startswith("0,"), "through the FIFO")
    check(stream.end()[0] == 0, "the end of the FIFO")


def models_change_on_hangup(program, model, folder):
    run = folder / "swapped"
    shutil.copytree(folder / "first", run)
    path = run / "model.safetensors"

    def replace(other):
        shutil.copy(folder / other / "model.safetensors", run / "new")
        os.replace(run / "new", path)

    text = "x,y\n1,2\n1,2\n1,2\n1,2\n"
    old, new = batch(program, folder / "first", folder, text), batch(program, folder / "second", folder, text)
    check(old[1] != new[1], "the models differ")
    stream = Stream(program, run)
    stream.send("x,y\n1,2\n")
    check(stream.lines(2) == old[:2], "the first model")
    replace("images")
    stream.process.send_signal(signal.SIGHUP)
    check("stays as it was" in stream.said("warning"), "a model of other data is refused")
    stream.send("1,2\n")
    check(stream.line() == old[2], "and changes nothing")
    replace("second")
    stream.process.send_signal(signal.SIGHUP)
    stream.said("read anew after 2 rows")
    stream.send("1,2\n")
    check(stream.line() == new[3], "the second model")
    path.write_bytes(b"broken")
    stream.process.send_signal(signal.SIGHUP)
    check("stays as it was" in stream.said("warning"), "a broken file is refused")
    stream.send("1,2\n")
    check(stream.line() == new[4], "and changes nothing")
    check(stream.end()[0] == 0, "end")


def drift_is_reported(program, model, folder):
    same = Stream(program, model, "-q")
    same.send("x,y\n" + rows(6000, 1))
    code, out, err = same.end()
    check(code == 0 and len(out.splitlines()) == 6001 and err == "", err)
    text = "x,y\n" + rows(3000, 1) + rows(2000, 2, 4.0)
    changed = Stream(program, model)
    changed.send(text)
    code, out, err = changed.end()
    check(code == 0 and len(out.splitlines()) == 5001, "a warning is no failure")
    alarms = [line for line in err.splitlines() if "drift" in line]
    check(len(alarms) == 1, err)
    row = int(alarms[0].split("at row ")[1].split(" ")[0])
    check(3000 <= row < 4000, alarms[0])
    check("those of the first 1000 rows" in alarms[0], alarms[0])
    ending = Stream(program, model, "--exit-on-drift")
    ending.send(text)
    code, out, err = ending.end()
    check(code == 5 and len(out.splitlines()) < 5001, (code, err))
    off = Stream(program, model, "--drift-alpha", "0", "-q")
    off.send(text)
    check(off.end()[2] == "", "no test, no warning")


def options_that_make_no_sense(program, model, folder):
    for words, message in ((["--follow", "--fdr", "0.1"], "--fdr: "), (["--follow", "-o", folder / "o"], "--out: "),
                           (["--follow", "--drift-alpha", "2"], "--drift-alpha: got"),
                           (["--exit-on-drift"], "give --follow")):
        done = subprocess.run([program, "score", model, "-", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=DEADLINE)
        check(done.returncode == 2 and message in done.stderr.decode(), done.stderr)


TESTS = (a_row_in_a_line_out, partial_lines_wait, quoted_newlines, bad_rows_go_aside, signals_end_it_cleanly,
         files_and_fifos, models_change_on_hangup, drift_is_reported, options_that_make_no_sense)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    program = str(Path(parser.parse_args().program).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for run, words in (("first", ["toy2d", "--seed", "1"]), ("second", ["toy2d", "--seed", "2"]),
                           ("images", ["glyphs", "--method", "isolation_forest", "--seed", "1"])):
            subprocess.run([program, "train", *words, *([] if run == "images" else ["--n-epochs", "1", "--ae-n-epochs", "1"]),
                            "--out", folder / run, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        for test in TESTS:
            test(program, folder / "first", folder)
            print(f"{test.__name__}: holds")


if __name__ == "__main__":
    main()
