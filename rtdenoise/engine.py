"""The one engine behind every door: any block in, the samples that are ready out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import HIGHEST_RATE, LOWEST_RATE, NATIVE_RATES, ContextTransform, checked_limit, limit_for
from .context import ContextCore
from .errors import ParameterError
from .gain import floor_from_limit
from .model import Model
from .resample import CAN_CONVERT, SOXR_VERSION, InwardStream, OutwardStream, plan_conversion
from .spectral import SpectralCore
from .stft import sanitise

_MOST_CHANNELS = 64

Float32 = NDArray[np.float32]


class Denoiser:
    """Denoises one mono stream, block by block.

    Output sample ``i`` is input sample ``i - latency``, denoised. The output never falls short: at any moment at least
    as many samples came out as went in, so a callback that asks for as many as it brought is always served.

    Args:
        sample_rate: of input and output, a whole number of Hz from 4000 to 384000. 8, 16, 24, 32 and 48 kHz run as they
            are; all others are converted on the way in and out, which adds to the latency. ``unet8k`` runs at 8 kHz
            only: what goes through it at a higher rate has nothing above 4 kHz afterwards.
        model: name of a packaged model, path of an ONNX file, or a ``Model`` to be shared between streams.
        attenuation_limit_db: noise is attenuated by no more than this, in dB; ``None`` for no limit.
        bypass: start with the undenoised signal, at the same latency.
        overlap: of models of context frames (``unet8k``), the share of a frame that it has in common with the next
            one: 0.875, the default, 0.75, 0.625 or 0.5. Less costs less and comes later.
        profile: who listens: ``"people"``, or ``"asr"`` for speech recognition, which sets a mild attenuation limit
            (``config.PROFILES``) where none is given.

    Attributes:
        sample_rate: as given, in Hz.
        model: the ``Model``.
        overlap: as given.
        hop_length: samples at ``sample_rate`` that are processed at a time (rounded where rates are converted).
        latency: shift between input and output stream, in samples at ``sample_rate``.

    Raises:
        ParameterError: a parameter outside its legal values.
        ModelError: the model cannot be loaded.

    One object is one stream: use it from one thread at a time. ``attenuation_limit_db`` and ``bypass`` may be set from
    any thread.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        model: str | Path | Model = "stream",
        attenuation_limit_db: float | None = None,
        bypass: bool = False,
        overlap: float | None = None,
        profile: str = "people",
    ) -> None:
        self.sample_rate = _checked_rate(sample_rate)
        self.attenuation_limit_db = limit_for(profile, attenuation_limit_db)
        self.bypass = bypass
        self.model = model if isinstance(model, Model) else Model.load(model)
        self.overlap = _checked_overlap(overlap, self.model)
        self.reset()
        self.hop_length = round(self._stream.core.hop_length * self.sample_rate / self._stream.native_rate)
        self.latency = self._stream.latency

    @property
    def latency_seconds(self) -> float:
        """Shift between input and output stream, in seconds."""
        return self.latency / self.sample_rate

    @property
    def attenuation_limit_db(self) -> float | None:
        """The most by which noise is attenuated, in dB from 0 up, or ``None``. A change is faded in over 64 ms."""
        return self._attenuation_limit_db

    @attenuation_limit_db.setter
    def attenuation_limit_db(self, limit: float | None) -> None:
        self._attenuation_limit_db = checked_limit(limit)
        self._floor = floor_from_limit(self._attenuation_limit_db)

    @property
    def bypass(self) -> bool:
        """Whether the undenoised signal comes out, delayed as the denoised one is. A change is faded in over 64 ms."""
        return self._bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        self._bypass = bool(bypass)

    def process(self, samples: ArrayLike) -> Float32:
        """Take in samples and give out those that are ready.

        How a stream is cut into blocks does not change a bit of the output.

        Args:
            samples: (n,) floats, full scale at 1; any n, 0 too. NaN and Inf count as 0; magnitudes are clamped to 1000.

        Returns:
            (m,) float32. The first non-empty call gives some zeros ahead, so that over all calls at least as many
            samples came out as went in.

        Raises:
            ParameterError: integers, or not one channel.
        """
        return self._stream.process(as_mono_float32(samples), self._floor, float(self._bypass))

    def flush(self) -> Float32:
        """End the stream: what is still inside comes out, and the Denoiser is as new.

        Returns:
            (m,) float32, so many that over all calls exactly ``latency`` more samples came out than went in.
        """
        stream = self._stream
        wanted = stream.taken + self.latency - stream.given
        silence = np.zeros(self.hop_length, np.float32)
        tail: list[Float32] = []
        while sum(map(len, tail)) < wanted:
            tail.append(self.process(silence))
        self.reset()
        return np.concatenate([*tail, silence[:0]])[:wanted]

    def reset(self) -> None:
        """Forget all that was heard, also what is still inside."""
        self._stream = _Stream(self.sample_rate, self.model, self._floor, float(self._bypass), self.overlap)


class _Stream:
    """All that one stream remembers: hop assembly around a core and, where rates differ, a converter each way.

    A new stream starts with ``lead`` zeros of output: what collecting a hop and converting rates can hold back at most.
    """

    def __init__(self, sample_rate: int, model: Model, floor: float, bypass: float, overlap: float | None) -> None:
        core: SpectralCore | ContextCore
        if isinstance(model.transform, ContextTransform):
            native_rate = model.transform.sample_rate
            core = ContextCore(model, model.transform, overlap)
        else:
            native_rate = next((rate for rate in NATIVE_RATES if rate >= sample_rate), NATIVE_RATES[-1])
            core = SpectralCore(model, model.transform, native_rate, floor, bypass)
        self.core, self.native_rate = core, native_rate
        self.taken = self.given = 0
        self._pending = np.zeros(core.hop_length, np.float32)
        self._filled = 0
        self._inward: InwardStream | None = None
        self._outward: OutwardStream | None = None
        self._lead = core.hop_length
        self.latency = core.hop_length + core.delay
        if sample_rate != native_rate:
            if not CAN_CONVERT:
                raise ParameterError(
                    f"sample_rate={sample_rate} needs soxr 1.1 or later, and this is {SOXR_VERSION}: pip install "
                    f"'soxr>=1.1', or convert to one of {', '.join(map(str, NATIVE_RATES))} Hz before"
                )
            plan = plan_conversion(sample_rate, native_rate, core.hop_length, core.delay)
            self._inward, self._outward = InwardStream(plan), OutwardStream(plan)
            self._lead, self.latency = plan.lead, plan.latency

    def process(self, samples: Float32, floor: float, bypass: float) -> Float32:
        if not len(samples):
            return np.empty(0, np.float32)
        lead = self._lead if self.taken == 0 else 0
        self.taken += len(samples)
        if self._inward is None or self._outward is None:
            out = self._run_hops(samples, lead, floor, bypass)
        else:
            clean = np.empty(len(samples), np.float32)
            sanitise(np.ascontiguousarray(samples), clean)
            native = self._run_hops(self._inward.convert(clean), 0, floor, bypass)
            ready = self._outward.convert(native)
            out = np.zeros(lead + len(ready), np.float32)
            out[lead:] = ready
        self.given += len(out)
        return out

    def _run_hops(self, samples: Float32, lead: int, floor: float, bypass: float) -> Float32:
        """Run all hops that ``samples`` complete; their output behind ``lead`` zeros."""
        pending, filled, run = self._pending, self._filled, self.core.run
        hop = len(pending)
        out = np.empty(lead + (filled + len(samples)) // hop * hop, np.float32)
        if lead:
            out[:lead] = 0.0
        read, write = 0, lead
        in_place = samples.flags.carray  # kernels take no read-only, strided or unaligned memory
        while write < len(out):
            missing = hop - filled
            block = samples[read : read + missing]
            if filled or not in_place:
                pending[filled:] = block
                block = pending
            run(block, out[write : write + hop], floor, bypass)
            read, write, filled = read + missing, write + hop, 0
        if rest := len(samples) - read:
            pending[filled : filled + rest] = samples[read:]
        self._filled = filled + rest
        return out


def denoise(
    samples: ArrayLike,
    sample_rate: int,
    model: str | Path | Model = "stream",
    attenuation_limit_db: float | None = None,
    overlap: float | None = None,
    profile: str = "people",
) -> Float32:
    """Denoise a recording at once, by the streaming engine.

    Args:
        samples: (n,) or (n, channels) floats, full scale at 1; each channel is a stream of its own.
        sample_rate, model, attenuation_limit_db, overlap, profile: see ``Denoiser``.

    Returns:
        float32 of the shape of ``samples``, aligned with them to the sample.

    Raises:
        ParameterError: a parameter outside its legal values, integers, more than two dimensions, or no channel, or
            more of them than any recording has.
        ModelError: the model cannot be loaded.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or samples.shape[1:] == (0,):
        raise ParameterError(f"samples of shape {samples.shape} are no recording; give (n,) or (n, channels)")
    if samples.ndim == 2 and samples.shape[1] > _MOST_CHANNELS:
        raise ParameterError(
            f"samples of shape {samples.shape} are {samples.shape[1]} channels, and {_MOST_CHANNELS} is the most; give "
            "(n, channels), such as samples.T"
        )
    channels = samples.reshape(len(samples), -1) if len(samples) else samples.reshape(0, max(1, *samples.shape[1:], 1))
    out = np.empty(channels.shape, np.float32)
    shared = model if isinstance(model, Model) else Model.load(model)
    denoiser = Denoiser(sample_rate, shared, attenuation_limit_db, overlap=overlap, profile=profile)
    for index in range(channels.shape[1]):
        stream = np.concatenate([denoiser.process(channels[:, index]), denoiser.flush()])
        out[:, index] = stream[denoiser.latency :]
    return out.reshape(samples.shape)


def as_mono_float32(samples: ArrayLike) -> Float32:
    """One channel of floats as float32, without a copy where it is that already.

    Raises:
        ParameterError: integers or other types, or not one dimension.
    """
    if not (type(samples) is np.ndarray and samples.dtype == np.float32):
        samples = np.asarray(samples)
        if samples.dtype.kind != "f":
            raise ParameterError(
                f"samples of dtype {samples.dtype}: floats with full scale at 1 are wanted; convert to "
                f"{_way_to_floats(samples.dtype)}"
            )
        with np.errstate(over="ignore"):
            samples = samples.astype(np.float32)
    if samples.ndim != 1:
        raise ParameterError(
            f"samples of shape {samples.shape}: one channel of shape (n,) is wanted; "
            "use a Denoiser for each channel, or denoise() for a whole recording"
        )
    return samples


def _checked_rate(sample_rate: int) -> int:
    whole = isinstance(sample_rate, int | np.integer) and not isinstance(sample_rate, bool)
    if not whole or not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise ParameterError(
            f"sample_rate={sample_rate!r} is not possible; "
            f"give a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return int(sample_rate)


def _checked_overlap(overlap: float | None, model: Model) -> float | None:
    if isinstance(model.transform, ContextTransform):
        model.transform.step_for(overlap)
    elif overlap is not None:
        raise ParameterError(f"overlap={overlap!r}: model {model.name} goes hop by hop and has none; leave it out")
    return overlap


def _way_to_floats(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "S":
        return "np.frombuffer(samples, '<i2').astype('float32') / 32768, or take PcmDenoiser"
    if dtype.kind != "i":
        return "float32"
    if dtype.itemsize == 8:  # Python's and numpy's usual one, whatever the samples came from
        return "samples.astype('float32') / 32768 if they are of 16 bits"
    return f"samples.astype('float32') / {2 ** (8 * dtype.itemsize - 1)}"
