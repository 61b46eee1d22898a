"""The small recurrent net that says how much the comb of ``pitch_filter`` counts in each band.

A dense layer, a gated recurrent unit (Cho et al. 2014, with the reset after the product, as Keras and cuDNN have it)
and a dense layer on what both give; softsign and hard sigmoid instead of tanh and sigmoid, which are slower. Its
weights are one vector, in the order in which they are needed: of each layer its rows, an output each, then its biases.
As a graph of its own it would take longer to call than to compute.

The kernel's part has its slow, obvious numpy twin beside it; a test compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import helper

Float32 = NDArray[np.float32]

#: Of the first layer, and of the recurrent one.
UNITS = 32


def layer_shapes(features: int, outputs: int) -> list[tuple[int, int]]:
    """(outputs, inputs) of the layers in their order: dense, the recurrent unit's two products, dense."""
    return [(UNITS, features), (3 * UNITS, UNITS), (3 * UNITS, UNITS), (outputs, 2 * UNITS)]


def weight_count(features: int, outputs: int) -> int:
    """Length of the vector of weights."""
    return sum(rows * (columns + 1) for rows, columns in layer_shapes(features, outputs))


@helper
def _layer(weights: Float32, at: int, inputs: Float32, out: Float32) -> Any:
    """Write a layer's sums; returns where the next layer's weights begin."""
    rows, columns = out.shape[0], inputs.shape[0]
    end = at + rows * columns
    matrix, biases = weights[at:end].reshape((rows, columns)), weights[end : end + rows]
    for row in range(rows):
        total = biases[row]
        for column in range(columns):
            total += matrix[row, column] * inputs[column]
        out[row] = total
    return end + rows


@helper
def _softsign(x: Any) -> Any:
    return x / (np.float32(1.0) + abs(x))


@helper
def _hard_sigmoid(x: Any) -> Any:
    return min(np.float32(1.0), max(np.float32(0.0), x * np.float32(1 / 6) + np.float32(0.5)))


@helper
def net_step(weights: Float32, features: Float32, hidden: Float32, gates: Float32, out: Float32) -> None:
    """One hop.

    Args:
        weights: (weight_count,) float32.
        features: (features,).
        hidden: (2 * UNITS,) the second half is the memory between hops.
        gates: (6 * UNITS,) scratch.
        out: (outputs,) written.
    """
    at = _layer(weights, 0, features, hidden[:UNITS])
    for i in range(UNITS):
        hidden[i] = _softsign(hidden[i])
    at = _layer(weights, at, hidden[:UNITS], gates[: 3 * UNITS])
    at = _layer(weights, at, hidden[UNITS:], gates[3 * UNITS :])
    for i in range(UNITS):
        keep = _hard_sigmoid(gates[i] + gates[3 * UNITS + i])
        reset = _hard_sigmoid(gates[UNITS + i] + gates[4 * UNITS + i])
        new = _softsign(gates[2 * UNITS + i] + reset * gates[5 * UNITS + i])
        hidden[UNITS + i] = new + keep * (hidden[UNITS + i] - new)
    _layer(weights, at, hidden, out)


def net_step_numpy(weights: Float32, features: Float32, hidden: Float32, gates: Float32, out: Float32) -> None:
    """The same as ``net_step``, written to be read."""
    layers, at = [], 0
    for rows, columns in layer_shapes(len(features), len(out)):
        matrix = weights[at : at + rows * columns].reshape(rows, columns)
        at += rows * (columns + 1)
        layers.append((matrix, weights[at - rows : at]))

    def products(number: int, inputs: Any) -> Any:
        matrix, biases = layers[number]
        return matrix @ inputs + biases

    def softsign(x: Any) -> Any:
        return x / (1 + np.abs(x))

    def hard_sigmoid(x: Any) -> Any:
        return np.clip(x / 6 + 0.5, 0, 1)

    hidden[:UNITS] = softsign(products(0, features))
    gates[:] = np.concatenate([products(1, hidden[:UNITS]), products(2, hidden[UNITS:])])
    (keep, reset, new), (keep_too, reset_too, new_too) = gates.reshape(2, 3, UNITS)
    keep, reset = hard_sigmoid(keep + keep_too), hard_sigmoid(reset + reset_too)
    hidden[UNITS:] = keep * hidden[UNITS:] + (1 - keep) * softsign(new + reset * new_too)
    out[:] = products(3, hidden)
