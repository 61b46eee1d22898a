"""What an ONNX file has to be for the engine: the agreement between exporter and loader, held entry by entry.

Every file carries metadata: ``rtdenoise_format``, name, version, what it was trained on and under which licences, and
the transform it was trained for. There are two kinds. Without ``kind`` in the metadata a file is a model of hops: it
takes ``frame`` float32 (1, n_bins, 2), real and imaginary part, and any number of ``state_*``; it gives ``mask`` of the
frame's shape and ``next_state_*`` of the states' shapes. With a ``compression`` it takes, instead of ``frame``,
``features`` float32 (1, 3, 1, n_bins - 1), what `features.compress` makes of all bins but the topmost, and gives a
``mask`` (1, n_bins - 1, 2), whose last bin goes for the topmost, too: in a graph both would take 9 % of its time.
With a ``pitch_filter``, the weights of its net as float32 in base64, the engine filters what the mask lets through.
With ``kind`` ``context`` it takes ``magnitudes`` float32 (1, n_frames, n_bins) of a whole context frame and gives as
many ``gains``, real and not below 0.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .config import NATIVE_RATES, ContextTransform, TransformConfig
from .errors import ModelError, ParameterError

#: Version of the agreement.
FORMAT = "1"
#: What ``comb_net`` counts for ``pitch_filter``; a number here, since both need numba, which takes a second to import.
PITCH_FILTER_WEIGHTS = 10257

_REQUIRED_TEXT = ("name", "version", "training_data", "training_data_licence", "weights_licence")
_COUNTS = ("parameters", "macs_per_hop")
_OF_HOPS = ("sample_rate", "window_length", "hop_length", "n_bins")
_OF_CONTEXT = ("sample_rate", "context_length", "window_length", "hop_length", "shift_length")

Refuse = Callable[[str, str], ModelError]
Tensors = dict[str, onnxruntime.NodeArg]


def check(path: Path, session: onnxruntime.InferenceSession) -> TransformConfig | ContextTransform:
    """Hold a file against the agreement.

    Returns:
        The transform that the model was trained for.

    Raises:
        ModelError: for the first thing that differs.
    """

    def refuse(found: str, expected: str) -> ModelError:
        return ModelError(f"{path} has {found}, expected {expected}; export it with train.export of this rtdenoise")

    metadata = session.get_modelmeta().custom_metadata_map
    version = metadata.get("rtdenoise_format")
    if version != FORMAT:
        raise refuse(f"rtdenoise_format {version!r} in its metadata", f"{FORMAT!r}")
    for key in _REQUIRED_TEXT:
        if not metadata.get(key):
            raise refuse(f"no {key!r} in its metadata", "a text")
    kind = metadata.get("kind")
    if kind not in (None, "context"):
        raise refuse(f"kind {kind!r} in its metadata", "'context', or none for a model of hops")
    for key in (*(_OF_CONTEXT if kind else _OF_HOPS), *_COUNTS):
        if not metadata.get(key, "").isdecimal():
            raise refuse(f"{key} {metadata.get(key)!r} in its metadata", "a whole number")

    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    transform: TransformConfig | ContextTransform
    if kind:
        transform = _context_transform(metadata, refuse)
        _check_context(transform, inputs, outputs, refuse)
    else:
        transform = _hop_transform(metadata, refuse)
        _check_pitch_filter(metadata, refuse)
        _check_hops(transform, _has_features(metadata, refuse), inputs, outputs, refuse)
    return transform


def pitch_filter_weights(metadata: Mapping[str, str]) -> NDArray[np.float32] | None:
    """(PITCH_FILTER_WEIGHTS,) of a file that keeps to the agreement, or None if it asks for no filter."""
    text = metadata.get("pitch_filter")
    return None if text is None else np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)


def _check_pitch_filter(metadata: Mapping[str, str], refuse: Refuse) -> None:
    try:
        weights = pitch_filter_weights(metadata)
    except ValueError as error:
        raise refuse(f"a pitch_filter in its metadata that cannot be read ({error})", "float32 in base64") from None
    if weights is not None and not (len(weights) == (finite := np.isfinite(weights).sum()) == PITCH_FILTER_WEIGHTS):
        found = f"a pitch_filter of {len(weights)} weights, {finite} of them finite"
        raise refuse(found, f"{PITCH_FILTER_WEIGHTS} finite ones, or none")


def _hop_transform(metadata: Mapping[str, str], refuse: Refuse) -> TransformConfig:
    try:
        transform = TransformConfig(*(int(metadata[key]) for key in ("sample_rate", "window_length", "hop_length")))
        for rate in NATIVE_RATES:
            transform.at_rate(rate)
    except (ParameterError, ZeroDivisionError) as error:
        raise refuse("a transform that cannot be used", f"one that scales to all native rates ({error})") from None
    n_bins = int(metadata["n_bins"])
    if n_bins != transform.n_bins:
        raise refuse(f"n_bins {n_bins}", f"{transform.n_bins} for a window of {transform.window_length}")
    return transform


def _has_features(metadata: Mapping[str, str], refuse: Refuse) -> bool:
    text = metadata.get("compression", "1")
    try:
        possible = 0.0 < float(text) <= 1.0
    except ValueError:
        possible = False
    if not possible:
        raise refuse(f"compression {text!r} in its metadata", "a number above 0 and up to 1, or none")
    return "compression" in metadata


def _context_transform(metadata: Mapping[str, str], refuse: Refuse) -> ContextTransform:
    try:
        transform = ContextTransform(*(int(metadata[key]) for key in _OF_CONTEXT))
    except ParameterError as error:
        raise refuse("a transform that cannot be used", f"one that can be built ({error})") from None
    if transform.sample_rate not in NATIVE_RATES:
        raise refuse(f"sample_rate {transform.sample_rate}", f"one of {', '.join(map(str, NATIVE_RATES))}")
    return transform


def _check_hops(
    transform: TransformConfig, has_features: bool, inputs: Tensors, outputs: Tensors, refuse: Refuse
) -> None:
    bins = transform.n_bins - 1 if has_features else transform.n_bins
    seen, shape = ("features", [1, 3, 1, bins]) if has_features else ("frame", [1, bins, 2])
    states = [name for name in inputs if name.startswith("state_")]
    _check_names({seen, *states}, inputs, {"mask", *(f"next_{name}" for name in states)}, outputs, refuse)
    _check_shape(inputs[seen], shape, refuse)
    _check_shape(outputs["mask"], [1, bins, 2], refuse)
    for name in states:
        if outputs[f"next_{name}"].shape != inputs[name].shape:
            raise refuse(f"next_{name} of shape {outputs[f'next_{name}'].shape}", f"{inputs[name].shape} as {name}")


def _check_context(transform: ContextTransform, inputs: Tensors, outputs: Tensors, refuse: Refuse) -> None:
    _check_names({"magnitudes"}, inputs, {"gains"}, outputs, refuse)
    shape = [1, transform.n_frames, transform.n_bins]
    _check_shape(inputs["magnitudes"], shape, refuse)
    _check_shape(outputs["gains"], shape, refuse)


def _check_names(
    wanted_inputs: set[str], inputs: Tensors, wanted_outputs: set[str], outputs: Tensors, refuse: Refuse
) -> None:
    if set(inputs) != wanted_inputs:
        kinds = ("frame and state_*", "features and state_*", "magnitudes")
        raise refuse(f"inputs {sorted(inputs)}", next(kind for kind in kinds if kind.split()[0] in wanted_inputs))
    if set(outputs) != wanted_outputs:
        raise refuse(f"outputs {sorted(outputs)}", f"{sorted(wanted_outputs)}")
    for tensor in [*inputs.values(), *outputs.values()]:
        if tensor.type != "tensor(float)":
            raise refuse(f"{tensor.name} of type {tensor.type}", "tensor(float)")
        if not all(isinstance(size, int) and size > 0 for size in tensor.shape):
            raise refuse(f"{tensor.name} of shape {tensor.shape}", "whole numbers above zero only")


def _check_shape(tensor: onnxruntime.NodeArg, wanted: list[int], refuse: Refuse) -> None:
    if tensor.shape != wanted:
        raise refuse(f"{tensor.name} of shape {tensor.shape}", f"{wanted}")
