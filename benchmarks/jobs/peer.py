#!/usr/bin/env python3
"""Whole jobs in PyTorch: the training loop of the published Deep SAD code, with all data in memory.

    benchmarks/jobs/peer.py train --data DATA --dataset mnist|cardio --epochs N --ae-epochs N --threads T ...
    benchmarks/jobs/peer.py trial ...            which form of Adam and which memory format are the fastest; for --variant
    benchmarks/jobs/peer.py score --data DATA --threads T
                                                 the 10,000 test images of MNIST: by a network in memory, and the whole way
                                                 from the model's file and the compressed images to scores

Autoencoder pretraining, its test, the centre, Deep SAD training and its test, with AUC, as the published program does
them, but faster than it: batches are gathered from a tensor instead of a data loader, in the form that a trial found fastest.
Prints one line of JSON: seconds (from here on, reading of the data included) without the start of Python and the import of torch, peak memory, AUC.

Needs: python3-torch, python3-numpy, python3-scipy.
"""

import argparse
import gzip
import json
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "training"))


def read_idx(path):
    import numpy as np
    with gzip.open(path, "rb") as file:
        content = file.read()
    extents = [int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(content[3])]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(extents)).reshape(extents)


def mnist(data, seed):
    """Class 0 is normal; γ_l = 0.01 labelled anomalies of class 1, γ_p = 0.1."""
    import numpy as np
    folder = os.path.join(data, "mnist")
    images = read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz"))
    labels = read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"))
    test = read_idx(os.path.join(folder, "t10k-images-idx3-ubyte.gz"))
    test_labels = read_idx(os.path.join(folder, "t10k-labels-idx1-ubyte.gz"))
    random = np.random.RandomState(seed)
    normal, anomaly, known = (np.flatnonzero(m) for m in (labels == 0, labels != 0, labels == 1))
    rows = np.concatenate([normal, random.permutation(anomaly)[:658], random.permutation(known)[:66]])
    semi = np.concatenate([np.zeros(len(normal) + 658), -np.ones(66)])
    scale = np.float32(255)
    return (images[rows, None] / scale, semi, test[:, None] / scale, test_labels != 0)


def cardio(data, seed):
    """60:40 split, min-max scaling, γ_l = 0.01."""
    import numpy as np
    import scipy.io
    mat = scipy.io.loadmat(os.path.join(data, "odds", "cardio.mat"))
    x, y = mat["X"].astype(np.float64), mat["y"].reshape(-1) != 0
    random = np.random.RandomState(seed)
    train, test = [], []
    for label in (False, True):
        rows = random.permutation(np.flatnonzero(y == label))
        n_test = -(-4 * len(rows) // 10)
        test.append(rows[:n_test])
        train.append(rows[n_test:])
    everything = np.concatenate(train)
    low, high = x[everything].min(axis=0), x[everything].max(axis=0)
    scaled = ((x - low) / np.where(high > low, high - low, 1)).astype(np.float32)
    rows = np.concatenate([train[0], train[1][:10]])
    semi = np.concatenate([np.zeros(len(train[0])), -np.ones(10)])
    test = np.concatenate(test)
    return scaled[rows], semi, scaled[test], y[test]


def auc(labels, scores):
    import numpy as np
    order = np.argsort(scores, kind="stable")
    sorted_scores = scores[order]
    first = np.searchsorted(sorted_scores, scores, "left")
    last = np.searchsorted(sorted_scores, scores, "right")
    ranks = (first + last + 1) / 2
    n_anomaly = labels.sum()
    n_normal = len(labels) - n_anomaly
    return float((ranks[labels].sum() - n_anomaly * (n_anomaly + 1) / 2) / (n_anomaly * n_normal))


class Job:
    """Data as tensors, and the loops of both phases."""

    def __init__(self, dataset, data, seed):
        import torch
        from compare import build
        x, semi, test, labels = {"mnist": mnist, "cardio": cardio}[dataset](data, seed)
        self.x, self.test = torch.from_numpy(x), torch.from_numpy(test)
        self.semi, self.labels = torch.from_numpy(semi.astype("float32")), labels
        self.name = {"mnist": "mnist_LeNet", "cardio": "cardio_mlp"}[dataset]
        self.encoder, self.decoder, _ = build(self.name)
        self.batch = 128

    def use_channels_last(self):
        import torch
        for part in (self.encoder, self.decoder):
            part.to(memory_format=torch.channels_last)
        self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.test = self.test.contiguous(memory_format=torch.channels_last)

    def epochs(self, module, loss_of, n_epochs, milestone, rate, decay, foreach):
        import torch
        optimizer = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay, foreach=foreach)
        module.train()
        total = 0.0
        for epoch in range(n_epochs):
            if milestone and epoch == milestone:
                optimizer.param_groups[0]["lr"] *= 0.1
            order = torch.randperm(len(self.x))
            for begin in range(0, len(order) - self.batch + 1, self.batch):  # the incomplete batch is dropped
                rows = order[begin:begin + self.batch]
                optimizer.zero_grad()
                loss = loss_of(self.x[rows], rows)
                loss.backward()
                optimizer.step()
                total += loss.item()
        return total

    def outputs(self, module, x):
        import torch
        module.eval()
        with torch.no_grad():
            return torch.cat([module(x[i:i + self.batch]) for i in range(0, len(x), self.batch)])

    def pretrain(self, options, foreach):
        import torch
        module = torch.nn.Sequential(self.encoder, self.decoder)
        self.epochs(module, lambda x, rows: torch.nn.functional.mse_loss(module(x), x), options.ae_epochs, 0,
                    options.ae_lr, options.ae_weight_decay, foreach)
        error = torch.mean((self.outputs(module, self.test) - self.test).flatten(1) ** 2, dim=1)
        return auc(self.labels, error.numpy())

    def train(self, options, foreach):
        import torch
        c = torch.mean(self.outputs(self.encoder, self.x[self.semi >= 0]), dim=0)
        c = torch.where(c.abs() < 0.1, torch.where(c < 0, -0.1, 0.1), c)

        def loss_of(x, rows):
            semi = self.semi[rows]
            d = torch.sum((self.encoder(x) - c) ** 2, dim=1)
            return torch.mean(torch.where(semi == 0, d, (d + 1e-6) ** semi))

        self.epochs(self.encoder, loss_of, options.epochs, options.milestone, options.lr, options.weight_decay,
                    foreach)
        d = torch.sum((self.outputs(self.encoder, self.test) - c) ** 2, dim=1)
        return auc(self.labels, d.numpy())


def trial(options):
    """The faster way to run PyTorch, by a few epochs of each."""
    best = (float("inf"), False, False)
    for channels_last in ((False, True) if options.dataset == "mnist" else (False,)):
        for foreach in (False, True):
            job = Job(options.dataset, options.data, options.seed)
            job.x, job.semi = job.x[:1024], job.semi[:1024]
            if channels_last:
                job.use_channels_last()
            few = argparse.Namespace(**{**vars(options), "epochs": 2, "ae_epochs": 2, "milestone": 0})
            job.pretrain(few, foreach)  # warm
            start = time.perf_counter()
            job.pretrain(few, foreach)
            job.train(few, foreach)
            best = min(best, (time.perf_counter() - start, channels_last, foreach))
    return {"channels_last": best[1], "foreach": best[2]}


def score(options):
    """Fastest of eager and frozen script, either memory format: the passes alone, warm, and the whole way, each file read anew."""
    import tempfile
    import torch
    images = os.path.join(options.data, "mnist", "t10k-images-idx3-ubyte.gz")
    best = {"seconds": float("inf"), "whole_seconds": float("inf")}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        for channels_last in (False, True):
            order = torch.channels_last if channels_last else torch.contiguous_format
            for scripted in (False, True):
                job = Job("mnist", options.data, options.seed)
                if channels_last:
                    job.use_channels_last()
                module = job.encoder.eval()
                if scripted:
                    module = torch.jit.freeze(torch.jit.trace(module, job.test[:job.batch]))
                    torch.jit.save(module, path)
                else:
                    torch.save(module, path)

                def scores(network, x):
                    with torch.no_grad():
                        outputs = torch.cat([network(x[i:i + job.batch]) for i in range(0, len(x), job.batch)])
                    return torch.sum(outputs ** 2, dim=1)

                for name in ("seconds", "whole_seconds"):
                    times = []
                    for _ in range(4):
                        start = time.perf_counter()
                        if name == "whole_seconds":
                            network = torch.jit.load(path) if scripted else torch.load(path).eval()
                            x = torch.from_numpy(read_idx(images)[:, None].copy()).to(torch.float32).div_(255)
                            scores(network, x.contiguous(memory_format=order))
                        else:
                            scores(module, job.test)
                        times.append(time.perf_counter() - start)
                    if min(times[1:]) < best[name]:
                        best[name] = min(times[1:])
                        best[name.replace("seconds", "form")] = (
                            f"{'scripted' if scripted else 'eager'}{', channels last' if channels_last else ''}")
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["trial", "train", "score"])
    parser.add_argument("--data", required=True)
    parser.add_argument("--dataset", choices=["mnist", "cardio"], default="mnist")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--ae-epochs", type=int, default=150)
    parser.add_argument("--milestone", type=int, default=0)
    for name, default in (("--lr", 1e-3), ("--weight-decay", 1e-6), ("--ae-lr", 1e-3), ("--ae-weight-decay", 1e-6)):
        parser.add_argument(name, type=float, default=default)
    parser.add_argument("--variant", default="{}", help="answer of a trial")
    options = parser.parse_args()
    import torch
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    answer = {}
    if options.work == "score":
        answer = score(options)
    elif options.work == "trial":
        answer = trial(options)
    else:
        variant = json.loads(options.variant)
        foreach = variant.get("foreach", False)
        torch.manual_seed(options.seed)
        start = time.perf_counter()
        job = Job(options.dataset, options.data, options.seed)
        if variant.get("channels_last", False):
            job.use_channels_last()
        answer["ae_auc"] = job.pretrain(options, foreach)
        answer["auc"] = job.train(options, foreach)
        answer["seconds"] = time.perf_counter() - start
    answer["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
