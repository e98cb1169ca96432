#!/usr/bin/env python3
"""Shallow detectors: deepsad against scikit-learn and CVXOPT, on MNIST with class 0 normal.

    benchmarks/detectors/compare.py --bench build/benchmark/benchmarks/detectors/shallow_bench --data DIR --out DIR

The training set is the paper's: all training images of class 0, of the whole 1 % labelled images of class 1, and
10 % pollution of the unlabelled part. Both sides hold it in memory as float32 (CVXOPT: double). Each uses one
thread, and the figure is processor time, so that other work on the machine disturbs neither; the smallest of
--rounds runs counts. --what chooses rows; --ssad-widths limits how many of the ten widths CVXOPT solves (its time
for ten is then ten times the mean, and the table says so).

- oc_svm  ten widths 2^-7 ... 2^2, nu 0.1, on the whole training set   sklearn.svm.OneClassSVM(cache_size=2000)
- ssad    ten widths, kappa 1, C 1                                     cvxopt.solvers.qp, sparse constraints
- kde     ten bandwidths x five folds, then the fit                    GridSearchCV(KernelDensity(), cv=5)
- forest  100 trees of 256 rows; fit, and scoring 10,000 images        IsolationForest(contamination=0.1)

Scores and objectives are compared as well. Needs: python3-sklearn, python3-cvxopt; for CVXOPT an optimised BLAS
(libopenblas0) matters. Writes DIR/shallow.json and DIR/shallow.md.
"""

import argparse
import glob
import gzip
import json
import os
import platform
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from support.openblas import with_best_core

THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
WIDTHS = [2.0**e for e in range(-7, 3)]
BANDWIDTHS = [2.0 ** (k / 2) for k in range(1, 11)]


def read_mnist(folder):
    import numpy as np

    def read(name, offset):
        path = glob.glob(os.path.join(folder, name + "*"))[0]
        return np.frombuffer(gzip.open(path).read(), np.uint8, offset=offset)

    return [read("train-images", 16).reshape(-1, 784), read("train-labels", 8),
            read("t10k-images", 16).reshape(-1, 784), read("t10k-labels", 8)]


def write_problem(data, out):
    """The training set (float32 rows, semi labels) and the test images."""
    import numpy as np
    images, classes, test, test_classes = read_mnist(data)
    random = np.random.RandomState(1)
    normal = np.where(classes == 0)[0]
    total = len(normal) / (0.9 * 0.99)
    pollution = random.permutation(np.where(classes != 0)[0])[: int(0.1 * 0.99 * total)]
    known = random.permutation(np.where(classes == 1)[0])[: int(0.01 * total)]
    rows = np.concatenate([normal, pollution, known])
    semi = np.concatenate([np.zeros(len(rows) - len(known)), -np.ones(len(known))]).astype(np.int8)
    x = images[rows].astype(np.float32) / np.float32(255)
    t = test.astype(np.float32) / np.float32(255)
    x.tofile(os.path.join(out, "train.f32"))
    semi.tofile(os.path.join(out, "semi.i8"))
    t.tofile(os.path.join(out, "test.f32"))
    return x, semi, t, (test_classes != 0).astype(int)


def ours(arguments, method):
    best = None
    for _ in range(arguments.rounds):
        text = subprocess.run([arguments.bench, arguments.out, "784", method, "1"], check=True,
                              capture_output=True, text=True).stdout
        run = json.loads(text)
        if best is None:
            best = run
        best["fit"] = min(best["fit"], run["fit"])
        best["score"] = min(best["score"], run["score"])
    return best


def timed(f):
    begin = time.process_time()
    result = f()
    return time.process_time() - begin, result


def scores_of(out, method):
    import numpy as np
    return np.fromfile(os.path.join(out, method + ".scores"), np.float32).astype(float)


def compare_oc_svm(arguments, x, semi, t, labels, rows):
    import numpy as np
    from sklearn.svm import OneClassSVM
    mine = ours(arguments, "oc_svm_grid")
    total, per_width = 0.0, []
    for gamma in WIDTHS:
        seconds, _ = timed(lambda: OneClassSVM(kernel="rbf", gamma=gamma, nu=0.1, cache_size=2000).fit(x))
        per_width.append(seconds)
        total += seconds
    rows.append(("OC-SVM, ten widths", mine["fit"], total, "scikit-learn", ""))
    single = ours(arguments, "oc_svm")
    tight = OneClassSVM(kernel="rbf", gamma=WIDTHS[0], nu=0.1, cache_size=2000, tol=1e-7).fit(x)
    seconds, decision = timed(lambda: -tight.decision_function(t))
    rows.append(("OC-SVM, scoring 10,000 images", single["score"], seconds, "scikit-learn", ""))
    difference = np.abs(scores_of(arguments.out, "oc_svm") - decision).max() / np.abs(decision).max()
    return {"per_width": per_width, "largest_difference_of_scores_relative": difference}


def compare_ssad(arguments, x, semi, t, labels, rows):
    import numpy as np
    from cvxopt import matrix, solvers, sparse, spmatrix
    mine = ours(arguments, "ssad_grid")
    solvers.options["show_progress"] = False
    n = len(x)
    sign = np.where(semi < 0, -1.0, 1.0)
    labelled = (semi != 0).astype(float)
    wide = x.astype(float)
    squares = (wide**2).sum(1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * wide @ wide.T, 0)
    eye = spmatrix(1.0, range(n), range(n))
    g = sparse([eye, -eye, sparse(matrix(-labelled, (1, n)))])
    h = matrix(np.concatenate([np.ones(n), np.zeros(n), [-1.0]]))
    per_width, objective = [], []
    for gamma in WIDTHS[: arguments.ssad_widths]:
        p = matrix(np.exp(-gamma * distances) * sign[:, None] * sign[None, :])
        seconds, solution = timed(
            lambda: solvers.qp(p, matrix(0.0, (n, 1)), g, h, matrix(sign, (1, n)), matrix(1.0)))
        per_width.append(seconds)
        objective.append(solution["primal objective"])
        print(f"cvxopt: gamma {gamma:g} {seconds:.1f} s, {solution['status']}", file=sys.stderr, flush=True)
    total = sum(per_width) / len(per_width) * len(WIDTHS)
    note = "" if len(per_width) == len(WIDTHS) else f"10 x the mean of {len(per_width)} widths"
    rows.append(("SSAD, ten widths", mine["fit"], total, "CVXOPT", note))
    single = ours(arguments, "ssad")
    return {"per_width": per_width,
            "objective": {"cvxopt": objective[0], "deepsad": single["report"]["solver"]["objective"]}}


def compare_kde(arguments, x, semi, t, labels, rows):
    import numpy as np
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity
    mine = ours(arguments, "kde")
    if arguments.kde_rows < len(x):  # the cost is quadratic in the rows
        part = x[np.random.RandomState(2).permutation(len(x))[: arguments.kde_rows]]
    else:
        part = x[np.random.RandomState(2).permutation(len(x))]
    search = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS}, cv=5)
    seconds, _ = timed(lambda: search.fit(part))
    factor = (len(x) / len(part)) ** 2
    note = "" if factor == 1 else f"measured on {len(part)} rows, times {factor:.1f}"
    rows.append(("KDE, ten bandwidths x five folds", mine["fit"], seconds * factor, "scikit-learn", note))
    few = t[:200]
    seconds, density = timed(lambda: -KernelDensity(bandwidth=BANDWIDTHS[0]).fit(x).score_samples(few))
    rows.append(("KDE, scoring 10,000 images", mine["score"], seconds * len(t) / len(few), "scikit-learn",
                 f"measured on {len(few)} images"))
    difference = np.abs(scores_of(arguments.out, "kde")[: len(few)] - density).max() / np.abs(density).max()
    return {"bandwidth": {"sklearn": search.best_params_["bandwidth"], "deepsad": mine["report"]["bandwidth"]},
            "largest_difference_of_scores_relative": difference}


def compare_forest(arguments, x, semi, t, labels, rows):
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score
    mine = ours(arguments, "isolation_forest")
    fit, score, aucs = [], [], []
    for seed in range(max(arguments.rounds, 5)):
        forest = IsolationForest(n_estimators=100, max_samples=256, contamination=0.1, random_state=seed)
        seconds, _ = timed(lambda: forest.fit(x))
        fit.append(seconds)
        seconds, decision = timed(lambda: -forest.decision_function(t))
        score.append(seconds)
        aucs.append(roc_auc_score(labels, decision))
    rows.append(("Isolation forest, fit", mine["fit"], min(fit), "scikit-learn", ""))
    rows.append(("Isolation forest, scoring 10,000 images", mine["score"], min(score), "scikit-learn", ""))
    return {"auc": {"sklearn": aucs, "deepsad": roc_auc_score(labels, scores_of(arguments.out, "isolation_forest"))}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--data", required=True, help="folder with MNIST's four files")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--what", default="oc_svm,ssad,kde,forest")
    parser.add_argument("--ssad-widths", type=int, default=len(WIDTHS))
    parser.add_argument("--kde-rows", type=int, default=10**9)
    arguments = parser.parse_args()
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    os.environ.update(with_best_core(dict(os.environ)))  # before NumPy loads it
    os.makedirs(arguments.out, exist_ok=True)
    problem = write_problem(arguments.data, arguments.out)
    rows, facts = [], {}
    steps = {"oc_svm": compare_oc_svm, "ssad": compare_ssad, "kde": compare_kde, "forest": compare_forest}
    for what in arguments.what.split(","):
        facts[what] = steps[what](arguments, *problem, rows)
        print(json.dumps({what: facts[what]}), file=sys.stderr, flush=True)
        table = ["| work | deepsad, s | peer, s | ratio | peer |", "|---|---|---|---|---|"]
        for name, mine, theirs, peer, note in rows:
            table.append(f"| {name} | {mine:.3f} | {theirs:.2f} | {theirs / mine:.0f} | {peer}"
                         f"{' (' + note + ')' if note else ''} |")
        text = "\n".join(table)
        with open(os.path.join(arguments.out, "shallow.md"), "w") as file:
            file.write(text + "\n")
    with open(os.path.join(arguments.out, "shallow.json"), "w") as file:
        json.dump({"rows": rows, "facts": facts, "machine": platform.processor(), "n_rows": len(problem[0])}, file,
                  indent=1)
    print(text)


if __name__ == "__main__":
    main()
