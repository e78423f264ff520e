"""Small ONNX networks for tests, in the forms that real exports have."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rakuten.io import sha256_file
from rakuten.params import OnnxParams

SIDE, PATCH, WIDTH = 32, 8, 12


def save_network(
    path: Path,
    *,
    seed: int = 0,
    batch: int | str = "batch",
    side: int | str = SIDE,
    channels_last: bool = False,
    real: int = TensorProto.FLOAT,
    taken: int | None = None,
    extra_input: bool = False,
) -> OnnxParams:
    """Write a network of patches, as a vision transformer begins; returns parameters for it.

    Like a real one it adds a vector for each place, so it takes only pictures of its own side.
    Its outputs are ``last_hidden_state`` (tokens), ``pooler_output`` (their mean) and ``answer``
    (whole numbers).
    """
    random = np.random.default_rng(seed)
    floats = helper.tensor_dtype_to_np_dtype(real)
    patches = random.normal(0, 0.3, (WIDTH, 3, PATCH, PATCH)).astype(floats)
    places = random.normal(0, 0.3, ((SIDE // PATCH) ** 2, WIDTH)).astype(floats)
    mix = random.normal(0, 0.3, (WIDTH, WIDTH)).astype(floats)
    node, picture = helper.make_node, [3, side, side]
    nodes = [
        node("Cast", ["pixel_values"], ["pixels"], to=real),
        node("Conv", ["nchw", "patches"], ["grid"], strides=[PATCH, PATCH]),
        node("Reshape", ["grid", "flat"], ["columns"]),
        node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
        node("Add", ["rows", "places"], ["placed"]),
        node("Tanh", ["placed"], ["bent"]),
        node("MatMul", ["bent", "mix"], ["last_hidden_state"]),
        node("ReduceMean", ["last_hidden_state", "axis"], ["pooler_output"], keepdims=0),
        node("ArgMax", ["pooler_output"], ["answer"], axis=1),
    ]
    if channels_last:
        nodes.insert(1, node("Transpose", ["pixels"], ["nchw"], perm=[0, 3, 1, 2]))
        picture = [side, side, 3]
    else:
        nodes.insert(1, node("Identity", ["pixels"], ["nchw"]))
    value = helper.make_tensor_value_info
    inputs = [value("pixel_values", taken or real, [batch, *picture])]
    if extra_input:
        inputs.append(value("input_ids", TensorProto.INT64, [batch, "length"]))
    outputs = [
        value("last_hidden_state", real, [batch, "tokens", WIDTH]),
        value("pooler_output", real, [batch, WIDTH]),
        value("answer", TensorProto.INT64, [batch, 1]),
    ]
    constants = [
        numpy_helper.from_array(patches, "patches"),
        numpy_helper.from_array(places, "places"),
        numpy_helper.from_array(mix, "mix"),
        numpy_helper.from_array(np.array([0, WIDTH, -1], dtype=np.int64), "flat"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
    ]
    graph = helper.make_graph(nodes, "patches", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return OnnxParams(
        path=str(path), sha256=sha256_file(path), input_size=SIDE, pooling="mean", batch_size=4
    )
