"""``python -m benchmarks.latency``: from a microphone through the program to the loudspeakers, measured from outside.

Starts a sound server without hardware whose one stereo sink holds both ends on one clock: left is what the microphone
hears, right what the loudspeakers play. Chirps every half second are found again by cross-correlation. A pass-through
program with the same two streams and the same reserve is measured beside ours, so that what we add is seen alone.
`dry` does all the work but gives out the undenoised sound, as late; `denoising` is tried on speech.

With ``--input`` and ``--output``, real devices that a cable or the air connects: the chirps go out by the one and come
back by the other (softly; mind your ears).

Exit code 0: what the program states is within one block of what was measured. 1: it is not, or a row could not be had.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from rtdenoise import RtdenoiseError
from rtdenoise.commands.demo import load_sample
from rtdenoise.live.loopback import Delays, chirps, find_delays, measure_loop

from . import pulse
from .figures import Figure
from .provenance import write_document
from .streaming import ROOT
from .tables import table

RATES = (48000, 16000)
SETTINGS = ("low", "high", "80")
#: name: (program of `between`, its options, what is played).
PROGRAMS = {
    "pass-through": ("pass-through", [], "chirps"),
    "dry": ("ours", ["--bypass"], "chirps"),
    "denoising": ("ours", [], "speech"),
}
#: A busy machine starves the sound server itself, which says nothing; a run that lost samples is made anew.
ATTEMPTS = 3
_LOSSES = "overruns underruns late_samples dropped_samples latency_corrections input_overflows output_underflows"


@dataclass
class Row:
    """One program at one rate with one wish for latency. Times in ms.

    Attributes:
        delays_ms: of each chirp that was found.
        lost: chirps that were not.
        drift_ms_per_minute: how the delay wanders.
        attempts: runs until one lost nothing.
        counted: what the program counted of losses in the last one.
        problem: why there is no figure, or what is wrong with it.
    """

    rate: int
    setting: str
    program: str
    block_ms: float = math.nan
    stated_ms: float = math.nan
    measured_ms: float = math.nan
    spread_ms: float = math.nan
    drift_ms_per_minute: float = math.nan
    delays_ms: list[float] = field(default_factory=list)
    lost: int = 0
    attempts: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def fill(self, delays: Delays, report: dict[str, Any], rate: int) -> None:
        """Take in what was measured and what the program said at its end."""
        self.block_ms, self.stated_ms = 1e3 * report["block_length"] / rate, report["latency_ms"]
        self.counted = {name: report[name] for name in _LOSSES.split() if report.get(name)}
        self.lost, self.delays_ms = delays.lost, [round(1e3 * late, 3) for late in delays.seconds]
        self.problem = ""
        if len(delays.seconds) <= delays.lost:
            self.problem = f"{delays.lost} of {delays.lost + len(delays.seconds)} chirps did not come back"
            return
        self.measured_ms, self.spread_ms = 1e3 * delays.median_seconds, 1e3 * delays.spread_seconds
        self.drift_ms_per_minute = 1e3 * delays.drift_seconds_per_minute
        if abs(self.measured_ms - self.stated_ms) > self.block_ms:
            self.problem = f"stated {self.stated_ms:.1f} ms, measured {self.measured_ms:.1f}: more than a block apart"


def signal(kind: str, rate: int, seconds: float) -> np.ndarray:
    """(n,) float32: what the microphone is to hear."""
    if kind == "chirps":
        return chirps(rate, seconds)
    sample = load_sample()
    return np.resize(soxr.resample(sample.clean, sample.sample_rate, rate), round(seconds * rate))


@contextmanager
def running(server: pulse.Server, row: Row, model: str) -> Iterator[dict[str, Any]]:
    """The row's program on the bench; at the end of the block the dictionary holds its report."""
    program, options, _ = PROGRAMS[row.program]
    command = [sys.executable, "-m", "benchmarks.between", program, *options, "--model", model, "--rate", str(row.rate)]
    command += ["--input", "bench microphone", "--output", "bench speakers", "--latency", row.setting]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=server.environment, cwd=ROOT, text=True, **pipes)
    report: dict[str, Any] = {}
    try:
        if not process.stdout.readline():
            raise RuntimeError((process.communicate(timeout=30)[1].strip().splitlines() or ["gave up"])[-1])
        yield report
        out, error = process.communicate("\n", timeout=30)
        if not out:
            raise RuntimeError((error.strip().splitlines() or ["gave up"])[-1])
        report.update(json.loads(out))
    finally:
        process.kill()
        process.wait()


def measure_row(server: pulse.Server, row: Row, seconds: float, model: str) -> None:
    """Fill in a row; what goes wrong is said in it."""
    while row.attempts < ATTEMPTS and (not row.attempts or row.problem or row.counted):
        row.attempts += 1
        try:
            played = signal(PROGRAMS[row.program][2], row.rate, seconds)
            with running(server, row, model) as report, server.recording("bench.monitor", 2) as recorded:
                server.play(played, "bench_player")
            both = recorded[0]
            row.fill(find_delays(both[:, 0].copy(), both[:, 1].copy(), row.rate), report, row.rate)
        except (RuntimeError, OSError, subprocess.SubprocessError, ValueError) as error:
            row.problem = f"{type(error).__name__}: {error}".split("\n")[0]


def measure(
    rates: list[int], settings: list[str], programs: list[str], seconds: float, drift_seconds: float, model: str
) -> list[Row]:
    """A row for each, one after the other, a server for each rate; `dry` of the first rate and setting lasts longer."""
    rows = [Row(rate, setting, program) for rate in rates for setting in settings for program in programs]
    missing = pulse.why_not()
    for rate in rates:
        mine = [row for row in rows if row.rate == rate]
        try:
            if missing:
                raise RuntimeError(missing)
            server = pulse.Server(rate)
        except (RuntimeError, OSError, AssertionError, subprocess.SubprocessError) as error:
            for row in mine:
                row.problem = f"no sound server: {error}".split("\n")[0]
            continue
        try:
            for row in mine:
                print(f"{row.rate} Hz, {row.setting}, {row.program} ...", file=sys.stderr, flush=True)
                longest = (row.rate, row.setting, row.program) == (rates[0], settings[0], "dry")
                measure_row(server, row, max(seconds, drift_seconds) if longest else seconds, model)
        finally:
            with suppress(subprocess.SubprocessError, OSError):
                server.stop()
    return rows


def measure_devices(source: str, sink: str, settings: list[str], seconds: float, model: str) -> list[Row]:
    """Rows for real devices, through what connects them."""
    rows = []
    for setting in settings:
        rows.append(row := Row(0, setting, "ours"))
        row.attempts = 1
        try:
            loop = measure_loop(source, sink, seconds, model=model, latency=setting)
            row.rate = loop.report["sample_rate"]
            row.fill(loop.delays, loop.report, row.rate)
        except RtdenoiseError as error:
            row.problem = str(error)
    return rows


def as_text(found: dict[str, Any]) -> str:
    """Tables in Markdown."""
    rows = [Row(**{key: math.nan if value is None else value for key, value in row.items()}) for row in found["rows"]]
    reference = {(row.rate, row.setting): row.measured_ms for row in rows if row.program == "pass-through"}
    lines = []
    for row in rows:
        added = row.measured_ms - reference.get((row.rate, row.setting), math.nan)
        lines.append(
            [
                f"{row.rate} Hz, {row.setting}, {row.program}",
                *map(_ms, (row.block_ms, row.stated_ms, row.measured_ms)),
                "-" if row.program == "pass-through" else _ms(added),
                _ms(row.spread_ms),
                f"{row.drift_ms_per_minute:.2f}" if len(row.delays_ms) > 30 else "-",
                f"{len(row.delays_ms)}",
                f"{row.lost}",
            ]
        )
    parts = [
        "Milliseconds, median over chirps. Added: more than the pass-through program. Spread: 5th to 95th percentile. "
        "Drift: per minute, where a row lasts long enough.",
        table(["", "block", "stated", "measured", "added", "spread", "drift", "found", "lost"], lines),
    ]
    problems = [f"- {row.rate} Hz, {row.setting}, {row.program}: {row.problem}" for row in rows if row.problem]
    losses = [
        f"- {row.rate} Hz, {row.setting}, {row.program}: "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in row.counted.items())
        for row in rows
        if row.counted
    ]
    if problems:
        parts += ["**Missing or wrong**", "\n".join(problems)]
    if losses:
        parts += [f"Lost on the way, in the last of {ATTEMPTS} attempts (a busy machine):", "\n".join(losses)]
    return "\n\n".join(parts)


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN."""
    return {key: None if value != value else value for key, value in row.items()}


def _ms(figure: float) -> str:
    return "-" if math.isnan(figure) else f"{figure:.1f}"


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    return {
        f"latency {row['rate']} Hz {row['setting']} {row['program']}, ms": Figure(row["delays_ms"])
        for row in found["rows"]
        if row["delays_ms"]
    }


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", action="append", type=int, help=f"in Hz, again for more ({RATES})")
    parser.add_argument("--latency", action="append", help=f"low, high or ms, again for more ({', '.join(SETTINGS)})")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="again for more (all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row (20)")
    parser.add_argument(
        "--drift-seconds", type=float, default=0.0, help="of `dry` at the first rate and latency; 120 show drift"
    )
    parser.add_argument("--model", default="stream", help="name or ONNX file (stream)")
    parser.add_argument("--input", help="a real input device, to which --output leads")
    parser.add_argument("--output", help="a real output device")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    settings = given.latency or list(SETTINGS)
    if (given.input is None) != (given.output is None):
        parser.error("--input and --output go together")
    if given.input:
        rows = measure_devices(given.input, given.output, settings, given.seconds, given.model)
    else:
        programs = given.program or list(PROGRAMS)
        rates = given.rate or list(RATES)
        rows = measure(rates, settings, programs, given.seconds, given.drift_seconds, given.model)
    found = {"seconds": given.seconds, "rows": [_without_nan(asdict(row)) for row in rows]}
    print(as_text(found))
    write_document(given.json, "latency", found)
    return int(any(row.problem for row in rows))


if __name__ == "__main__":
    sys.exit(main())
