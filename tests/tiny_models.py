"""Real ONNX files of a few operators: what they do is known exactly, so tests can say what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from rtdenoise.config import STREAM_TRANSFORM

N_BINS = STREAM_TRANSFORM.n_bins

METADATA = {
    "rtdenoise_format": "1",
    "name": "tiny",
    "version": "1.0",
    "sample_rate": "16000",
    "window_length": "512",
    "hop_length": "128",
    "n_bins": "257",
    "training_data": "none, it is made by hand",
    "training_data_licence": "CC0-1.0",
    "weights_licence": "CC0-1.0",
    "parameters": "0",
    "macs_per_hop": "0",
}


def tensor(name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: Sequence[float], shape: Sequence[int] | None = None) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, shape or [len(values)], values)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto] = (),
    inputs: Sequence[onnx.ValueInfoProto] | None = None,
    outputs: Sequence[onnx.ValueInfoProto] | None = None,
    **metadata: str | None,
) -> Path:
    """Write a model with the given nodes; ``metadata`` overrides single entries, ``None`` leaves one out."""
    inputs = inputs or [tensor("frame", [1, N_BINS, 2])]
    outputs = outputs or [tensor("mask", [1, N_BINS, 2])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    entries = {key: value for key, value in {**METADATA, **metadata}.items() if value is not None}
    helper.set_model_props(model, entries)
    onnx.save(model, str(path))
    return path


def save_constant(path: Path, gain: complex = 1.0, **metadata: str | None) -> Path:
    """A mask that is ``gain`` in every bin, whatever comes in; 1 leaves everything as it is."""
    nodes = [
        helper.make_node("Mul", ["frame", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "gain"], ["mask"]),
    ]
    gain = complex(gain)
    return save(path, nodes, [constant("zero", [0.0]), constant("gain", [gain.real, gain.imag])], **metadata)


def save_leaky(path: Path, **metadata: str | None) -> Path:
    """A crude denoiser with memory: the mask is p / (p + level), level being a leaky mean of the power p.

    A state that were lost, shared or carried over shows in every later sample.
    """
    states = [tensor("state_level", [1, N_BINS, 1])]
    next_states = [tensor("next_state_level", [1, N_BINS, 1])]
    nodes = [
        helper.make_node("Mul", ["frame", "frame"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "last_axis"], ["power"], keepdims=1),
        helper.make_node("Mul", ["power", "share"], ["new_part"]),
        helper.make_node("Mul", ["state_level", "keep"], ["old_part"]),
        helper.make_node("Add", ["new_part", "old_part"], ["next_state_level"]),
        helper.make_node("Add", ["power", "next_state_level"], ["sum"]),
        helper.make_node("Add", ["sum", "tiny"], ["divisor"]),
        helper.make_node("Div", ["power", "divisor"], ["gain"]),
        helper.make_node("Mul", ["gain", "real_only"], ["mask"]),
    ]
    constants = [
        helper.make_tensor("last_axis", TensorProto.INT64, [1], [2]),
        constant("share", [0.05]),
        constant("keep", [0.95]),
        constant("tiny", [1e-12]),
        constant("real_only", [1.0, 0.0]),
    ]
    return save(
        path,
        nodes,
        constants,
        [tensor("frame", [1, N_BINS, 2]), *states],
        [tensor("mask", [1, N_BINS, 2]), *next_states],
        **metadata,
    )


def save_features(path: Path, **metadata: str | None) -> Path:
    """A model of features, whose mask is them: magnitude as real part, and the sum of both parts as imaginary part."""
    inputs, outputs = [tensor("features", [1, 3, 1, N_BINS - 1])], [tensor("mask", [1, N_BINS - 1, 2])]
    nodes, constants = _mask_of_features("mask")
    return save(path, nodes, constants, inputs, outputs, **{"compression": "0.3", **metadata})


def save_features_inside(path: Path, **metadata: str | None) -> Path:
    """The same as a model of frames, which makes the features and the topmost bin of the mask itself."""
    nodes, constants = _mask_of_features("most")
    nodes = [
        helper.make_node("Gather", ["frame", "bins"], ["parts"], axis=1),
        helper.make_node("ReduceSumSquare", ["parts"], ["squares"], axes=[2], keepdims=1),
        helper.make_node("Add", ["squares", "power_floor"], ["power"]),
        helper.make_node("Sqrt", ["power"], ["magnitude"]),
        helper.make_node("Pow", ["power", "exponent"], ["scale"]),
        helper.make_node("Concat", ["parts", "magnitude"], ["all"], axis=2),
        helper.make_node("Mul", ["all", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["channels_first"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["channels_first", "features_shape"], ["features"]),
        *nodes,
        helper.make_node("Pad", ["most", "one_bin"], ["mask"], mode="edge"),
    ]
    constants += [
        helper.make_tensor("bins", TensorProto.INT64, [N_BINS - 1], range(N_BINS - 1)),
        helper.make_tensor("features_shape", TensorProto.INT64, [4], [1, 3, 1, N_BINS - 1]),
        helper.make_tensor("one_bin", TensorProto.INT64, [6], [0, 0, 0, 0, 1, 0]),
        constant("power_floor", [1e-10]),
        constant("exponent", [0.5 * (0.3 - 1.0)]),
    ]
    return save(path, nodes, constants, **metadata)


def _mask_of_features(name: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes = [
        helper.make_node("Transpose", ["features"], ["bins_first"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["bins_first", "rows_shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "picked"], [name]),
    ]
    constants = [
        helper.make_tensor("rows_shape", TensorProto.INT64, [3], [1, N_BINS - 1, 3]),
        constant("picked", [0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [3, 2]),
    ]
    return nodes, constants


def save_delay(path: Path, **metadata: str | None) -> Path:
    """The frame before this one, over this one: mask * frame is the previous frame, so all comes a hop later."""
    nodes = [
        helper.make_node("Split", ["frame"], ["re", "im"], axis=2),
        helper.make_node("Split", ["state_frame"], ["old_re", "old_im"], axis=2),
        *(
            helper.make_node("Mul", pair, [product])
            for *pair, product in [
                ("re", "re", "re_re"),
                ("im", "im", "im_im"),
                ("old_re", "re", "a"),
                ("old_im", "im", "b"),
                ("old_im", "re", "c"),
                ("old_re", "im", "d"),
            ]
        ),
        helper.make_node("Add", ["re_re", "im_im"], ["power"]),
        helper.make_node("Add", ["power", "tiny"], ["divisor"]),
        helper.make_node("Add", ["a", "b"], ["mask_re"]),
        helper.make_node("Sub", ["c", "d"], ["mask_im"]),
        helper.make_node("Concat", ["mask_re", "mask_im"], ["product"], axis=2),
        helper.make_node("Div", ["product", "divisor"], ["mask"]),
        helper.make_node("Identity", ["frame"], ["next_state_frame"]),
    ]
    frame = [1, N_BINS, 2]
    inputs = [tensor("frame", frame), tensor("state_frame", frame)]
    outputs = [tensor("mask", frame), tensor("next_state_frame", frame)]
    return save(path, nodes, [constant("tiny", [1e-20])], inputs, outputs, **metadata)
