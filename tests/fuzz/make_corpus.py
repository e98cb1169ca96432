#!/usr/bin/env python3
"""Writes the seeds of the fuzzers to tests/fuzz/corpus/TARGET/: small valid files, and some with each kind of defect.

Needs the standard library alone. Seeds of the target `model` come from the program, see HACKING.md.
"""

import pathlib
import struct
import zlib

CORPUS = pathlib.Path(__file__).parent / "corpus"


def seed(target, name, content):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def tables():
    """The first byte chooses options: bits 0-2 the separator (5 to 7: detect), 3 header given, 4 which, 5 dates,
    6 labels in column 1, 7 at most three categories."""
    texts = {
        "quotes": 'a,b\r\n1,"x, ""y"""\r\n2,"line\nbreak"\r\n3,z\r\n4,z\r\n',
        "missing": "age,color\n30,red\n,blue\nNA,red\n40,red\n50,blue\n",
        "spaces": "  1.0   2\n 10.0  20\n",
        "semicolons": "sep=;\na;b\n1;2\n3;4\n",
        "mark": "\ufeffa\tb\n1\t2\n3\t5\n",
        "old_mac": "a|b\r1|2\r3|4\r",
        "row_names": "a b\n\"r1\" 1 2\n\"r2\" 3 4\n",
        "dates": "d,x\n2024-01-01,1\n2024-02-29T10:00:00Z,2\n1999/12/31,3\n",
        "mixed": "g,x\nA,1\n1,2\n01,3\nB,4\nA,5\n1.0,6\n",
        "numbers": "1e308,-0,0.1,12345678901234567890\n1e-320,+5,.5,5.\n7,8,9,1e400\n",
        "ragged": "a,b\n1,2\n3\n4,5,6\n",
        "open_quote": 'a,b\n1,"2\n3,4\n',
        "latin1": b"gr\xf6\xdfe,b\n1,\xe4\n2,\xe4\n3,b\n4,b\n",
    }
    for name, text in texts.items():
        raw = text if isinstance(text, bytes) else text.encode()
        for choice in (0x07, 0x18, 0x08, 0x27):
            seed("csv", f"{name}_{choice:02x}", bytes([choice]) + raw)
    suspects = "status,nr,x,on,kg\n" + "".join(
        f"{'fraud' if i % 5 == 0 else 'ok'},{i},{-999 if i % 9 == 0 else i * 37 % 101 / 7},"
        f"{'1970-01-01' if i % 8 == 0 else '31/01/2024'},\"{i},5\"\n" for i in range(60)) + "ragged\n"
    for choice in (0x40, 0x07):
        seed("data_check", f"suspects_{choice:02x}", bytes([choice]) + suspects.encode())
    for name in ("missing", "dates", "mixed", "ragged", "latin1"):
        text = texts[name]
        seed("data_check", name, b"\x07" + (text if isinstance(text, bytes) else text.encode()))
    seed("csv", "labels", bytes([0x58]) + b"status,x\nok,1\nfraud,2\n,3\n")
    for choice in (0x00, 0x11, 0x23, 0xF1):
        seed("rows", f"rows_{choice:02x}", bytes([choice]) +
             b'id,x,c,o,d\nr1,1,a,low,2024-01-01\nr2,,1.0,high,2024-01-02\nr3,bad,b,low,x\n"open\nr4,2\nr5,3,"a",low,2024-01-03\n')
        seed("rows", f"by_position_{choice:02x}", bytes([choice]) + b"1,a,low,2024-01-01,r1\n2,b,mid,2024-01-02,r2\n")


def schemas():
    seed("schema", "toml", 'missing_words = ["na", "?"]\n\n[[column]]\nname = "age"\nkind = "number"\nmissing = "impute"\n'
         'imputed = 41.5\nwhy = "3 missing"\n\n[[column]]\nname = "c"\nkind = "one_hot"\ncategories = ["a", "b\\u00fc"]\n\n'
         '[[column]]\nname = "o"\nkind = "ordinal"\ncategories = ["1", "2"]\n\n[[column]]\nname = "id"\nkind = "id"\n')
    seed("schema", "json", '{"missing_words":["na"],"column":[{"name":"x","kind":"number","missing":"impute","imputed":1e300},'
         '{"name":"d","kind":"date"},{"name":"s","kind":"label"}]}')
    seed("schema", "imputed_though_refused", '[[column]]\nname = "g"\nkind = "ordinal"\ncategories = ["a", "b"]\nimputed = 0.5\n')
    seed("schema", "unknown_key", '[[column]]\nnmae = "x"\n')
    seed("label_map", "plain", "fraud=anomaly,ok=normal,=unlabeled")
    seed("label_map", "quoted", '"a,""b""="=anomaly, 1 = normal ,x=unlabelled')
    seed("label_map", "broken", 'a=normal,"b')


def idx_file(dims, values, magic_type=8):
    return struct.pack(">BBBB", 0, 0, magic_type, len(dims)) + b"".join(struct.pack(">I", d) for d in dims) + bytes(values)


def images():
    seed("idx", "images", idx_file((2, 2, 3), range(12)))
    seed("idx", "labels", idx_file((4,), (0, 1, 2, 9)))
    seed("idx", "too_large", idx_file((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), ()))
    seed("cifar", "one", bytes([3]) + bytes(i % 256 for i in range(3072)))
    seed("cifar", "bad_label", bytes([13]) + bytes(3072))


def mat_element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat_matrix(name, rows, columns, values, array_class=6):
    return mat_element(14, mat_element(6, struct.pack("<II", array_class, 0)) + mat_element(5, struct.pack("<ii", rows, columns)) +
                       mat_element(1, name.encode()) + mat_element(9, struct.pack(f"<{len(values)}d", *values)))


def mats():
    header = b"MATLAB 5.0 MAT-file, a seed".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    x, y = mat_matrix("X", 3, 2, [1, 2, 3, 4.5, -5, 6]), mat_matrix("y", 3, 1, [0, 1, 0])
    compressed = b"".join(struct.pack("<II", 15, len(z)) + z for z in map(zlib.compress, (x, y)))
    seed("mat", "plain", header + x + y)
    seed("mat", "compressed", header + compressed)
    seed("mat", "other_names", header + mat_matrix("data", 1, 1, [1]) + y)


def npy_file(descr, shape, values, fortran=False, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + values


def arrays():
    seed("npy", "table", npy_file("<f8", (2, 2), struct.pack("<4d", 1, 2, 3, 4.5)))
    seed("npy", "fortran", npy_file(">i4", (2, 3), struct.pack(">6i", *range(6)), fortran=True, version=2))
    seed("npy", "half", npy_file("<f2", (3, 1), struct.pack("<3e", 1, 0.5, -2)))
    seed("npy", "images", npy_file("|u1", (2, 2, 2, 3), bytes(range(24)), version=3))
    seed("npy", "classes", npy_file("<i8", (3,), struct.pack("<3q", 0, 2, 1)))
    seed("npy", "objects", npy_file("|O", (1,), b"\x80\x02."))
    seed("npy", "too_large", npy_file("<f8", (2**40, 2**30), b""))


def png_file(width, height, kind, depth, rows, extra=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)) + extra +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


def pictures():
    seed("image", "grey.png", png_file(3, 2, 0, 8, [bytes([0, 100, 200]), bytes([50, 150, 250])]))
    seed("image", "rgb.png", png_file(2, 1, 2, 8, [bytes(range(6))]))
    seed("image", "alpha16.png", png_file(1, 2, 6, 16, [bytes(range(8))] * 2))
    palette = struct.pack(">I", 6) + b"PLTE" + bytes(6) + struct.pack(">I", zlib.crc32(b"PLTE" + bytes(6)))
    seed("image", "palette.png", png_file(4, 1, 3, 1, [b"\x50"], palette))
    # The JPEG seeds beside these were written by libjpeg-turbo: 12 x 9 pixels, grey, colour, progressive.


def settings():
    seed("options", "toml", 'dataset = "cardio"\nseed = 1\neta = 0.5\nn_epochs = 3\nnormal_class = [0, 1]\nlr = 1e-4\nmethod = "deep_sad"\n')
    seed("options", "json", '{"xp_path": "x", "load_config": null, "dataset_name": "mnist", "lr_milestone": [50], "pretrain": true}')
    seed("network", "widths", 'name = "wide"\nhidden = [8, 4]\nrep_dim = 2\n')
    seed("network", "layers", 'name = "small"\ninput = [1, 8, 8]\n\n[[encoder]]\nlayer = "conv2d"\nout = 2\nkernel = 3\npadding = 1\n\n'
         '[[encoder]]\nlayer = "batch_norm"\n\n[[encoder]]\nlayer = "leaky_relu"\nslope = 0.1\n\n[[encoder]]\nlayer = "max_pool2d"\n\n'
         '[[encoder]]\nlayer = "reshape"\nshape = [32]\n\n[[encoder]]\nlayer = "linear"\nout = 4\n')
    seed("network", "json", '{"name":"n","input":[4],"encoder":[{"layer":"linear","name":"l","out":2,"bias":false}],"decoder":[]}')


def containers():
    def container(header, payload=b""):
        raw = header.encode()
        return struct.pack("<Q", len(raw)) + raw + payload
    seed("safetensors", "two", container('{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
                                         '"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}', bytes(16)))
    seed("safetensors", "empty", container("{}"))
    seed("safetensors", "overlap", container('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
                                             '"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}', bytes(6)))


if __name__ == "__main__":
    tables()
    schemas()
    images()
    mats()
    arrays()
    pictures()
    settings()
    containers()
