#!/usr/bin/env python3
"""Looks at every exported file with the ONNX project's own library (Debian's python3-onnx): its checker and shape
inference, and that its reader and writer give back what deepsad wrote, so that the wire format is right.

usage: check_onnx_files.py CASES_DIR
"""

import json
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, checker, shape_inference

OPSET = 13
IR_VERSION = 7


def main():
    folder = Path(sys.argv[1])
    cases = json.loads((folder / "cases.json").read_text())
    assert len(cases) >= 45, f"only {len(cases)} cases"
    for case in cases:
        content = (folder / f"{case['name']}.onnx").read_bytes()
        model = onnx.load_model_from_string(content)
        checker.check_model(model, full_check=True)
        assert [o.version for o in model.opset_import] == [OPSET] and model.ir_version == IR_VERSION, case
        graph = model.graph
        batch, *shape = graph.input[0].type.tensor_type.shape.dim
        assert graph.input[0].name == "x" and batch.dim_param == "N", case
        assert [d.dim_value for d in shape] == case["sample_shape"], case
        wanted = TensorProto.UINT8 if case["type"] == "uint8" else TensorProto.DOUBLE
        assert graph.input[0].type.tensor_type.elem_type == wanted, case
        assert [o.name for o in graph.output] == ["score", "label"], case
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        assert len(inferred.graph.value_info) >= len(graph.node) - 2, f"{case['name']}: shapes that cannot be inferred"
        used = {name for node in graph.node for name in node.input}
        assert {t.name for t in graph.initializer} <= used, f"{case['name']}: constants without use"
        # Everything written was understood: nothing is left in fields that the library does not know.
        again = onnx.ModelProto()
        again.ParseFromString(model.SerializeToString())
        again.DiscardUnknownFields()
        assert again == model, case
        properties = {p.key: p.value for p in model.metadata_props}
        probe = json.loads(properties["deepsad.probe"])
        assert len(probe["rows"]) == len(probe["scores"]) == 32, case
    print(f"{len(cases)} files are valid ONNX, opset {OPSET}")


main()
