"""``stream`` for one hop as an ONNX graph, written operator by operator.

At one hop a call the time goes into starting operators as much as into their arithmetic. So batch norms are folded into
the products before them, constants into biases, gates share products, and nothing is reshaped that need not be: two
thirds of the operators of a converted Keras graph. A test holds the graph against Keras.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and constants in the making; tensors are named by the operator that makes them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs, out: str | tuple[str, ...] = "", **attributes) -> str:
        """Append an operator; arrays among its inputs become constants. Returns the name of its (first) output."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        outputs = list(out) if isinstance(out, tuple) else [out or f"{kind}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, names, outputs, **attributes))
        return outputs[0]

    def constant(self, values) -> str:
        """Add a constant, float32 unless it holds whole numbers; returns its name."""
        values = np.ascontiguousarray(values)
        if values.dtype.kind == "f":
            values = values.astype(np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def stream_graph(net) -> onnx.ModelProto:
    """``net`` (model.StreamNet) as a model of one hop: ``features``, ``state_*`` in, ``mask``, ``next_state_*`` out.

    Features are made outside, by `rtdenoise.features`: one kernel takes a fifth of the time of eight operators. The
    encoder works on ``(1, channels, 1, bins)``, the only layout for which ONNX Runtime has fast strided
    convolutions; all after it on rows, ``(bins, channels)``, in which the core is products of matrices and sub-pixel
    upsampling is another way to read the same memory.
    """
    graph, bins = Graph(), net.n_bins - 1
    x, skips = "features", []
    for layer in net.encoder:
        x = _convolution(graph, x, layer)
        bins //= layer.conv.strides[1]
        skips.append(graph.op("Transpose", x, perm=[0, 2, 3, 1]))
    x, owed = _core(graph, graph.op("Reshape", skips[-1], [bins, net.core_channels]), net)
    for layer in [*net.decoder, net.head]:
        x = _row_convolution(graph, graph.op("Add", x, skips.pop()), layer, bins, owed)
        bins, owed = bins * layer.upsample, np.zeros(layer.channels)
        x = graph.op("Reshape", x, [1, bins, 2] if layer is net.head else [bins, layer.channels])
    graph.op("Tanh", x, out="mask")

    def tensors(prefix: str, shapes: dict[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
        shapes |= {f"{prefix}state_{i}": shape for i, shape in enumerate(net.state_shapes())}
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    inputs, outputs = tensors("", {"features": (1, 3, 1, bins)}), tensors("next_", {"mask": (1, bins, 2)})
    made = helper.make_graph(graph.nodes, "stream", inputs, outputs, graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _convolution(graph: Graph, x: str, layer) -> str:
    """``layers.FrequencyConv`` of the encoder, batch norm folded in; ``same`` padding as Keras does it."""
    kernel, bias = _folded(layer)
    taps, stride = len(kernel), layer.conv.strides[1]
    before = (taps - stride) // 2
    x = graph.op(
        "Conv", x, kernel.transpose(2, 1, 0)[:, :, None], bias,
        kernel_shape=[1, taps], strides=[1, stride], pads=[0, before, 0, taps - stride - before],
    )  # fmt: skip
    return graph.op("LeakyRelu", x, alpha=0.1)


def _row_convolution(graph: Graph, x: str, layer, bins: int, owed: np.ndarray) -> str:
    """``layers.FrequencyConv`` of the decoder on ``x + owed``: each row beside its neighbours, times one matrix."""
    kernel, bias = _folded(layer)
    taps, channels, _ = kernel.shape
    neighbours = np.arange(bins)[:, None] + np.arange(taps) - taps // 2
    neighbours[(neighbours < 0) | (neighbours >= bins)] = bins  # a row of what becomes zero
    x = graph.op("Gather", graph.op("Concat", x, -owed[None, None, None], axis=2), neighbours, axis=2)
    x = graph.op("Reshape", x, [bins, taps * channels])
    x = graph.op("Gemm", x, kernel.reshape(taps * channels, -1), bias + owed @ kernel.sum(axis=0))
    return x if layer.norm is None else graph.op("LeakyRelu", x, alpha=0.1)


def _core(graph: Graph, x: str, net) -> tuple[str, np.ndarray]:
    """The pairs of recurrent layer and mixer; what Keras computes is the result plus the vector beside it."""
    owed = np.zeros(net.core_channels)  # biases of batch norms, passed on into the biases of what comes next
    for i, (recurrent, mixer) in enumerate(zip(net.recurrent, net.mixers, strict=True)):
        x, owed = _recurrent(graph, x, recurrent, owed, f"state_{i}")
        x, owed = _mixer(graph, x, mixer, owed)
    return x, owed


def _recurrent(graph: Graph, x: str, layer, owed: np.ndarray, state_name: str) -> tuple[str, np.ndarray]:
    """``layers.TimeGRU``: each gate is one product of input and state side by side."""
    inward, bias = _array(layer.input_product.kernel), _array(layer.input_product.bias)
    recurrent, recurrent_bias = _array(layer.cell.recurrent), _array(layer.cell.bias)
    bias, c = bias + owed @ inward, len(recurrent)
    both, beside = np.concatenate([inward, recurrent]), graph.op("Concat", x, state_name, axis=1)
    update, reset = (
        graph.op("Sigmoid", graph.op("Gemm", beside, both[:, gate], bias[gate])) for gate in (slice(c), slice(c, 2 * c))
    )
    inner = graph.op("Mul", reset, graph.op("Gemm", state_name, recurrent[:, 2 * c :], recurrent_bias))
    candidate = graph.op("Tanh", graph.op("Add", graph.op("Gemm", x, inward[:, 2 * c :], bias[2 * c :]), inner))
    kept = graph.op("Mul", update, graph.op("Sub", state_name, candidate))
    new = graph.op("Add", candidate, kept, out=f"next_{state_name}")
    scale, shift = _affine(layer.norm)
    return graph.op("Gemm", new, _array(layer.project.kernel) * scale, x), owed + shift


def _mixer(graph: Graph, x: str, layer, owed: np.ndarray) -> tuple[str, np.ndarray]:
    """``layers.FrequencyMixer``, its products from the left, so that nothing is transposed.

    A scale above zero goes through LeakyRelu unchanged, so it may stand first, and the last product adds ``x``.
    """
    spread, gather = _array(layer.spread).T, _array(layer.gather).T
    bias = _array(layer.spread_bias)[:, None] + np.outer(spread.sum(axis=1), owed)
    scale, shift = _affine(layer.norm)
    size, sign = np.abs(scale), np.sign(scale)
    rows = np.tile(size, (spread.shape[1], 1))  # factors of one shape are multiplied in one go, a row not
    hidden = graph.op("LeakyRelu", graph.op("Gemm", spread, graph.op("Mul", x, rows), bias * size), alpha=0.1)
    if (sign < 0).any():
        hidden = graph.op("Mul", hidden, sign)
    return graph.op("Gemm", gather, hidden, x), owed + shift


def _folded(layer) -> tuple[np.ndarray, np.ndarray]:
    """Kernel ``(taps, channels in, channels out)`` and bias of a ``FrequencyConv``, its batch norm folded in."""
    kernel = _array(layer.conv.kernel)[0]
    if layer.norm is None:
        return kernel, _array(layer.conv.bias)
    scale, bias = _affine(layer.norm)
    return kernel * scale, bias


def _affine(norm) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm at rest as ``x * scale + shift``."""
    scale = _array(norm.gamma) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
    return scale, _array(norm.beta) - _array(norm.moving_mean) * scale


def _array(weight) -> np.ndarray:
    from keras import ops

    return ops.convert_to_numpy(weight).astype(np.float64)
