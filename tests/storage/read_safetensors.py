#!/usr/bin/env python3
"""Reads a safetensors file by the published format alone, with the standard library, and prints what it holds as JSON.

Written from docs/model-file.md and https://github.com/huggingface/safetensors ("Format"), independently of the C++
code, so that the test which compares both can find a misreading of the format. Real numbers are printed in
hexadecimal, which is exact. "checksum_ok" repeats the rule of docs/model-file.md.
"""

import hashlib
import json
import struct
import sys

ELEMENTS = {"F32": ("f", 4), "F64": ("d", 8), "I64": ("q", 8), "U8": ("B", 1)}
CHECKSUM_KEY = "deepsad.checksum"


def main():
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    (header_length,) = struct.unpack_from("<Q", content, 0)
    header = json.loads(content[8 : 8 + header_length].decode("utf-8"))
    payload = content[8 + header_length :]
    metadata = header.pop("__metadata__", {})

    tensors = []
    for name, entry in header.items():
        letter, size = ELEMENTS[entry["dtype"]]
        begin, end = entry["data_offsets"]
        n = 1
        for extent in entry["shape"]:
            n *= extent
        assert end - begin == n * size, name
        assert (8 + header_length + begin) % size == 0, f"{name} is not aligned"
        values = struct.unpack(f"<{n}{letter}", payload[begin:end])
        if letter in "fd":
            values = [value.hex() for value in values]
        tensors.append({"name": name, "dtype": entry["dtype"], "shape": entry["shape"], "values": list(values)})
    covered = sorted(entry["data_offsets"] for entry in header.values())
    assert all(a[1] == b[0] for a, b in zip(covered, covered[1:])), "gap or overlap"
    assert not covered or (covered[0][0] == 0 and covered[-1][1] == len(payload)), "payload not covered"

    stored = metadata[CHECKSUM_KEY]
    at = content.index(stored.encode())
    zeroed = content[:at] + b"0" * 64 + content[at + 64 :]
    json.dump(
        {
            "metadata": metadata,
            "tensors": tensors,
            "payload_start": 8 + header_length,
            "checksum_ok": hashlib.sha256(zeroed).hexdigest() == stored,
        },
        sys.stdout,
    )


main()
