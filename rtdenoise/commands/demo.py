"""The demo: a noisy conversation goes through the live path in real time, and what came of it is measured and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click
import numpy as np
import soundfile
from numpy.typing import NDArray

from ..engine import denoise
from ..errors import AudioFileError, DeviceError, ParameterError
from ..files.audio_file import FileWriter
from ..live.clock import SimulatedDevice
from ..live.devices import DeviceInfo, find_device
from ..live.session import Live
from ..stats import decibels
from .attend import attend, panel_for
from .reporter import Reporter
from .spectrogram import draw_before_after

Float32 = NDArray[np.float32]

_SHORTEST_SECONDS = 2.0
_LONGEST_LATENCY_SECONDS = 0.5
_QUIET = 1e-3  # clean speech below this is a pause, if it lasts
_PAUSE_SECONDS = 0.08


@dataclass(frozen=True)
class Sample:
    """The packaged sample: mono, full scale at 1, ``clean`` and ``noisy`` sample on sample."""

    sample_rate: int
    clean: Float32
    noisy: Float32


class _Memory:
    """A `files.Reader` of samples in memory."""

    channels, subtype, name = 1, "FLOAT", "demo sample"

    def __init__(self, samples: Float32, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frames: int | None = len(samples)
        self._rest = samples

    def read(self, n: int) -> Float32:
        """See `files.Reader.read`."""
        block, self._rest = self._rest[:n], self._rest[n:]
        return block[:, np.newaxis]

    def check_end(self) -> None:
        """Nothing can be cut."""

    def close(self) -> None:
        """Nothing is held."""


def load_sample(seconds: float | None = None) -> Sample:
    """The packaged sample, or its first ``seconds``.

    Raises:
        ParameterError: that is too short to hear or measure anything.
    """
    if seconds is not None and seconds < _SHORTEST_SECONDS:
        raise ParameterError(f"--seconds {seconds:g} is too short for a demo; take {_SHORTEST_SECONDS:g} or more")
    signals = []
    for name in ("demo_clean.flac", "demo_noisy.flac"):
        with resources.files("rtdenoise").joinpath("samples").joinpath(name).open("rb") as file:
            samples, sample_rate = soundfile.read(file, dtype="float32")
        signals.append(samples if seconds is None else samples[: round(seconds * sample_rate)])
    return Sample(sample_rate, *signals)


def run_demo(reporter: Reporter, *, seconds: float | None, output_dir: str, play: bool) -> None:
    """Play, measure, draw.

    Args:
        reporter: for what people read meanwhile.
        seconds: so much of the sample; None for all.
        output_dir: where before.wav, after.wav and spectrograms.png go; made if need be, files of these names replaced.
        play: through the loudspeakers, if there are any.

    Raises:
        ParameterError, AudioFileError, ModelError.
    """
    sample = load_sample(seconds)
    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(f"{folder} cannot be made: {error.strerror}; name another --output-dir") from None
    # The engine gives the same bits in one go. What was heard is laid over them; what loudspeakers missed of them, the
    # underruns tell.
    whole = denoise(sample.noisy, sample.sample_rate)
    speakers = _find_speakers(reporter) if play else None
    if speakers is not None:
        live = Live(_Memory(sample.noisy, sample.sample_rate), speakers)
        ended_early = _stream(live, sample, reporter)
        after, late = whole, None
    else:
        device = SimulatedDevice(sample.sample_rate, sample.noisy)
        live = Live(device, device)
        ended_early = _stream(live, sample, reporter)
        after, late = align(device.heard[:, 0], whole, sample.sample_rate)
    if ended_early:
        reporter.say("rtdenoise: stopped before the end, nothing was kept")
        return
    _write(folder, sample, after)
    click.echo(report(live, sample, after, late))
    click.echo(f"\nlisten and look: {folder / 'before.wav'}, after.wav, spectrograms.png")


def _find_speakers(reporter: Reporter) -> DeviceInfo | None:
    try:
        return find_device("speakers", "output")
    except DeviceError as error:
        reporter.say("rtdenoise: there are no loudspeakers here, so a simulated sound device takes their place")
        reporter.detail(f"rtdenoise: {error}")
        return None


def _stream(live: Live, sample: Sample, reporter: Reporter) -> bool:
    """Let it run; whether somebody ended it."""
    # A simulated microphone goes on for ever, in silence: there the clock says when all has been heard.
    seconds = len(sample.noisy) / sample.sample_rate + _LONGEST_LATENCY_SECONDS
    with panel_for(reporter) as panel, live:
        reporter.say(f"rtdenoise: {live.start_line()}")
        return attend(live, panel, reporter, seconds if isinstance(live.source, SimulatedDevice) else None)


def align(heard: Float32, signal: Float32, sample_rate: int) -> tuple[Float32, int]:
    """What was heard of a signal, cut to lie on it, and by how many samples it came late (cross-correlation)."""
    size = 1 << (len(heard) + len(signal)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(signal, size)), size)
    late = int(np.argmax(correlation[: round(_LONGEST_LATENCY_SECONDS * sample_rate)]))
    rest = heard[late : late + len(signal)]
    return np.pad(rest, (0, len(signal) - len(rest))), late


def si_sdr_db(estimate: Float32, reference: Float32) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al., "SDR - half-baked or well done?", 2019), in dB."""
    target = reference * (np.dot(estimate, reference) / np.dot(reference, reference))
    return float(10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2)))


def noise_in_pauses_db(samples: Float32, sample: Sample) -> float:
    """RMS level in dB of full scale where nobody has spoken for a while."""
    spoken = np.abs(sample.clean) > _QUIET
    reach = round(_PAUSE_SECONDS * sample.sample_rate)
    near_speech = np.convolve(spoken, np.ones(2 * reach + 1), mode="same") > 0.5
    return decibels(float(np.sqrt(np.mean(np.square(samples[~near_speech], dtype=np.float64)))))


def report(live: Live, sample: Sample, after: Float32, late: int | None) -> str:
    """The comparison as aligned lines."""
    load = live.stats.load
    heard = "" if late is None else f", {late / sample.sample_rate * 1e3:.1f} heard"
    pauses = [noise_in_pauses_db(samples, sample) for samples in (sample.noisy, after)]
    ratios = [si_sdr_db(samples, sample.clean) for samples in (sample.noisy, after)]
    p50, p99 = load.percentile(50), load.percentile(99)
    return "\n".join(
        [
            f"{'':24}before    after",
            f"{'noise in the pauses':20}{pauses[0]:10.1f}{pauses[1]:9.1f}  dBFS",
            f"{'SI-SDR':20}{ratios[0]:10.1f}{ratios[1]:9.1f}  dB",
            f"{'latency':20}{live.latency_seconds * 1e3:10.1f}  ms stated{heard}",
            f"{'load of one core':20}{p50:10.1%}  p50, {p99:.1%} p99, {load.maximum:.1%} max",
            f"{'underruns':20}{live.stats.underruns:10}",
        ]
    )


def _write(folder: Path, sample: Sample, after: Float32) -> None:
    for name, samples in (("before.wav", sample.noisy), ("after.wav", after)):
        writer = FileWriter(folder / name, sample.sample_rate, 1, force=True)
        writer.write(samples[:, np.newaxis])
        writer.close()
    try:
        (folder / "spectrograms.png").write_bytes(draw_before_after(sample.noisy, after, sample.sample_rate))
    except OSError as error:
        raise AudioFileError(
            f"{folder / 'spectrograms.png'} could not be written: {error.strerror}; name another --output-dir"
        ) from None
