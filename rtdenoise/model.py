"""A model: an ONNX graph for one hop that describes itself, and the state that one stream keeps for it.

The graph takes ``frame`` float32 (1, n_bins, 2), real and imaginary part, and any number of ``state_*``; it gives
``mask`` of the frame's shape and ``next_state_*`` of the states' shapes. Its metadata say what the transform was.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .config import NATIVE_RATES, TransformConfig
from .errors import ModelError, ParameterError

Complex64 = NDArray[np.complex64]

#: Version of the agreement between graph, metadata and this loader.
FORMAT = "1"
WEIGHTS_FOLDER = Path(__file__).parent / "weights"

_REQUIRED_TEXT = ("name", "version", "training_data", "training_data_licence", "weights_licence")
_REQUIRED_NUMBERS = ("sample_rate", "window_length", "hop_length", "n_bins", "parameters", "macs_per_hop")


class State:
    """What one stream remembers inside the model; made by ``Model.initial_state``, used by one thread at a time.

    Attributes:
        frame: (n_bins,) complex64, read by the next step.
        mask: (n_bins,) complex64, written by the last step.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        shapes = {tensor.name: tuple(tensor.shape) for tensor in session.get_inputs()}
        frame_shape = shapes.pop("frame")
        frame = np.zeros(frame_shape, np.float32)
        mask = np.zeros(frame_shape, np.float32)
        self.frame: Complex64 = frame.view(np.complex64).reshape(-1)
        self.mask: Complex64 = mask.view(np.complex64).reshape(-1)
        # Two sets of buffers that swap roles each hop: one is read while the other is written, nothing is allocated.
        sets = [{name: np.zeros(shape, np.float32) for name, shape in shapes.items()} for _ in range(2)]
        self._keep_alive = (frame, mask, sets)
        self._bindings = [self._bind(session, frame, mask, *pair) for pair in ((sets[0], sets[1]), (sets[1], sets[0]))]

    @staticmethod
    def _bind(
        session: onnxruntime.InferenceSession,
        frame: NDArray[np.float32],
        mask: NDArray[np.float32],
        now: dict[str, NDArray[np.float32]],
        following: dict[str, NDArray[np.float32]],
    ) -> onnxruntime.IOBinding:
        binding = session.io_binding()
        for name, array in {"frame": frame, **now}.items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in {"mask": mask, **{f"next_{name}": array for name, array in following.items()}}.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding


class Model:
    """Immutable weights and what they were trained for; one object serves any number of streams and threads.

    Attributes:
        name, version: as its author called it.
        transform: the transform that its frames come from.
        metadata: all that the file says about itself, as text.
        path: the file.
    """

    def __init__(self, path: Path, session: onnxruntime.InferenceSession, transform: TransformConfig) -> None:
        self.path = path
        self.transform = transform
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.name = self.metadata["name"]
        self.version = self.metadata["version"]
        self._session = session
        self._run = session.run_with_iobinding

    @classmethod
    def load(cls, name_or_path: str | Path) -> Model:
        """Load a packaged model by name (``"stream"``), or any ONNX file that keeps to the agreement above by its path.

        A file that has not changed is read once in a process.

        Raises:
            ModelError: no such model or file, not ONNX, another format version, metadata or shapes that do not fit.
        """
        path = _find(name_or_path)
        try:
            status = path.stat()
        except OSError as error:
            raise ModelError(
                f"model file {path} cannot be read ({error.strerror}); give the path of an ONNX file, "
                f"or a name: {_names_for_people()}"
            ) from None
        return _load_file(path.absolute(), status.st_mtime_ns, status.st_size)

    def initial_state(self) -> State:
        """The state of a stream that has heard nothing yet: all zeros."""
        return State(self._session)

    def advance(self, state: State) -> None:
        """From ``state.frame`` compute ``state.mask`` and let the state go on by one hop. Allocates nothing."""
        now, following = bindings = state._bindings
        self._run(now)
        bindings[0], bindings[1] = following, now

    def step(self, frame: Complex64, state: State) -> Complex64:
        """The mask for one frame.

        Args:
            frame: (n_bins,) complex64.
            state: of this model; goes on by one hop.

        Returns:
            (n_bins,) complex64, valid until the next step with the same state.
        """
        state.frame[:] = frame
        self.advance(state)
        return state.mask

    def __repr__(self) -> str:
        return f"<rtdenoise.Model {self.name} {self.version}>"


@dataclass(frozen=True)
class ModelInfo:
    """What ``rtdenoise models`` says about one packaged model."""

    name: str
    version: str
    path: Path
    sample_rate: int
    latency_seconds: float
    parameters: int
    macs_per_hop: int
    training_data: str
    training_data_licence: str
    weights_licence: str


def available_models() -> list[ModelInfo]:
    """The models that came with the package, by name.

    Raises:
        ModelError: one of them is damaged.
    """
    return [_describe(Model.load(name)) for name in _packaged_names()]


def _describe(model: Model) -> ModelInfo:
    text = model.metadata
    return ModelInfo(
        name=model.name,
        version=model.version,
        path=model.path,
        sample_rate=model.transform.sample_rate,
        latency_seconds=model.transform.synthesis_length / model.transform.sample_rate,
        parameters=int(text["parameters"]),
        macs_per_hop=int(text["macs_per_hop"]),
        training_data=text["training_data"],
        training_data_licence=text["training_data_licence"],
        weights_licence=text["weights_licence"],
    )


def _packaged_names() -> list[str]:
    return sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.onnx"))


def _names_for_people(wanted: str = "") -> str:
    """The packaged models, the most similar name first."""
    likeness = difflib.SequenceMatcher(b=wanted.lower())

    def unlikeness(name: str) -> float:
        likeness.set_seq1(name)
        return -likeness.ratio()

    return ", ".join(sorted(_packaged_names(), key=unlikeness)) or "none is installed (reinstall rtdenoise)"


def _find(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and Path(name_or_path).name == name_or_path and not Path(name_or_path).suffix:
        if name_or_path in _packaged_names():
            return WEIGHTS_FOLDER / f"{name_or_path}.onnx"
        raise ModelError(
            f"there is no model {name_or_path!r}; models that came with rtdenoise: {_names_for_people(name_or_path)}; "
            "or give the path of an ONNX file"
        )
    return Path(name_or_path)


@lru_cache(maxsize=16)
def _load_file(path: Path, _modified_ns: int, _size: int) -> Model:
    try:
        session = onnxruntime.InferenceSession(os.fspath(path), _session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a dozen classes of its own for what a file can have wrong
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is no ONNX model that can be run here; export it again ({reason})") from None
    return Model(path, session, _check(path, session))


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # States that fade out in silence would become denormal, and each hop many times slower.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return options


def _check(path: Path, session: onnxruntime.InferenceSession) -> TransformConfig:
    """Hold a file against the agreement: its transform, or ModelError for the first thing that differs."""

    def refuse(found: str, expected: str) -> ModelError:
        return ModelError(f"{path} has {found}, expected {expected}; export it with train.export of this rtdenoise")

    metadata = session.get_modelmeta().custom_metadata_map
    version = metadata.get("rtdenoise_format")
    if version != FORMAT:
        raise refuse(f"rtdenoise_format {version!r} in its metadata", f"{FORMAT!r}")
    for key in _REQUIRED_TEXT:
        if not metadata.get(key):
            raise refuse(f"no {key!r} in its metadata", "a text")
    for key in _REQUIRED_NUMBERS:
        if not metadata.get(key, "").isdecimal():
            raise refuse(f"{key} {metadata.get(key)!r} in its metadata", "a whole number")
    try:
        transform = TransformConfig(*(int(metadata[key]) for key in ("sample_rate", "window_length", "hop_length")))
        for rate in NATIVE_RATES:
            transform.at_rate(rate)
    except (ParameterError, ZeroDivisionError) as error:
        raise refuse("a transform that cannot be used", f"one that scales to all native rates ({error})") from None
    n_bins = int(metadata["n_bins"])
    if n_bins != transform.n_bins:
        raise refuse(f"n_bins {n_bins}", f"{transform.n_bins} for a window of {transform.window_length}")

    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    states = [name for name in inputs if name.startswith("state_")]
    wanted_inputs, wanted_outputs = {"frame", *states}, {"mask", *(f"next_{name}" for name in states)}
    if set(inputs) != wanted_inputs:
        raise refuse(f"inputs {sorted(inputs)}", "frame and state_*")
    if set(outputs) != wanted_outputs:
        raise refuse(f"outputs {sorted(outputs)}", f"{sorted(wanted_outputs)}")
    for tensor in [*inputs.values(), *outputs.values()]:
        if tensor.type != "tensor(float)":
            raise refuse(f"{tensor.name} of type {tensor.type}", "tensor(float)")
        if not all(isinstance(size, int) and size > 0 for size in tensor.shape):
            raise refuse(f"{tensor.name} of shape {tensor.shape}", "whole numbers above zero only")
    for name, wanted in {"frame": [1, n_bins, 2], "mask": [1, n_bins, 2]}.items():
        shape = (inputs if name == "frame" else outputs)[name].shape
        if shape != wanted:
            raise refuse(f"{name} of shape {shape}", f"{wanted}")
    for name in states:
        if outputs[f"next_{name}"].shape != inputs[name].shape:
            raise refuse(f"next_{name} of shape {outputs[f'next_{name}'].shape}", f"{inputs[name].shape} as {name}")
    return transform
