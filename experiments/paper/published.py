#!/usr/bin/env python3
"""Writes published.json, the figures of Tables 3 to 6 of Ruff et al., "Deep Semi-Supervised Anomaly Detection", ICLR
2020 (arXiv 1906.02694v2), from their transcription in Markdown.

  published.py paper-tables.md [> published.json]

Every printed "mean±sd" becomes one entry, AUC in percent. A ditto mark in the transcription says that the method does not
use labels: such an entry has null for gamma_l and k, and stands for every value of them.
"""

import json
import re
import sys

COLUMNS = {"OC-SVM raw": "OC-SVM raw", "OC-SVM hyb": "OC-SVM hybrid", "IF raw": "IF raw", "IF hyb": "IF hybrid",
           "KDE raw": "KDE raw", "KDE hyb": "KDE hybrid", "CAE": "CAE", "Deep SVDD": "Deep SVDD",
           "SSAD raw": "SSAD raw", "SSAD hyb": "SSAD hybrid", "SS-DGM": "SS-DGM", "Deep SAD": "Deep SAD",
           "Superv.": "Supervised"}
LABEL_FREE = {"OC-SVM raw", "OC-SVM hybrid", "IF raw", "IF hybrid", "KDE raw", "KDE hybrid", "CAE", "Deep SVDD"}
DATASETS = {"MNIST": "mnist", "F-MNIST": "fmnist", "CIFAR-10": "cifar10"}
TABLES = {"### Table 3": ("3", 90), "### Table 4": ("4", 90), "### Table 5": ("5", 100), "### Table 6": ("6", 10)}


def coordinates(table, value):
    """gamma_l, gamma_p, k of a row."""
    if table == "3":
        return float(value), 0.0, 1
    if table == "4":
        return 0.05, float(value), 1
    if table == "5":
        return 0.05, 0.1, int(value)
    return 0.01, 0.0, 1


def main():
    lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
    entries, table, header = [], None, None
    for line in lines:
        if line.startswith("#"):
            table = next((t for start, t in TABLES.items() if line.startswith(start)), None)
            header = None
        if table is None or not line.startswith("|") or line.startswith("|---"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
            continue
        number, n = table
        first = 1 if number == "6" else 2
        gamma_l, gamma_p, k = coordinates(number, "0" if number == "6" else cells[1])
        for name, cell in zip(header[first:], cells[first:]):
            match = re.fullmatch(r"([\d.]+)±([\d.]+)", cell)
            if not match:
                assert cell in ("″", "–"), cell
                continue
            column = COLUMNS[name]
            free = column in LABEL_FREE
            entry = {"table": number, "dataset": DATASETS.get(cells[0], cells[0]), "gamma_l": None if free else gamma_l,
                     "gamma_p": gamma_p, "k": None if free else k, "column": column, "mean": float(match[1]),
                     "sd": float(match[2]), "n": n}
            # Table 4 has other figures for the same setting, and these are almost those of its polluted rows.
            if number == "3" and column == "SSAD raw" and gamma_l > 0:
                entry["doubtful"] = True
            entries.append(entry)
    assert len(entries) == 435, len(entries)
    print("{")
    print(' "source": "Ruff et al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, Tables 3 to 6; AUC in percent, '
          'mean and standard deviation over n setups",')
    print(f' "columns": {json.dumps(list(COLUMNS.values()))},')
    print(' "entries": [')
    print(",\n".join("  " + json.dumps(entry) for entry in entries))
    print(" ]\n}")


if __name__ == "__main__":
    main()
