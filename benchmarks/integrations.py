"""``python -m benchmarks.integrations``: what Pipecat's filter and LiveKit's processor cost beside the bare engine.

Blocks of 20 ms as voice agents hand them over, one after the other, rounds of all in turn, the median of rounds. The
bare engine gets the same blocks as float32. What is not installed is a row that says so.

Exit code 0: the table. 1: neither is installed. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtdenoise import Denoiser, Model
from rtdenoise.errors import MissingPackageError
from rtdenoise.files.pcm import S16LE, decode, encode
from rtdenoise.integrations.pcm import PcmDenoiser

from .provenance import write_document
from .tables import table

RATES = [8000, 16000, 24000, 48000]
BLOCK_SECONDS = 0.02
BARE = "bare engine"

#: Runs over blocks of bytes and returns the seconds of CPU that it took.
Runner = Callable[[list[bytes]], float]


def timed(work: Callable[[], Any]) -> float:
    """Seconds of CPU of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def bare(rate: int, model: Model) -> Runner:
    """The engine alone: conversion from and to bytes is not its business."""
    denoiser = Denoiser(rate, model)

    def run(blocks: list[bytes]) -> float:
        samples = [decode(block, S16LE) for block in blocks]
        return timed(lambda: [denoiser.process(block) for block in samples])

    return run


def pcm(rate: int, model: Model) -> Runner:
    """Bytes in and out."""
    stream = PcmDenoiser(rate, model=model)
    return lambda blocks: timed(lambda: [stream.process(block) for block in blocks])


def pipecat(rate: int, model: Model) -> Runner:
    """The filter as a transport awaits it."""
    from rtdenoise.integrations.pipecat import RtDenoiseFilter

    audio_filter = RtDenoiseFilter(model=model, profile="people")
    asyncio.run(audio_filter.start(rate))

    async def all_of(blocks: list[bytes]) -> None:
        for block in blocks:
            await audio_filter.filter(block)

    return lambda blocks: timed(lambda: asyncio.run(all_of(blocks)))


def livekit(rate: int, model: Model) -> Runner:
    """The processor with LiveKit's frames."""
    from rtdenoise.integrations.livekit import RtDenoiseProcessor, rtc

    processor = RtDenoiseProcessor(model=model, profile="people", sample_rate=rate)

    def run(blocks: list[bytes]) -> float:
        frames = [rtc.AudioFrame(block, rate, 1, len(block) // 2) for block in blocks]
        return timed(lambda: [processor._process(frame) for frame in frames])

    return run


DOORS: dict[str, Callable[[int, Model], Runner]] = {BARE: bare, "bytes": pcm, "Pipecat": pipecat, "LiveKit": livekit}


def speech(rate: int, seconds: float) -> bytes:
    """The demo's noisy conversation, as 16-bit samples at any rate; pitch does not matter here."""
    with resources.files("rtdenoise").joinpath("samples/demo_noisy.flac").open("rb") as file:
        samples, _ = soundfile.read(file, dtype="float32")
    return encode(np.resize(samples, round(rate * seconds)), S16LE)


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """{rate: {door: {"ms_per_second": CPU, "latency_ms": of the engine}}}, and why a door is missing."""
    model, found, missing = Model.load("stream"), {}, {}
    for rate in RATES:
        data, size = speech(rate, seconds), 2 * round(rate * BLOCK_SECONDS)
        blocks = [data[i : i + size] for i in range(0, len(data), size)]
        runners = {}
        for name, door in DOORS.items():
            try:
                runners[name] = door(rate, model)
            except MissingPackageError as error:
                missing[name] = str(error)
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(rounds + 1):  # the first warms up
            for name, run in runners.items():
                times[name].append(run(blocks))
        found[str(rate)] = {name: 1000 * statistics.median(took[1:]) / seconds for name, took in times.items()}
    return {"cpu_ms_per_second": found, "missing": missing, "latency_ms": 1000 * Denoiser(16000, model).latency_seconds}


def as_text(found: dict[str, Any]) -> str:
    """A table in Markdown."""
    rows = []
    for rate, costs in found["cpu_ms_per_second"].items():
        cells = [
            f"{costs[name]:.2f} ({costs[name] / costs[BARE] - 1:+.0%})" if name in costs else "-" for name in DOORS
        ]
        rows.append([f"{int(rate) / 1000:g} kHz", *cells])
    lines = [table(["ms of CPU for a second", *DOORS], rows)]
    lines += [f"{name}: {why}" for name, why in found["missing"].items()]
    return "\n\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.integrations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of sound in a round (10)")
    parser.add_argument("--rounds", type=int, default=9, help="for the median (9)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    found = measure(given.seconds, given.rounds)
    print(as_text(found))
    write_document(given.json, "integrations", found)
    return int(found["missing"].keys() >= {"Pipecat", "LiveKit"})


if __name__ == "__main__":
    sys.exit(main())
