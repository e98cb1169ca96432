#!/usr/bin/env python3
"""Array files as NumPy writes them, in hexadecimal, and what they hold. Debian: python3-numpy.

    /usr/bin/python3 tests/golden/numpy_values.py > tests/golden/numpy_values.json
"""

import io
import json

import numpy as np


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version, allow_pickle=True)
    return out.getvalue().hex()


def npz(save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue().hex()


def main():
    table = np.array([[0, 1, 2], [100, 3, 4]])
    files = []
    for descr in "?", "<u1", "<i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">i4", "<u8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8":
        values = table.astype(descr)
        if descr[-2:] == "f2":
            values = (table * 0.37 - 6e-6).astype(descr)  # with subnormal numbers
        for order in "C", "F":
            array = np.array(values, order=order)
            files.append({"name": f"{descr} {order}", "npy": npy(array), "shape": list(array.shape),
                          "values": [float(v) for v in array.ravel(order="C")]})
    for version in (1, 0), (2, 0), (3, 0):
        files.append({"name": f"version {version}", "npy": npy(table.astype("<f8"), version), "shape": [2, 3],
                      "values": table.astype(float).ravel().tolist()})
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    pictures = []
    for name, array, planes in (("grey", images[..., 0], images[..., 0][:, None]), ("last", images, images.transpose(0, 3, 1, 2)),
                                ("first", np.ascontiguousarray(images.transpose(0, 3, 1, 2)), images.transpose(0, 3, 1, 2)),
                                ("fortran", np.asfortranarray(images), images.transpose(0, 3, 1, 2))):
        pictures.append({"name": name, "npy": npy(array), "shape": list(planes.shape[1:]), "values": planes.ravel().tolist()})
    x, y = table.astype("<f4"), np.array([0, 2])
    print(json.dumps({
        "numpy": np.__version__, "tables": files, "images": pictures,
        "npz": npz(np.savez, X=x, y=y), "compressed": npz(np.savez_compressed, X=x, y=y), "one": npz(np.savez, data=x, other=y),
        "two": npz(np.savez, a=x, b=x),
        "refused": {"objects": npy(np.array([[1, "a"]], dtype=object)), "text": npy(np.array([["a"]])),
                    "complex": npy(np.array([[1j]])), "structured": npy(np.zeros(2, dtype=[("a", "f8"), ("b", "i4")])),
                    "dates": npy(np.array([["2020-01-01"]], dtype="M8[D]")), "vector": npy(np.arange(3)), "empty": npy(np.zeros((0, 3))),
                    "nan": npy(np.array([[1, np.nan]])), "float images": npy(np.zeros((1, 2, 2))),
                    "channels": npy(np.zeros((1, 4, 4, 5), dtype=np.uint8)), "long double": npy(np.zeros((1, 1), dtype=np.longdouble))}}, indent=1))


if __name__ == "__main__":
    main()
