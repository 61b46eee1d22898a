"""The main job of the command line: open both ends, run what is between, say what happened."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from .. import __version__
from ..config import limit_for
from ..errors import AudioFileError, ParameterError
from ..files.audio_file import Limited, Reader, check_different, check_output
from ..files.pcm import RAW_FORMATS
from ..files.pipes import RawFormat
from ..files.recording import check_recording
from ..stats import Stats
from .endpoints import (
    Endpoint,
    check_raw_output,
    is_pipe,
    open_source,
    open_target,
    parse_source,
    parse_target,
)
from .reporter import Reporter

_LONG_SECONDS = 20.0


@dataclass(frozen=True)
class Job:
    """What was asked for, already checked for contradictions."""

    source: Endpoint
    target: Endpoint
    model: str
    attenuation_limit_db: float | None
    bypass: bool
    overlap: float | None
    latency: str | float
    on_device_loss: Literal["wait", "exit"]
    record_input: str | None
    record_output: str | None
    duration_seconds: float | None
    force: bool
    stats: str | None
    raw_rate: int | None
    raw_format: str | None
    raw_channels: int | None
    no_panel: bool
    steered: tuple[str, str, str] | None = None

    @classmethod
    def from_options(
        cls,
        source: str,
        target: str,
        duration: float | None,
        attenuation_limit: float | None,
        profile: str,
        **options: Any,
    ) -> Job:
        """From the command line's options.

        Raises:
            ParameterError: they contradict each other.
        """
        job = cls(
            parse_source(source),
            parse_target(target),
            duration_seconds=duration,
            attenuation_limit_db=limit_for(profile, attenuation_limit),
            **options,
        )
        job._check()
        return job

    @property
    def is_live(self) -> bool:
        """Whether a sound device takes part."""
        return not {"device", "virtual"}.isdisjoint((self.source.kind, self.target.kind))

    @property
    def is_raw(self) -> bool:
        """Whether anything was said about samples without a header."""
        return any(said is not None for said in (self.raw_rate, self.raw_format, self.raw_channels))

    @property
    def raw(self) -> RawFormat | None:
        """The format of samples without a header, if it is known."""
        if self.raw_rate is None:
            return None
        return RawFormat(self.raw_rate, RAW_FORMATS[self.raw_format or "s16le"], self.raw_channels or 1)

    def _check(self) -> None:
        source_is_pipe, target_is_pipe = is_pipe(self.source), self.target.kind == "pipe"
        if self.is_raw and not (source_is_pipe or target_is_pipe):
            raise ParameterError("--raw-rate, --raw-format and --raw-channels are for pipes; leave them out or take -")
        if self.source.kind == "pipe" and _is_terminal(sys.stdin):
            raise ParameterError(
                "--input - reads from a pipe, and this is a terminal; pipe or redirect something into it"
            )
        if target_is_pipe and _is_terminal(sys.stdout):
            raise ParameterError("--output - writes sound, and this is a terminal; pipe or redirect it somewhere")
        if self.stats == "-" and target_is_pipe:
            raise ParameterError("--stats - and --output - would mix on standard output; write --stats FILE.json")
        if self.stats not in (None, "-"):
            path = Path(str(self.stats))
            if path.suffix.lower() != ".json":
                raise ParameterError(f"--stats {path}: that is no name for JSON; take FILE.json, or - for stdout")
            if not path.parent.is_dir():
                raise ParameterError(f"--stats {path}: there is no folder {path.parent}; make it first")
        if self.target.kind == "file":
            if self.source.kind == "file":
                check_different(self.source.name, self.target.name)
            check_output(Path(self.target.name), force=self.force)
        self._check_recordings()

    def _check_recordings(self) -> None:
        recordings = {"--record-input": self.record_input, "--record-output": self.record_output}
        ends = {"--input": self.source, "--output": self.target}
        taken = {os.path.realpath(end.name): option for option, end in ends.items() if end.kind == "file"}
        for option, path in recordings.items():
            if path is None:
                continue
            if not self.is_live:
                raise ParameterError(f"{option} is for live sound; no sound device takes part here, so leave it out")
            other = taken.setdefault(os.path.realpath(path), option)
            if other != option:
                raise ParameterError(f"{option} {path}: that is what {other} names; give each its own file")
            check_recording(Path(path), force=self.force)


def run(job: Job, reporter: Reporter) -> None:
    """Do the job; returns at its end, or when the program behind an output pipe has gone.

    Raises:
        RtdenoiseError: anything that the user can mend.
        KeyboardInterrupt: Ctrl+C; what was counted has been reported.
    """
    if job.is_live:
        from .live_job import run_live

        run_live(job, reporter)
    else:
        _run_offline(job, reporter)


def _run_offline(job: Job, reporter: Reporter) -> None:
    from ..engine import Denoiser
    from ..files.convert import convert

    opened = open_source(job.source, job.raw)
    reader = opened if job.duration_seconds is None else Limited(opened, job.duration_seconds)
    with contextlib.closing(reader):
        if job.is_raw and not is_pipe(job.source):
            check_raw_output(reader, job.raw_rate, job.raw_channels)
        first = Denoiser(reader.sample_rate, job.model, job.attenuation_limit_db, overlap=job.overlap)
        writer = open_target(
            job.target,
            reader.sample_rate,
            reader.channels,
            source=opened,
            frames=reader.frames,
            raw_format=job.raw_format,
            is_raw=job.is_raw,
            force=job.force,
        )
        reporter.say(
            f"rtdenoise: {job.source} -> {job.target}, {_shape(reader)}, model {first.model.name} "
            f"{first.model.version}, latency {round(first.latency_seconds * 1e3, 1):g} ms (engine; cut off again)"
        )
        reporter.detail(f"rtdenoise: {reader.subtype} in, hops of {first.hop_length} samples, {first.model.path}")
        stats = Stats(reader.sample_rate, first.hop_length / reader.sample_rate)
        begun = time.perf_counter()
        outcome, interruption = "done", None
        try:
            with _progress(reporter, reader.frames and reader.frames / reader.sample_rate) as progress:
                convert(
                    reader,
                    writer,
                    model=first.model,
                    attenuation_limit_db=job.attenuation_limit_db,
                    bypass=job.bypass,
                    overlap=job.overlap,
                    stats=stats,
                    progress=progress,
                )
        except KeyboardInterrupt as pressed:
            interruption = pressed
            outcome = "stopped" if reader.frames is None else "stopped before the end, nothing was kept"
        except BrokenPipeError:  # head, or a player that was closed: they have what they wanted
            outcome = "the program behind has gone"
        elapsed = time.perf_counter() - begun
        reporter.say(f"rtdenoise: {outcome}; {_summary(stats, elapsed)}")
        write_stats(
            job,
            {
                "source": str(job.source),
                "sink": str(job.target),
                "model": first.model.name,
                "model_version": first.model.version,
                "sample_rate": reader.sample_rate,
                "channels": reader.channels,
                "hop_length": first.hop_length,
                "latency_ms": round(first.latency_seconds * 1e3, 3),
                "latency_parts_ms": {"engine": round(first.latency_seconds * 1e3, 3)},
                **stats.as_dict(),
            },
            elapsed,
        )
        if interruption:
            raise interruption


def _summary(stats: Stats, elapsed: float) -> str:
    load = ", ".join(f"{name} {stats.load.percentile(percent):.1%}" for name, percent in (("p50", 50), ("p99", 99)))
    return (
        f"{stats.samples_in / stats.sample_rate:.1f} s of sound in {elapsed:.1f} s, {stats.hops} hops, "
        f"load {load}, max {stats.load.maximum:.1%}"
    )


def write_stats(job: Job, report: dict[str, Any], elapsed: float) -> None:
    """Write what ``--stats`` asked for, if it did.

    Args:
        job: what was asked for.
        report: ends, model, rates, latency, counters.
        elapsed: seconds that it took.

    Raises:
        AudioFileError: the file cannot be written.
    """
    if job.stats is None:
        return
    asked = {"attenuation_limit_db": job.attenuation_limit_db, "bypass": job.bypass, "overlap": job.overlap}
    report = {"rtdenoise": __version__, **report, **asked, "elapsed_seconds": round(elapsed, 3)}
    text = json.dumps(report, indent=2)
    if job.stats == "-":
        print(text)
        return
    try:
        Path(job.stats).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise AudioFileError(f"--stats {job.stats} could not be written: {error.strerror}; choose another") from None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _shape(reader: Reader) -> str:
    parts = [f"{reader.sample_rate} Hz", "mono" if reader.channels == 1 else f"{reader.channels} channels"]
    if reader.frames is not None:
        parts.append(f"{reader.frames / reader.sample_rate:.1f} s")
    return ", ".join(parts)


@contextlib.contextmanager
def _progress(reporter: Reporter, total_seconds: float | None) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal for a source that is long and knows it; else nothing."""
    if not reporter.on_terminal or total_seconds is None or total_seconds < _LONG_SECONDS:
        yield lambda seconds: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("denoising", total=total_seconds)
        yield lambda seconds: bar.update(task, completed=seconds)
