"""A model: an ONNX graph that describes itself, and what one stream keeps for it between two calls.

`agreement` says what the two kinds of graphs take and give.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .agreement import check, pitch_filter_weights
from .config import ContextTransform, TransformConfig
from .errors import ModelError

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

# Where somebody imported it before us: what it has not reported yet stays here. See also `rtdenoise.__init__`.
onnxruntime.disable_telemetry_events()

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


class State:
    """What one stream remembers inside a model of hops; made by ``Model.initial_state``, used by one thread at a time.

    Attributes:
        frame: (n_bins,) complex64, read by the next step.
        mask: (n_bins,) complex64, written by the last step.
    """

    def __init__(self, session: onnxruntime.InferenceSession, n_bins: int, compression: float | None) -> None:
        self.frame: Complex64 = np.zeros(n_bins, np.complex64)
        self.mask: Complex64 = np.zeros(n_bins, np.complex64)
        frame, mask = (array.view(np.float32).reshape(1, n_bins, 2) for array in (self.frame, self.mask))
        features = np.zeros((1, 3, 1, n_bins - 1), np.float32)
        seen, judged = ({"frame": frame}, mask) if compression is None else ({"features": features}, mask[:, :-1])
        # Two sets of buffers that swap roles each hop: one is read while the other is written, nothing is allocated.
        shapes = {tensor.name: tensor.shape for tensor in session.get_inputs() if tensor.name not in seen}
        sets = [{name: np.zeros(shape, np.float32) for name, shape in shapes.items()} for _ in range(2)]
        self._keep_alive = (frame, mask, features, sets)
        self._calls = []
        for now, following in ((sets[0], sets[1]), (sets[1], sets[0])):
            next_states = {f"next_{name}": array for name, array in following.items()}
            call = _bind(session, seen | now, {"mask": judged, **next_states})
            if compression is not None:
                call = _after_features(call, self, compression, features[0, :, 0])
            self._calls.append(call)


def _after_features(
    call: Callable[[], None], state: State, compression: float, features: Float32
) -> Callable[[], None]:
    """``call`` with what its model leaves to others: the features of the frame, and the topmost bin of the mask."""
    from .features import compress  # numba takes a second to import, and who asks for a model's metadata needs none

    frame, mask = state.frame, state.mask

    def step() -> None:
        compress(frame, compression, features)
        call()
        mask[-1] = mask[-2]

    return step


class Context:
    """What one stream hands to a model of context frames; made by ``Model.new_context``, used by one thread at a time.

    Attributes:
        magnitudes: (n_frames, n_bins) float32, read by the next call.
        gains: (n_frames, n_bins) float32, written by the last call.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        shape = session.get_inputs()[0].shape
        self.magnitudes: Float32 = np.zeros(shape[1:], np.float32)
        self.gains: Float32 = np.zeros(shape[1:], np.float32)
        call = _bind(session, {"magnitudes": self.magnitudes[None]}, {"gains": self.gains[None]})
        self._calls = [call, call]


def _bind(
    session: onnxruntime.InferenceSession, inputs: dict[str, Float32], outputs: dict[str, Float32]
) -> Callable[[], None]:
    """What computes ``outputs`` from ``inputs``, in place, at each call."""
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    try:
        # The same less what it asks about graphics cards, with options made once: 2 us of 80 a hop.
        return partial(session._sess.run_with_iobinding, binding._iobinding, onnxruntime.RunOptions())
    except AttributeError:  # another version of ONNX Runtime has other insides
        return partial(session.run_with_iobinding, binding)


class Model:
    """Immutable weights and what they were trained for; one object serves any number of streams and threads.

    Attributes:
        name: as its author called it.
        version: as its author counted it.
        transform: the transform that its frames come from; its kind is that of the model.
        pitch_filter: weights of the net in the filter (``rtdenoise.pitch_filter``) that the engine runs after the mask,
            or None if there is none.
        metadata: all that the file says about itself, as text.
        path: the file.
    """

    def __init__(
        self, path: Path, session: onnxruntime.InferenceSession, transform: TransformConfig | ContextTransform
    ) -> None:
        self.path = path
        self.transform = transform
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.name = self.metadata["name"]
        self.version = self.metadata["version"]
        self.pitch_filter = pitch_filter_weights(self.metadata)
        self._session = session
        self._compression = float(self.metadata["compression"]) if "compression" in self.metadata else None

    @classmethod
    def load(cls, name_or_path: str | Path) -> Model:
        """Load a packaged model by name (``"stream"``), or any ONNX file that keeps to the agreement by its path.

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
        return State(self._session, self.transform.n_bins, self._compression)

    def new_context(self) -> Context:
        """Of a model of context frames: the arrays that it reads and writes."""
        return Context(self._session)

    def advance(self, state: State | Context) -> None:
        """From ``state.frame`` compute ``state.mask`` and let the state go on by one hop; or from ``magnitudes`` the
        ``gains``. Allocates nothing."""
        now, following = calls = state._calls
        now()
        calls[0], calls[1] = following, now

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
    text, transform = model.metadata, model.transform
    late = 2 * transform.step_for(None) if isinstance(transform, ContextTransform) else transform.synthesis_length
    return ModelInfo(
        name=model.name,
        version=model.version,
        path=model.path,
        sample_rate=transform.sample_rate,
        latency_seconds=late / transform.sample_rate,
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
    return Model(path, session, check(path, session))


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_reuse = False  # a hundred kilobytes more, and 3 % less time for book-keeping
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # States that fade out in silence would become denormal, and each hop many times slower.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return options
