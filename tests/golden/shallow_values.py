#!/usr/bin/env python3
"""Writes shallow_values.json: what scikit-learn and CVXOPT say of small problems, for the tests of the shallow
detectors. Needs python3-sklearn (1.2.1 was used) and python3-cvxopt (1.3.0).

Row i, feature j of a problem is u(i d + j, tensor), the fill of the golden values (support/golden.h), rounded to
float32; training rows are tensor 2000 + case, test rows 3000 + case.
"""

import json
import os

import numpy as np
from cvxopt import matrix, solvers
from sklearn.neighbors import KernelDensity
from sklearn.svm import OneClassSVM


def u(k, j):
    mask = 0xFFFFFFFF
    h = (k * 2654435761 + (97 * j + 1)) & mask
    h ^= h >> 16
    h = (h * 0x85EBCA6B) & mask
    h ^= h >> 13
    h = (h * 0xC2B2AE35) & mask
    h ^= h >> 16
    return h / 2**32


def rows(n, d, tensor):
    return np.array([[u(i * d + j, tensor) for j in range(d)] for i in range(n)]).astype(np.float32).astype(float)


def squared(a, b):
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(2)


def digits(values):
    return [float(f"{v:.10g}") for v in np.ravel(values)]


def oc_svm(case, n, d, nu, kernel, gamma):
    x, t = rows(n, d, 2000 + case), rows(6, d, 3000 + case)
    machine = OneClassSVM(kernel=kernel, gamma=gamma, nu=nu, degree=3, coef0=0, tol=1e-12, shrinking=False).fit(x)
    alpha = np.zeros(n)
    alpha[machine.support_] = machine.dual_coef_[0]
    gram = {"rbf": lambda: np.exp(-gamma * squared(x, x)), "linear": lambda: x @ x.T,
            "poly": lambda: (gamma * x @ x.T) ** 3}[kernel]()
    return {"case": case, "n": n, "d": d, "nu": nu, "kernel": kernel, "gamma": gamma,
            "objective": float(0.5 * alpha @ gram @ alpha), "rho": float(-machine.intercept_[0]),
            "alpha": digits(alpha) if n <= 40 else [], "score": digits(-machine.decision_function(t))}


def ssad(case, n, d, gamma, kappa, bounds, n_normal, n_anomaly):
    """Rows: normal-labelled first, then anomalous, then unlabelled."""
    solvers.options.update(show_progress=False, abstol=1e-13, reltol=1e-12, feastol=1e-12, maxiters=200)
    x, t = rows(n, d, 2000 + case), rows(6, d, 3000 + case)
    y = np.array([1] * n_normal + [-1] * n_anomaly + [0] * (n - n_normal - n_anomaly))
    c = np.where(y < 0, -1.0, 1.0)
    box = np.where(y == 0, bounds[1], np.where(y > 0, bounds[0], bounds[2])).astype(float)
    gram = np.exp(-gamma * squared(x, x))
    eye = np.eye(n)
    g = np.vstack([eye, -eye, -(y != 0).astype(float)])
    h = np.concatenate([box, np.zeros(n), [-kappa]])
    if not (y != 0).any():
        g, h = g[:-1], h[:-1]
    solution = solvers.qp(matrix(gram * c[:, None] * c[None, :]), matrix(0.0, (n, 1)), matrix(g), matrix(h),
                          matrix(c, (1, n)), matrix(1.0))
    alpha = np.array(solution["x"])[:, 0]
    return {"case": case, "n": n, "d": d, "gamma": gamma, "kappa": kappa, "c_normal": bounds[0],
            "c_unlabelled": bounds[1], "c_anomaly": bounds[2], "n_normal": n_normal, "n_anomaly": n_anomaly,
            "objective": float(solution["primal objective"]),
            "f": digits(np.exp(-gamma * squared(t, x)) @ (alpha * c)), "alpha": digits(alpha) if n <= 40 else []}


def kde(case, n, d, kernel, bandwidth):
    x, t = rows(n, d, 2000 + case), rows(6, d, 3000 + case)
    density = KernelDensity(kernel=kernel, bandwidth=bandwidth, rtol=0, atol=0).fit(x).score_samples(t)
    return {"case": case, "n": n, "d": d, "kernel": kernel, "bandwidth": bandwidth, "log_density": digits(density)}


def main():
    values = {
        "oc_svm": [oc_svm(1, 30, 3, 0.3, "rbf", 2.0), oc_svm(2, 40, 5, 0.1, "rbf", 0.5),
                   oc_svm(3, 40, 4, 0.5, "linear", 1.0), oc_svm(4, 40, 4, 0.2, "poly", 0.7),
                   oc_svm(5, 300, 20, 0.1, "rbf", 0.05), oc_svm(6, 300, 20, 0.1, "rbf", 4.0),
                   oc_svm(7, 300, 2, 0.05, "rbf", 10.0)],
        "ssad": [ssad(11, 30, 3, 2.0, 1.0, (1, 1, 1), 0, 4), ssad(12, 40, 4, 1.0, 1.0, (1, 1, 1), 5, 5),
                 ssad(13, 40, 4, 1.0, 2.5, (0.7, 0.1, 0.4), 6, 6), ssad(14, 40, 4, 1.0, 0.0, (1, 1, 1), 4, 4),
                 ssad(15, 40, 4, 3.0, 1.0, (1, 1, 1), 0, 0), ssad(16, 300, 10, 0.3, 1.0, (1, 1, 1), 0, 12),
                 ssad(17, 300, 10, 4.0, 3.0, (0.5, 0.05, 0.3), 15, 15), ssad(18, 300, 3, 1.0, 1.0, (1, 1, 1), 20, 10)],
        "kde": [kde(21, 50, d, kernel, 1.1) for kernel in ("gaussian", "exponential", "epanechnikov", "linear", "tophat")
                for d in (1, 3)] + [kde(21, 50, d, "cosine", 1.1) for d in (1, 3)] + [kde(22, 60, 50, "gaussian", 0.4)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shallow_values.json")
    with open(path, "w") as file:
        lines = []
        for key, cases in values.items():
            lines.append(f' "{key}": [\n' + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]")
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
