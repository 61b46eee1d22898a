"""What a stream is cut into: one transform, the same number of hertz and milliseconds at every rate."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

from .errors import ParameterError

#: Sample rates that run without resampling, in Hz; every other rate goes through soxr to the next one up.
NATIVE_RATES = (8000, 16000, 24000, 32000, 48000)

#: Sample rates that are accepted at all, in Hz.
LOWEST_RATE, HIGHEST_RATE = 4000, 384000

#: Who listens, and by how many dB noise is attenuated at most for them (None: no limit). Recognisers miss what people
#: do not: docs/voice-agents.md has what was measured.
PROFILES: dict[str, float | None] = {"people": None, "asr": 9.0}


def limit_for(profile: str, attenuation_limit_db: float | None) -> float | None:
    """The attenuation limit in dB: ``attenuation_limit_db`` if given, else that of the profile.

    Raises:
        ParameterError: there is no such profile.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile={profile!r} is not possible; give one of {', '.join(PROFILES)}")
    return PROFILES[profile] if attenuation_limit_db is None else attenuation_limit_db


def checked_limit(limit_db: float | None) -> float | None:
    """An attenuation limit in dB as it was given. Raises ParameterError where it is none."""
    if limit_db is None:
        return None
    is_number = isinstance(limit_db, numbers.Real) and not isinstance(limit_db, bool)
    if not is_number or not math.isfinite(limit_db) or limit_db < 0:
        raise ParameterError(
            f"attenuation_limit_db={limit_db!r} is not possible; "
            "give a number of dB from 0 up (12 leaves a quarter of the noise's amplitude), or None for no limit"
        )
    return float(limit_db)


@dataclass(frozen=True)
class TransformConfig:
    """A short-time Fourier transform with a long analysis and a short synthesis window.

    Lengths are in samples at ``sample_rate`` (Hz). The synthesis window is two hops long and sits on the newest
    samples of the analysis window, so the delay is that of the short window and the resolution that of the long one.
    """

    sample_rate: int
    window_length: int
    hop_length: int

    def __post_init__(self) -> None:
        if self.hop_length < 1 or self.window_length % 2 or self.window_length < 3 * self.hop_length:
            raise ParameterError(
                f"a transform with window_length={self.window_length}, hop_length={self.hop_length} cannot be built: "
                "the window must be even and at least three hops long"
            )

    @property
    def synthesis_length(self) -> int:
        """Samples under the synthesis window, and so the delay of the transform: two hops."""
        return 2 * self.hop_length

    @property
    def n_bins(self) -> int:
        """Frequencies in one frame, 0 Hz and half the sample rate included."""
        return self.window_length // 2 + 1

    @property
    def deadline_seconds(self) -> float:
        """Time between two hops."""
        return self.hop_length / self.sample_rate

    def at_rate(self, sample_rate: int) -> TransformConfig:
        """The same transform at another rate: equal hertz per bin, equal seconds per hop.

        Raises:
            ParameterError: the lengths do not come out whole at ``sample_rate``.
        """
        window, window_rest = divmod(self.window_length * sample_rate, self.sample_rate)
        hop, hop_rest = divmod(self.hop_length * sample_rate, self.sample_rate)
        if window_rest or hop_rest:
            raise ParameterError(
                f"sample_rate={sample_rate} does not divide the transform evenly; "
                f"native rates are {', '.join(map(str, NATIVE_RATES))} Hz"
            )
        return TransformConfig(sample_rate, window, hop)


@dataclass(frozen=True)
class ContextTransform:
    """A transform for a model that looks at a whole context frame at a time, past and future at once.

    Lengths are in samples at ``sample_rate`` (Hz). A context frame of ``context_length`` samples becomes ``n_frames``
    spectra of a window whose centre is every ``hop_length`` samples. ``shift_length`` is the smallest step from one
    context frame to the next for which the model gives the same result, shifted.
    """

    sample_rate: int
    context_length: int
    window_length: int
    hop_length: int
    shift_length: int

    def __post_init__(self) -> None:
        fits = (
            min(self.sample_rate, self.hop_length, self.shift_length) > 0
            and self.window_length % 2 == 1
            and self.hop_length <= self.window_length // 2 < self.context_length
            and self.context_length % self.hop_length == 0
            and self.context_length % self.shift_length == 0
            and self.context_length >= 2 * self.shift_length
        )
        if not fits:
            raise ParameterError(
                f"a context transform with context_length={self.context_length}, window_length={self.window_length}, "
                f"hop_length={self.hop_length}, shift_length={self.shift_length} cannot be built: the window must be "
                "odd and more than two hops long, hops must fill the context frame, and so must two shifts or more"
            )

    @property
    def n_bins(self) -> int:
        """Frequencies of one spectrum, 0 Hz included."""
        return self.window_length // 2 + 1

    @property
    def n_frames(self) -> int:
        """Spectra of one context frame."""
        return self.context_length // self.hop_length

    @property
    def overlaps(self) -> tuple[float, ...]:
        """What consecutive context frames may share, from half of each up, so that every sample is in two of them."""
        shifts = self.context_length // self.shift_length
        return tuple(1 - step / shifts for step in range(shifts // 2, 0, -1))

    def step_for(self, overlap: float | None) -> int:
        """Samples from one context frame to the next.

        Args:
            overlap: share of a context frame that it has in common with the next one; ``None`` for the largest.

        Raises:
            ParameterError: none of ``overlaps``.
        """
        overlap = self.overlaps[-1] if overlap is None else overlap
        if overlap not in self.overlaps:
            legal = ", ".join(f"{share:g}" for share in self.overlaps)
            raise ParameterError(
                f"overlap={overlap!r} is not possible: give the share of a context frame that it has in common with "
                f"the next one, {legal} (more is sooner and costs more)"
            )
        return round((1 - overlap) * self.context_length)


#: The transform of the model ``stream``: 32 ms of analysis, 16 ms of synthesis, a hop of 8 ms, 31.25 Hz a bin.
STREAM_TRANSFORM = TransformConfig(sample_rate=16000, window_length=512, hop_length=128)

#: The transform of the model ``unet8k``: 1.008 s as 128 spectra of 128 bins; four poolings make 16 hops a shift.
CONTEXT_TRANSFORM = ContextTransform(8000, context_length=8064, window_length=255, hop_length=63, shift_length=1008)
