"""Models of context frames of a few operators, for any small transform."""

from __future__ import annotations

from pathlib import Path

from onnx import helper
from tiny_models import constant, save, tensor

from rtdenoise.config import CONTEXT_TRANSFORM, ContextTransform


def metadata_of(transform: ContextTransform) -> dict[str, str | None]:
    """What such a file says besides what every file says."""
    lengths = ("sample_rate", "context_length", "window_length", "hop_length", "shift_length")
    return {"kind": "context", "n_bins": None} | {name: str(getattr(transform, name)) for name in lengths}


def save_context(
    path: Path, gain: float = 1.0, transform: ContextTransform = CONTEXT_TRANSFORM, **metadata: str | None
) -> Path:
    """``gain`` everywhere, whatever comes in."""
    nodes = [
        helper.make_node("Mul", ["magnitudes", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "gain"], ["gains"]),
    ]
    constants = [constant("nothing", [0.0]), constant("gain", [gain])]
    return _save(path, nodes, constants, transform, **metadata)


def save_listening(path: Path, transform: ContextTransform = CONTEXT_TRANSFORM) -> Path:
    """A crude denoiser: each magnitude over the sum of itself and the mean of the whole frame."""
    nodes = [
        helper.make_node("ReduceMean", ["magnitudes"], ["mean"], axes=[1, 2], keepdims=1),
        helper.make_node("Add", ["magnitudes", "mean"], ["sum"]),
        helper.make_node("Add", ["sum", "tiny"], ["divisor"]),
        helper.make_node("Div", ["magnitudes", "divisor"], ["gains"]),
    ]
    return _save(path, nodes, [constant("tiny", [1e-9])], transform)


def _save(path: Path, nodes, constants, transform: ContextTransform, **metadata: str | None) -> Path:
    shape = [1, transform.n_frames, transform.n_bins]
    ends = [[tensor(name, shape)] for name in ("magnitudes", "gains")]
    return save(path, nodes, constants, *ends, **metadata_of(transform) | metadata)
