#!/usr/bin/env python3
"""Checkpoints between PyTorch and deepsad, both ways: the networks of the published code in PyTorch (torch_networks.py) and the
program itself give the same scores and AUC; hostile checkpoints are refused and nothing in them is run.

usage: check_torch.py --program deepsad --data DATA --work DIR
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import scipy.io
import torch

sys.path.insert(0, str(Path(__file__).parent))
from torch_networks import TABLES, deep_sad_networks, generative_network, randomised  # noqa: E402

TOLERANCE = 1e-5  # of the score, or of the median score where that is larger
ROWS = 1000
SEED = 5

arguments = argparse.ArgumentParser()
arguments.add_argument("--program", required=True)
arguments.add_argument("--data", required=True)
arguments.add_argument("--work", required=True)
arguments = arguments.parse_args()
work = Path(arguments.work)
data = Path(arguments.data)
table_of_differences = []


def deepsad(*words, code=0):
    result = subprocess.run([arguments.program, *map(str, words)], capture_output=True, text=True)
    assert result.returncode == code, f"{words}: exit code {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout if code == 0 else result.stderr


def compare(what, found, expected):
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape and len(found) > 100, (what, found.shape, expected.shape)
    difference = np.abs(found - expected) / np.maximum(np.abs(expected), np.median(np.abs(expected)))
    table_of_differences.append((what, len(found), difference.max()))
    assert difference.max() <= TOLERANCE, f"{what}: scores differ by {difference.max():.2g}"
    assert found.std() > 0, what


def auc(labels, scores):
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    n1 = labels.sum()
    n0 = len(labels) - n1
    return (ranks[labels == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1)


def scores_of_file(model, *file):
    rows = deepsad("score", model, *file).splitlines()
    header = rows[0].split(",")
    return np.array([float(row.split(",")[header.index("score")]) for row in rows[1:]])


def mnist_test():
    with gzip.open(data / "mnist/t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(data / "mnist/t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(images.astype(np.float32) / 255), labels


def reference_table(name, seed):
    """Test rows as the published code scales them, and their labels: its test object makes a split of its own with the
    generator that the training object has advanced."""
    content = scipy.io.loadmat(data / "odds" / f"{name}.mat")
    x, y = content["X"].astype(np.float64), content["y"].ravel()
    generator = np.random.RandomState(seed)
    for _ in range(2):
        train, test = [], []
        for label in (0, 1):
            rows = np.flatnonzero(y == label)
            n_test = int(np.ceil(0.4 * len(rows)))
            order = generator.permutation(len(rows))
            test.append(rows[order[:n_test]])
            train.append(rows[order[n_test:]])
        train, test = np.concatenate(train), np.concatenate(test)
    mean, deviation = x[train].mean(0), x[train].std(0)
    deviation[deviation == 0] = 1
    z = (x[train] - mean) / deviation
    low, span = z.min(0), z.max(0) - z.min(0)
    span[span == 0] = 1
    scaled = ((x[test] - mean) / deviation - low) / span
    return torch.from_numpy(scaled.astype(np.float32)), y[test].astype(int)


def distances(network, center, x):
    with torch.no_grad():
        return ((network(x) - torch.tensor(center)) ** 2).sum(1).numpy()


def save(content, name, zipped):
    path = work / name
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def evaluated(model, dataset):
    out = work / f"{Path(model).stem}-scores.csv"
    metrics = json.loads(deepsad("evaluate", model, dataset, "--data-dir", data, "--json", "--scores", out))
    with open(out) as file:
        rows = list(csv.DictReader(file))
    return metrics["test_auc"], np.array([float(row["score"]) for row in rows]), np.array([int(row["label"]) for row in rows])


def check_imports():
    images, digits = mnist_test()
    for zipped in (True, False):
        kind = "zip" if zipped else "legacy"
        for name in ("mnist", "fmnist", "cifar10", *TABLES):
            torch.manual_seed(SEED)
            network, autoencoder = deep_sad_networks(name)
            randomised(network), randomised(autoencoder)
            center = torch.randn(network.rep_dim).mul(0.3).tolist()
            checkpoint = save({"c": center, "net_dict": network.state_dict(), "ae_net_dict": autoencoder.state_dict()},
                              f"{name}-{kind}.tar", zipped)
            model = work / f"{name}-{kind}.safetensors"
            what = f"{name} Deep SAD from PyTorch, {kind}"
            if name in TABLES:
                # The AUC of the published code itself, on its own test rows.
                x, labels = reference_table(name, SEED)
                deepsad("import", checkpoint, "--dataset", name, "--data-dir", data, "--seed", SEED, "-o", model)
                expected = distances(network, center, x)
                found_auc, found, found_labels = evaluated(model, name)
                assert (found_labels == labels).all(), what
                compare(what, found, expected)
                assert abs(found_auc - auc(labels, expected)) < 1e-4, (what, found_auc, auc(labels, expected))
                # Rows that come scaled.
                scaled = work / f"{name}-{kind}-scaled.safetensors"
                deepsad("import", checkpoint, "--scaling", "none", "-o", scaled)
                file = work / f"{name}-{kind}.mat"
                scipy.io.savemat(file, {"X": x.numpy().astype(np.float64)})
                compare(what + ", scaled rows", scores_of_file(scaled, file), expected)
            elif name == "cifar10":
                pictures = np.random.RandomState(SEED).randint(0, 256, (ROWS, 3072), dtype=np.uint8)
                file = work / f"cifar10-{kind}.bin"
                file.write_bytes(np.hstack([np.zeros((ROWS, 1), np.uint8), pictures]).tobytes())
                deepsad("import", checkpoint, "-o", model)
                compare(what, scores_of_file(model, file),
                        distances(network, center, torch.from_numpy(pictures.astype(np.float32) / 255)))
            else:
                deepsad("import", checkpoint, "--network", f"{name}_LeNet", "-o", model)
                compare(what, scores_of_file(model, data / "mnist/t10k-images-idx3-ubyte.gz")[:ROWS],
                        distances(network, center, images[:ROWS]))
                assert "does not know" in deepsad("evaluate", model, code=2)
            if name == "mnist":
                evaluable = work / f"mnist-{kind}-3.safetensors"
                deepsad("import", checkpoint, "--dataset", "mnist", "--normal-class", 3, "--data-dir", data, "-o", evaluable)
                found_auc, found, labels = evaluated(evaluable, "mnist")
                assert (labels == (digits != 3)).all()
                expected = distances(network, center, images)
                compare(what + ", evaluate", found, expected)
                assert abs(found_auc - auc(labels, expected)) < 1e-6, (found_auc, auc(labels, expected))


def check_generative_imports():
    images, _ = mnist_test()
    for name, kind in (("mnist", "m2"), ("mnist", "m1m2"), ("cardio", "m2")):
        torch.manual_seed(SEED)
        network = randomised(generative_network(name, kind))
        checkpoint = save({"net_dict": network.state_dict()}, f"{name}-{kind}.tar", True)
        model = work / f"{name}-{kind}.safetensors"
        with torch.no_grad():
            if name == "mnist":
                deepsad("import", checkpoint, "-o", model)
                compare(f"{name} {kind} from PyTorch", scores_of_file(model, data / "mnist/t10k-images-idx3-ubyte.gz")[:ROWS],
                        network.score(images[:ROWS]).numpy())
            else:
                x, labels = reference_table(name, SEED)
                deepsad("import", checkpoint, "--dataset", name, "--data-dir", data, "--seed", SEED, "-o", model)
                found_auc, found, _ = evaluated(model, name)
                expected = network.score(x).numpy()
                compare(f"{name} {kind} from PyTorch", found, expected)
                assert abs(found_auc - auc(labels, expected)) < 1e-4


def check_exports():
    images, digits = mnist_test()
    quick = ["--seed", SEED, "--data-dir", data, "--quiet"]
    epochs = {"deep_sad": {"n": 3, "ae-n": 2}, "deep_svdd": {"n": 3, "ae-n": 2}, "autoencoder": {"ae-n": 2}, "classifier": {"n": 3},
              "vae": {"vae-n": 2}, "dgm_m2": {"n": 3}, "dgm_m1m2": {"n": 3, "vae-n": 2}}
    labelled = ["--ratio-known-outlier", 0.02, "--n-known-outlier-classes", 1]
    for name, method in (("cardio", "deep_sad"), ("mnist", "deep_sad"), ("thyroid", "deep_svdd"), ("mnist", "dgm_m1m2"),
                         ("cardio", "dgm_m2"), ("cardio", "autoencoder"), ("cardio", "classifier"), ("cardio", "vae")):
        run = work / f"run-{name}-{method}"
        compat = ["--compat", "reference"] if name == "cardio" and method in ("deep_sad", "dgm_m2") else []
        short = [word for phase, n in epochs[method].items() for word in (f"--{phase}-epochs", n)]
        deepsad("train", name, "--method", method, "--out", run, *short, *quick, *labelled, *compat)
        model, checkpoint = run / "model.safetensors", work / f"{name}-{method}.tar"
        deepsad("export", model, "--to", "torch", "-o", checkpoint)
        content = torch.load(checkpoint)
        again = work / f"{name}-{method}-again.safetensors"
        deepsad("import", checkpoint, "-o", again)
        assert again.read_bytes() == model.read_bytes(), f"{name} {method}: not the same model after export and import"
        what = f"{name} {method} in PyTorch"
        if method in ("deep_sad", "deep_svdd"):
            network, autoencoder = deep_sad_networks(name)
            network.load_state_dict(content["net_dict"])
            autoencoder.load_state_dict(content["ae_net_dict"])
            network.eval()
            assert isinstance(content["c"], list)
            score = lambda x: distances(network, content["c"], x)  # noqa: E731, B023
        elif method.startswith("dgm"):
            network = generative_network(name, method[4:])
            network.load_state_dict(content["net_dict"])
            network.eval()
            score = lambda x: network.score(x).detach().numpy()  # noqa: E731, B023
        elif method == "autoencoder":
            deep_sad_networks(name)[1].load_state_dict(content["ae_net_dict"])
            continue
        else:
            continue
        found_auc, found, labels = evaluated(again, name)
        if name == "mnist":
            expected = score(images)
        elif compat:
            x, reference_labels = reference_table(name, SEED)
            assert (labels == reference_labels).all()
            expected = score(x)
        else:  # scaled by the constants in the checkpoint
            scaler = json.loads(content["deepsad"]["deepsad.scaler"])
            raw = scipy.io.loadmat(data / "odds" / f"{name}.mat")["X"].astype(np.float64)
            with open(work / f"{again.stem}-scores.csv") as file:
                rows = [int(row["index"]) for row in csv.DictReader(file)]
            z = (raw[rows] - scaler["mean"]) / np.array(scaler["std"])
            span = np.array(scaler["max"]) - scaler["min"]
            expected = score(torch.from_numpy(((z - scaler["min"]) / np.where(span > 0, span, 1)).astype(np.float32)))
        compare(what, found, expected)
        assert abs(found_auc - auc(labels, expected)) < 1e-4, what


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.system, (f"touch {self.marker}",))


def check_hostile():
    torch.manual_seed(SEED)
    network, autoencoder = deep_sad_networks("cardio")
    good = {"c": [0.1] * 8, "net_dict": network.state_dict(), "ae_net_dict": autoencoder.state_dict()}
    marker = work / "was-run"
    changed = lambda **parts: {**good, **parts}  # noqa: E731
    state = lambda name, value: OrderedDict({**network.state_dict(), name: value})  # noqa: E731
    code = network.state_dict()["code.weight"]
    broken = code.clone()
    broken[0, 0] = float("nan")
    cases = [
        ("a call in a value", changed(c=Evil(marker)), "the global \"posix.system\""),
        ("a call in a tensor", changed(net_dict=state("code.weight", Evil(marker))), "the global \"posix.system\""),
        ("eval", changed(c=type("E", (), {"__reduce__": lambda self: (eval, (f"open({str(marker)!r}, 'w')",))})()),
         "the global \"__builtin__.eval\""),
        ("another key", changed(optimizer={}), "has the key \"optimizer\""),
        ("half precision", changed(net_dict=state("code.weight", code.half())), "the global \"torch.HalfStorage\""),
        ("NaN", changed(net_dict=state("code.weight", broken)), "\"code.weight\" holds nan"),
        ("a whole module", network, "the global"),
        ("no dict", [1, 2], "holds a list of 2"),
        ("a network that nobody knows", {"c": [0.1], "net_dict": {"a.weight": torch.zeros(2, 2)}}, "no network has the checkpoint's tensors"),
        ("a tensor too many", changed(net_dict=state("more.weight", code)), "belongs to no layer"),
        ("another shape", changed(net_dict=state("hidden.1.linear.weight", code)), "looks like an MLP, but"),
        ("a centre of another length", changed(c=[0.1] * 7), "the centre"),
        ("a centre of words", changed(c=["a"] * 8), "c holds the text \"a\", wanted numbers"),
        ("no network", {"c": [0.1] * 8}, "has no net_dict"),
        ("expanded tensor", changed(net_dict=state("code.weight", torch.zeros(1).expand(8, 16))), "does not lie in its storage"),
    ]
    for zipped in (True, False):
        for what, content, message in cases:
            path = save(content, "hostile.tar", zipped)
            result = subprocess.run([arguments.program, "import", path, "--scaling", "none", "-o", work / "never.safetensors"],
                                    capture_output=True, text=True)
            assert result.returncode in (2, 4), (what, result)
            assert message in result.stderr, f"{what}: {result.stderr}"
            assert not marker.exists(), f"{what}: code of the file was run"
            assert not (work / "never.safetensors").exists()
    # What refuses the same at loading must load otherwise.
    path = save(good, "good.tar", True)
    assert "does not say how the rows were scaled" in deepsad("import", path, "-o", work / "never.safetensors", code=2)
    assert "give --seed" in deepsad("import", path, "--dataset", "cardio", "--data-dir", data, "-o", work / "n", code=2)
    assert "takes samples of 21, but thyroid has 6" in deepsad("import", path, "--dataset", "thyroid", "--data-dir", data, "--seed", 1, "-o", work / "n", code=2)
    assert "none of cardio_mlp" in deepsad("import", save(changed(net_dict=state("code.weight", code[:4])), "x.tar", True), "--network", "cardio_mlp", "--scaling", "none", "-o", work / "n", code=2)
    # Unusual but right: other strides, a shared storage, doubles, numbers of NumPy.
    column_major = code.t().contiguous().t()
    assert not column_major.is_contiguous()
    everything = torch.randn(3, 8, 16)
    variants = [changed(net_dict=state("code.weight", column_major)), changed(net_dict=state("code.weight", everything.double()[1])),
                changed(c=list(np.full(8, 0.1, np.float32))), changed(c=torch.full((8,), 0.1)), {**good, "ae_net_dict": None},
                changed(net_dict=dict(network.state_dict()))]
    x = torch.rand(ROWS, 21)
    scipy.io.savemat(work / "x.mat", {"X": x.numpy().astype(np.float64)})
    for i, content in enumerate(variants):
        other, _ = deep_sad_networks("cardio")
        other.load_state_dict(content["net_dict"])
        other.eval()
        for zipped in (True, False):
            model = work / f"variant-{i}-{zipped}.safetensors"
            deepsad("import", save(content, "variant.tar", zipped), "--scaling", "none", "-o", model)
            compare(f"unusual checkpoint {i}", scores_of_file(model, work / "x.mat"), distances(other, [0.1] * 8, x))


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        check_hostile()
        check_imports()
        check_generative_imports()
        check_exports()
    print("| scores | rows | largest difference |\n| --- | --- | --- |")
    for what, n, difference in table_of_differences:
        print(f"| {what} | {n} | {difference:.1e} |")


main()
