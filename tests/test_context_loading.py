"""Hazard: a file of context frames that does not keep to the agreement runs all the same."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper
from tiny_context_models import metadata_of, save_context
from tiny_models import save, tensor

from rtdenoise import Model, ModelError
from rtdenoise.config import CONTEXT_TRANSFORM

SHAPE = [1, 128, 128]


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("rtdenoise_format", "2", "rtdenoise_format '2' in its metadata, expected '1'"),
        ("kind", "wave", "kind 'wave' in its metadata, expected 'context', or none for a model of hops"),
        ("kind", None, "n_bins None in its metadata, expected a whole number"),
        ("weights_licence", None, "no 'weights_licence'"),
        ("context_length", None, "context_length None in its metadata, expected a whole number"),
        ("context_length", "8065", "a transform that cannot be used, expected one that can be built"),
        ("window_length", "256", "a transform that cannot be used.*the window must be odd"),
        ("hop_length", "0", "a transform that cannot be used"),
        ("shift_length", "1.5", "shift_length '1.5'"),
        ("sample_rate", "11025", "sample_rate 11025, expected one of 8000, 16000, 24000, 32000, 48000"),
        ("macs_per_hop", "-1", "macs_per_hop '-1'"),
    ],
)
def test_metadata_are_checked(tmp_path, entry, value, message):
    path = save_context(tmp_path / "model.onnx", **{entry: value})
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def graphs():
    def ends(source: str = "magnitudes", target: str = "gains", shape=SHAPE, kind=TensorProto.FLOAT):
        node = helper.make_node("Identity", [source], [target])
        return [node], [tensor(source, shape, kind)], [tensor(target, shape, kind)]

    yield "input", *ends("frame"), r"inputs \['frame'\], expected magnitudes"
    yield "output", *ends(target="mask"), r"outputs \['mask'\], expected \['gains'\]"
    yield "type", *ends(kind=TensorProto.DOUBLE), r"magnitudes of type tensor\(double\)"
    yield "batch", *ends(shape=["n", 128, 128]), "magnitudes of shape .*whole numbers above zero"
    yield "bins", *ends(shape=[1, 128, 129]), r"magnitudes of shape \[1, 128, 129\], expected \[1, 128, 128\]"
    cut = [helper.make_node("ReduceMax", ["magnitudes"], ["gains"], axes=[1], keepdims=1)]
    yield "gains", cut, [tensor("magnitudes", SHAPE)], [tensor("gains", [1, 1, 128])], r"gains of shape \[1, 1, 128\]"


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "message"), [pytest.param(*rest, id=name) for name, *rest in graphs()]
)
def test_inputs_and_outputs_are_checked(tmp_path, nodes, inputs, outputs, message):
    path = save(tmp_path / "model.onnx", nodes, [], inputs, outputs, **metadata_of(CONTEXT_TRANSFORM))
    with pytest.raises(ModelError, match=message):
        Model.load(path)
