"""A checkpoint's best weights as an ONNX graph: magnitudes of a context frame in, gains out, scales inside."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np

from rtdenoise.config import CONTEXT_TRANSFORM

from .checkpoint import Checkpoint
from .config import ScaleConfig
from .net import build_net
from .spectra import FULL_SCALE


class _Graph:
    """Nodes and constants in their order. Weights are kept as float16: half the file, and the same to the ear."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.constants: list = []

    def constant(self, values, dtype=np.float32) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weights(self, values: np.ndarray) -> str:
        from onnx import TensorProto

        return self.add("Cast", self.constant(values, np.float16), to=TensorProto.FLOAT)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes) -> str:
        from onnx import helper

        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output


def context_graph(net: keras.Model, scale: ScaleConfig):
    """``net`` and its scales as an ONNX model: ``magnitudes`` to ``gains``, each ``(1, n_frames, n_bins)``."""
    from onnx import TensorProto, helper

    graph = _Graph()
    picture = _to_picture(graph, scale)
    answer = _convolve(graph, net, picture)
    shape = [1, CONTEXT_TRANSFORM.n_frames, CONTEXT_TRANSFORM.n_bins]
    flat = graph.add("Reshape", answer, graph.constant(shape, np.int64))
    spread = graph.add("Mul", flat, graph.constant(scale.out_spread))
    attenuation = graph.add("Add", spread, graph.constant(scale.out_centre))
    if scale.reference == "fixed":
        attenuation = graph.add("Max", attenuation, graph.constant(0.0))
    exponent = graph.add("Mul", attenuation, graph.constant(-math.log(10) / 20))
    graph.add("Exp", exponent, output="gains")
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name in ("magnitudes", "gains")]
    made = helper.make_graph(graph.nodes, "unet8k", *ends, graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _to_picture(graph: _Graph, scale: ScaleConfig) -> str:
    if scale.reference == "maximum":
        largest = graph.add("ReduceMax", "magnitudes", axes=[1, 2], keepdims=1)
        relative = graph.add("Div", "magnitudes", graph.add("Max", largest, graph.constant(1e-5)))
    else:
        relative = graph.add("Mul", "magnitudes", graph.constant(1 / FULL_SCALE))
    audible = graph.add("Max", relative, graph.constant(10 ** (scale.floor_db / 20)))
    decibels = graph.add("Mul", graph.add("Log", audible), graph.constant(20 / math.log(10) / scale.spread))
    scaled = graph.add("Sub", decibels, graph.constant(scale.centre / scale.spread))
    shape = [1, 1, CONTEXT_TRANSFORM.n_frames, CONTEXT_TRANSFORM.n_bins]
    return graph.add("Reshape", scaled, graph.constant(shape, np.int64))


def _convolve(graph: _Graph, net: keras.Model, picture: str) -> str:
    """Keras' layers one by one, channels first."""
    names = {id(net.inputs[0]): picture}
    name = picture
    for layer in net.layers[1:]:
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [names[id(tensor)] for tensor in given]
        match layer:
            case keras.layers.Conv2D():
                kernel, bias = layer.get_weights()
                height, width = kernel.shape[:2]
                before, after = [(height - 1) // 2, (width - 1) // 2], [height // 2, width // 2]
                weights = graph.weights(kernel.transpose(3, 2, 0, 1)), graph.weights(bias)
                name = graph.add("Conv", *inputs, *weights, pads=before + after)
            case keras.layers.LeakyReLU():
                name = graph.add("LeakyRelu", *inputs, alpha=float(layer.negative_slope))
            case keras.layers.MaxPooling2D():
                name = graph.add("MaxPool", *inputs, kernel_shape=[2, 2], strides=[2, 2])
            case keras.layers.UpSampling2D():
                factors = graph.constant([1, 1, 2, 2])
                name = graph.add("Resize", *inputs, "", factors, mode="nearest", nearest_mode="floor",
                                 coordinate_transformation_mode="asymmetric")  # fmt: skip
            case keras.layers.Concatenate():
                name = graph.add("Concat", *inputs, axis=1)
            case keras.layers.Activation():
                name = graph.add("Tanh", *inputs)
            case keras.layers.Dropout():
                name = inputs[0]
        names[id(layer.output)] = name
    return name


def export(checkpoint: Path, out: Path, about: dict[str, str]) -> None:
    """Write the checkpoint's best weights to ``out``; ``about``: version, data and licences, for its metadata.

    Raises:
        TrainingError: ``checkpoint`` is none, or ``out`` cannot be written.
    """
    from ..export import count_macs, write_model

    stored = Checkpoint.load(checkpoint)
    net = build_net()
    net.set_weights(stored.best)
    model = context_graph(net, stored.config.scale)
    transform = CONTEXT_TRANSFORM
    facts = {
        "rtdenoise_format": 1,
        "kind": "context",
        "name": "unet8k",
        "sample_rate": transform.sample_rate,
        "context_length": transform.context_length,
        "window_length": transform.window_length,
        "hop_length": transform.hop_length,
        "shift_length": transform.shift_length,
        "parameters": net.count_params(),
        "macs_per_hop": count_macs(model),
    }
    write_model(model, out, facts | about)
