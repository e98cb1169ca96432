#!/usr/bin/env python3
"""Writes threshold_values.json: what SciPy, scikit-learn and NumPy say of random scores, for the tests of
evaluation/interval.h, conformal.h, threshold.h, threshold_metrics.h and bootstrap.h. Needs python3-scipy
(1.10.1 was used), python3-sklearn (1.2.1) and python3-numpy.
"""

import json
import os

import numpy as np
from scipy import stats
from sklearn import metrics


def clopper_pearson(k, n, confidence):
    interval = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    return {"k": k, "n": n, "confidence": confidence, "low": float(interval.low), "high": float(interval.high)}


def benjamini_hochberg(rng, m, ties):
    """By the definition in the paper, level by level: the largest i with p_(i) <= i q / m."""
    p = rng.uniform(0, 1, m) ** 3
    if ties:
        p = np.ceil(p * 8) / 8
    ordered = np.sort(p)
    rejections = []
    for q in (0.01, 0.05, 0.1, 0.3, 0.9):
        passing = [i for i in range(m) if ordered[i] <= (i + 1) * q / m]
        bound = ordered[passing[-1]] if passing else -1
        rejections.append({"q": q, "rejected": [bool(v <= bound) for v in p]})
    return {"p": p.tolist(), "rejections": rejections}


def labelled(rng, n_normal, n_anomaly, grid):
    scores = np.concatenate([rng.normal(0, 1, n_normal), rng.normal(1.5, 1, n_anomaly)])
    scores = np.round(scores * grid) / grid
    truth = np.array([0] * n_normal + [1] * n_anomaly)
    order = rng.permutation(len(scores))
    return scores[order], truth[order]


def at_threshold(rng, n_normal, n_anomaly, threshold):
    scores, truth = labelled(rng, n_normal, n_anomaly, 16)
    alarms = scores > threshold
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, alarms, average="binary")
    return {"scores": scores.tolist(), "truth": truth.tolist(), "threshold": threshold, "precision": precision,
            "recall": recall, "f1": f1, "false_alarm_rate": float(np.mean(alarms[truth == 0]))}


def best_f1(rng, n_normal, n_anomaly):
    scores, truth = labelled(rng, n_normal, n_anomaly, 8)
    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    best = f1[:-1].max()
    # scikit-learn's rule is >=: its threshold is the smallest score that is an alarm.
    smallest_alarm = max(t for t, f in zip(thresholds, f1[:-1]) if f > best - 1e-12)
    return {"scores": scores.tolist(), "truth": truth.tolist(), "f1": float(best), "smallest_alarm": float(smallest_alarm)}


def quantiles(rng, n):
    scores = np.round(rng.normal(0, 1, n) * 256) / 256
    return {"scores": scores.tolist(),
            "values": [{"q": q, "value": float(np.quantile(scores, q, method="inverted_cdf"))}
                       for q in (0.05, 0.25, 0.5, 0.9, 0.95, 0.99)]}


def main():
    rng = np.random.default_rng(7)
    values = {
        "clopper_pearson": [clopper_pearson(k, n, c) for k, n in ((0, 10), (10, 10), (1, 30), (7, 200), (5000, 100000))
                            for c in (0.9, 0.95, 0.99)],
        "beta_quantile": [{"a": a, "b": b, "p": p, "x": float(stats.beta.ppf(p, a, b))}
                          for a, b in ((1, 99), (5, 96), (50, 951), (0.5, 3)) for p in (0.025, 0.5, 0.975)],
        "benjamini_hochberg": [benjamini_hochberg(rng, m, ties) for m in (1, 7, 40) for ties in (False, True)],
        "at_threshold": [at_threshold(rng, a, b, t) for a, b, t in ((40, 10, 1.0), (100, 3, 0.5), (5, 60, 0.25))],
        "best_f1": [best_f1(rng, a, b) for a, b in ((40, 10), (100, 4), (6, 60))],
        "quantiles": [quantiles(rng, n) for n in (7, 40, 101)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "threshold_values.json")
    with open(path, "w") as out:
        json.dump(values, out, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
