#!/usr/bin/env python3
"""Writes statistics_values.json: what SciPy says of random samples, for the tests of evaluation/statistics.h.
Needs python3-scipy (1.10.1 was used) and python3-numpy.
"""

import json
import math
import os

import numpy as np
from scipy import stats


def numbers(array):
    return [[float(v) for v in row] for row in array] if array.ndim == 2 else [float(v) for v in array]


def sample(rng, mean, shape, grid):
    """Normal values; with a grid, multiples of 1/grid (a power of two, so that differences tie exactly)."""
    values = rng.normal(mean, 0.05, shape)
    return np.round(values * grid) / grid if grid else np.round(values, 12)


def wilcoxon(rng, n, grid, shift):
    a, b = sample(rng, 0.9, n, grid), sample(rng, 0.9 - shift, n, grid)
    d = a - b
    distinct = len(set(np.abs(d))) == n and np.all(d != 0)
    exact = n <= 50 and distinct
    result = stats.wilcoxon(a, b, mode="exact" if exact else "approx")
    return {"a": numbers(a), "b": numbers(b), "exact": bool(exact), "statistic": float(result.statistic),
            "p_value": float(result.pvalue)}


def friedman(rng, n, k, grid, shift):
    values = sample(rng, 0.9 + shift * np.arange(k), (n, k), grid)
    chi, p = stats.friedmanchisquare(*values.T)
    ranks = np.mean([stats.rankdata(-row) for row in values], axis=0)
    return {"values": numbers(values), "chi_squared": float(chi), "p_value": float(p), "average_ranks": numbers(ranks)}


def cliff(rng, n, m, grid, shift):
    a, b = sample(rng, 0.9, n, grid), sample(rng, 0.9 - shift, m, grid)
    # SciPy has no Cliff's delta; it is 2 U / (n m) - 1 for the U of Mann and Whitney.
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic
    return {"a": numbers(a), "b": numbers(b), "delta": float(2 * u / (n * m) - 1)}


def main():
    rng = np.random.default_rng(6)
    values = {
        "wilcoxon": [wilcoxon(rng, n, grid, shift) for n, grid, shift in
                     [(5, 0, 0.0), (10, 0, 0.0), (10, 0, 0.03), (10, 0, 0.2), (25, 0, 0.02), (50, 0, 0.03),
                      (51, 0, 0.03), (90, 0, 0.01), (100, 0, 0.1), (10, 64, 0.02), (40, 64, 0.02), (90, 64, 0.0)]],
        "friedman": [friedman(rng, n, k, grid, shift) for n, k, grid, shift in
                     [(6, 3, 0, 0.0), (6, 9, 0, 0.02), (10, 4, 64, 0.01), (90, 13, 0, 0.005), (5, 5, 8, 0.0)]],
        "studentized_range": [{"k": k, "alpha": alpha, "q": float(stats.studentized_range.ppf(1 - alpha, k, math.inf))}
                              for k in (2, 3, 5, 9, 13, 30) for alpha in (0.1, 0.05, 0.01)],
        "chi_squared_tail": [{"x": x, "k": k, "p": float(stats.chi2.sf(x, k))}
                             for x in (0.0, 0.3, 2.0, 12.5, 80.0, 400.0) for k in (1, 2, 8, 12)],
        "normal": [{"z": z, "p": float(2 * stats.norm.sf(abs(z)))} for z in (0.0, 0.5, -1.96, 4.0, -9.0)],
        "cliffs_delta": [cliff(rng, n, m, grid, shift) for n, m, grid, shift in
                         [(10, 10, 0, 0.0), (10, 7, 0, 0.05), (30, 40, 64, 0.02), (90, 100, 0, -0.01)]],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "statistics_values.json")
    with open(path, "w", encoding="utf-8") as file:
        lines = []
        for key, cases in values.items():
            lines.append(f' "{key}": [\n' + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]")
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
