#!/usr/bin/env python3
"""Resized images: the triangle filter as two matrices, in exact fractions. Needs the standard library alone.

    python3 tests/golden/image_values.py > tests/golden/image_values.json
"""

import json
from fractions import Fraction
from math import floor


def matrix(n_from, n_to):
    """Row i: the weight of each source pixel; a triangle around the middle of pixel i, as wide as the scale."""
    scale = Fraction(n_from, n_to)
    width = max(scale, Fraction(1))
    rows = []
    for i in range(n_to):
        middle = (i + Fraction(1, 2)) * scale
        row = [max(Fraction(0), 1 - abs(k + Fraction(1, 2) - middle) / width) for k in range(n_from)]
        rows.append([w / sum(row) for w in row])
    return rows


def rounded(value):
    return min(255, max(0, floor(value + Fraction(1, 2))))


def resize(image, height, width):
    across = matrix(len(image[0]), width)
    rows = [[rounded(sum(w * p for w, p in zip(weights, row))) for weights in across] for row in image]
    down = matrix(len(image), height)
    return [[rounded(sum(w * rows[y][x] for y, w in enumerate(weights))) for x in range(width)] for weights in down]


def main():
    height, width = 7, 9
    image = [[(37 * y * y + 101 * x + 13 * x * y) % 256 for x in range(width)] for y in range(height)]
    cases = [{"height": h, "width": w, "pixels": sum(resize(image, h, w), [])} for h, w in ((3, 4), (14, 18), (7, 2), (1, 1), (10, 5))]
    print(json.dumps({"height": height, "width": width, "pixels": sum(image, []), "resized": cases}))


if __name__ == "__main__":
    main()
