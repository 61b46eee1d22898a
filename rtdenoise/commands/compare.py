"""What a denoiser did to a recording: levels before and after, in speech and in pauses, the delay, and a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioFileError, ParameterError
from ..stats import decibels
from .aligned import Pair
from .comparison_picture import Picture
from .reporter import Reporter

Float64 = NDArray[np.float64]

_FRAME_SECONDS = 0.02
_QUIET_PERCENT, _LOUD_PERCENT = 10.0, 95.0


@dataclass(frozen=True)
class Levels:
    """Of a pair, in dB of full scale; ``before`` and ``after`` of each.

    Both are measured in the same frames, which the cleaner one, ``after``, tells: between its quiet and its loud frames
    (10th and 95th percentile, in dB) the upper third is speech, the lower third and what is below are pauses.
    """

    speech: tuple[float, float]
    noise: tuple[float, float]
    whole: tuple[float, float]
    peak: tuple[float, float]

    @classmethod
    def of(cls, powers: Float64, peaks: tuple[float, float]) -> Levels:
        """From the power of each frame, ``(2, frames)``."""
        loudness = 10 * np.log10(np.maximum(powers[1], 1e-12))
        quiet, loud = np.percentile(loudness, (_QUIET_PERCENT, _LOUD_PERCENT))
        is_speech = loudness >= quiet + 2 / 3 * (loud - quiet)
        is_pause = loudness <= quiet + 1 / 3 * (loud - quiet)

        def level(chosen: NDArray[np.bool_]) -> tuple[float, float]:
            before, after = (decibels(float(np.sqrt(power[chosen].mean()))) for power in powers)
            return before, after

        return cls(
            level(is_speech), level(is_pause), level(np.ones_like(is_pause)), (decibels(peaks[0]), decibels(peaks[1]))
        )


def run_compare(reporter: Reporter, before: str, after: str, *, plot: str | None, force: bool, as_json: bool) -> str:
    """Measure, and draw if a picture is wanted.

    Args:
        reporter: for what people should know besides.
        before, after: sound files.
        plot: a PNG file to make.
        force: replace it if it exists.
        as_json: answer in JSON.

    Returns:
        The answer.

    Raises:
        ParameterError, AudioFileError.
    """
    if plot is not None:
        _check_plot(Path(plot), force=force)
    pair = Pair(before, after)
    for remark in pair.remarks:
        reporter.say(f"rtdenoise: {remark}")
    frame = round(_FRAME_SECONDS * pair.sample_rate)
    picture = Picture(pair.sample_rate, pair.length)
    powers: list[Float64] = []
    peaks = np.zeros(2)
    for block in pair.blocks(50 * frame):
        both = np.stack(block).astype(np.float64)
        peaks = np.maximum(peaks, np.abs(both).max(axis=1))
        whole = both[:, : both.shape[1] // frame * frame]
        powers.append((whole.reshape(2, -1, frame) ** 2).mean(axis=2))
        if plot is not None:
            picture.add(both)
    levels = Levels.of(np.concatenate(powers, axis=1), (float(peaks[0]), float(peaks[1])))
    delay_ms = None if pair.delay is None else pair.delay / pair.sample_rate * 1e3
    facts = _facts(before, after, pair, levels, delay_ms)
    if plot is not None:
        _save(Path(plot), picture.png(f"{Path(before).name} -> {Path(after).name}: {_short(facts)}"))
        reporter.say(f"rtdenoise: {plot} shows it")
    return json.dumps(facts, indent=2) if as_json else _table(facts)


def _facts(before: str, after: str, pair: Pair, levels: Levels, delay_ms: float | None) -> dict[str, Any]:
    def both(values: tuple[float, float]) -> dict[str, float]:
        return {"before": round(values[0], 2), "after": round(values[1], 2)}

    return {
        "before": before,
        "after": after,
        "sample_rate": pair.sample_rate,
        "seconds": round(pair.length / pair.sample_rate, 3),
        "delay_ms": None if delay_ms is None else round(delay_ms, 3),
        "speech_db": both(levels.speech),
        "noise_db": both(levels.noise),
        "level_db": both(levels.whole),
        "peak_db": both(levels.peak),
        "noise_reduction_db": round(levels.noise[0] - levels.noise[1], 2),
        "speech_reduction_db": round(levels.speech[0] - levels.speech[1], 2),
    }


def _table(facts: dict[str, Any]) -> str:
    rows = (
        ("speech", "speech_db"),
        ("noise in the pauses", "noise_db"),
        ("the whole", "level_db"),
        ("peak", "peak_db"),
    )
    delay = "not found" if facts["delay_ms"] is None else f"{facts['delay_ms']:.1f} ms"
    return "\n".join(
        [
            f"{'':24}before    after",
            *(f"{name:20}{facts[key]['before']:10.1f}{facts[key]['after']:9.1f}  dBFS" for name, key in rows),
            f"{'taken away':20}{facts['noise_reduction_db']:10.1f}  dB in the pauses, "
            f"{facts['speech_reduction_db']:.1f} dB in speech",
            f"{'after is late by':20}{delay:>10}",
            f"{'compared':20}{facts['seconds']:10.1f}  s at {facts['sample_rate']} Hz",
        ]
    )


def _short(facts: dict[str, Any]) -> str:
    delay = "" if facts["delay_ms"] is None else f", {facts['delay_ms']:.1f} ms late"
    noise, speech = facts["noise_reduction_db"], facts["speech_reduction_db"]
    return f"{noise:.1f} dB taken away in pauses, {speech:.1f} dB in speech{delay}"


def _check_plot(path: Path, *, force: bool) -> None:
    if path.suffix.lower() != ".png":
        raise ParameterError(f"--plot {path}: the picture is a PNG; take a name that ends in .png")
    if not path.parent.is_dir():
        raise ParameterError(f"--plot {path}: there is no folder {path.parent}; make it first")
    if path.exists() and not force:
        raise AudioFileError(f"--plot {path} exists and was left as it is; --force replaces it")


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise AudioFileError(f"--plot {path} could not be written: {error.strerror}; choose another") from None
