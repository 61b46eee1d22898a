"""``python -m benchmarks.scaling``: how many live streams fit one core and the machine, how fast files go, what memory.

- Live: one thread on one core serves N streams of one shared model, a hop of each every 8 ms, as a server would, with
  the priority of a live stream where the system grants it. A tick is missed when its last hop is not done before the
  next tick is due. A scan with ever more streams, then longer: the promised number, and the most that the scan allows.
- Throughput: as fast as it goes, with 1, 2, ... threads that share one model, and with as many processes.
- Files: seconds of audio that `rtdenoise --input FILE --output FILE` does in a second once it runs, WAV read and
  written, in one process and in one for each core.
- Memory: what each further stream adds to a process (Linux).

On a shared machine trust the ratios.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtdenoise import Denoiser, Model, ModelError, denoise
from rtdenoise.files.audio_file import FileReader, FileWriter
from rtdenoise.files.convert import convert
from rtdenoise.live.priority import WORKER_PRIORITY, promote_thread
from rtdenoise.live.realtime import quiet_interpreter

from .figures import Figure
from .provenance import write_document
from .tables import table

RATE = 16000
#: Streams that are tried live, until the median tick takes longer than there is time.
LIVE_STEPS = (1, 10, 25, 50, 75, 100, 150, 200)
#: Live streams on one core that have to do without a missed tick for a minute.
PROMISED_STREAMS = 25
MEMORY_STEPS = (1, 10, 50, 100)
#: Measurements of each throughput, one after the other.
ROUNDS = 3


def noisy_speech() -> NDArray[np.float32]:
    """The ten seconds that `rtdenoise demo` plays."""
    with resources.files("rtdenoise").joinpath("samples/demo_noisy.flac").open("rb") as file:
        return soundfile.read(file, dtype="float32")[0]


def use_one_core() -> None:
    """Keep this process to one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def live(model: str, streams: int, seconds: float) -> dict[str, float]:
    """Serve ``streams`` at real-time pace from one thread on one core; loads are of the 8 ms between ticks."""
    use_one_core()
    shared, speech = Model.load(model), noisy_speech()
    denoisers = [Denoiser(RATE, shared) for _ in range(streams)]
    hop = denoisers[0].hop_length
    # Each stream hears another place of the sample.
    heard = [np.roll(speech, -i * len(speech) // streams) for i in range(streams)]
    places = range(0, len(speech) - hop, hop)
    for denoiser, samples in zip(denoisers, heard, strict=True):
        denoiser.process(samples[:hop])
    ticks, deadline = max(1, round(seconds * RATE / hop)), hop / RATE
    loads, missed = np.empty(ticks), 0
    promoted = promote_thread(WORKER_PRIORITY)
    with quiet_interpreter():
        due = time.perf_counter()
        for tick in range(ticks):
            due += deadline
            time.sleep(max(0.0, due - time.perf_counter()))
            begin = time.perf_counter()
            place = places[tick % len(places)]
            for denoiser, samples in zip(denoisers, heard, strict=True):
                denoiser.process(samples[place : place + hop])
            end = time.perf_counter()
            loads[tick] = (end - begin) / deadline
            if end > due + deadline:
                missed += 1
                due = end  # a server drops what it cannot do, and goes on from now
    p50, p99 = np.percentile(loads, (50, 99))
    found = {"streams": streams, "ticks": ticks, "missed": missed, "promoted": promoted}
    return found | {"p50": float(p50), "p99": float(p99), "max": float(loads.max())}


def run_hops(denoiser: Denoiser, speech: NDArray[np.float32], seconds: float) -> float:
    """Seconds of audio done in ``seconds``, hop by hop as fast as it goes."""
    hop, done = denoiser.hop_length, 0
    places = range(0, len(speech) - hop, hop)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        place = places[done % len(places)]
        denoiser.process(speech[place : place + hop])
        done += 1
    return done * hop / denoiser.sample_rate


def threads_throughput(model: str, threads: int, seconds: float) -> list[float]:
    """Streams that this process can keep up with: audio done by ``threads`` that share one model, over time.

    ``ROUNDS`` figures, which take ``seconds`` together.
    """
    shared, speech = Model.load(model), noisy_speech()
    denoisers = [Denoiser(RATE, shared) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        rounds = []
        for _ in range(ROUNDS):
            done = pool.map(lambda denoiser: run_hops(denoiser, speech, seconds / ROUNDS), denoisers)
            rounds.append(sum(done) / (seconds / ROUNDS))
    return rounds


def file_throughput(model: str, seconds: float) -> list[float]:
    """Times real time for a recording of ``seconds``, from file to file on one core; ``ROUNDS`` figures."""
    shared, rounds = Model.load(model), []
    with tempfile.TemporaryDirectory(prefix="rtdenoise-benchmark-") as folder:
        source, target = Path(folder) / "noisy.wav", Path(folder) / "clean.wav"
        soundfile.write(source, np.resize(noisy_speech(), round(seconds * RATE)), RATE)
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            reader = FileReader(source)
            convert(reader, FileWriter(target, RATE, 1, like=reader.subtype, force=True), model=shared)
            reader.close()
            rounds.append(seconds / (time.perf_counter() - begin))
    return rounds


def resident_bytes() -> int | None:
    """Memory that this process holds now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def memory(model: str) -> list[dict[str, float]]:
    """What a process holds with some streams, each of which has heard a second; empty where that cannot be read."""
    shared, speech, kept, found = Model.load(model), noisy_speech(), [], []
    for streams in MEMORY_STEPS:
        while len(kept) < streams:
            kept.append(Denoiser(RATE, shared))
            kept[-1].process(speech[:RATE])
        gc.collect()
        if (held := resident_bytes()) is not None:
            found.append({"streams": streams, "mb": held / 1e6})
    return found


def in_processes(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call it in ``count`` fresh processes at once; each has run it once before, briefly, so that all is warm."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_warm_up, [arguments[0]] * count))
        return list(pool.map(function, *([argument] * count for argument in arguments)))


def _warm_up(model: str) -> None:
    denoise(noisy_speech()[:RATE], RATE, model)
    time.sleep(0.5)  # so that each process of the pool gets one


def measure(model: str, seconds: float, live_seconds: float, hold_seconds: float, streams: list[int]) -> dict[str, Any]:
    """All of it.

    Args:
        model: name or file.
        seconds: for each throughput.
        live_seconds: for each number of live ``streams``; no more are tried once the median tick comes too late.
        hold_seconds: for the promised number of streams, and for the most of the scan without a miss.
        streams: ever more.
    """
    cores = usable_cores()
    counts = sorted({1, *(2**i for i in range(1, 8) if 2**i < cores), cores, 2 * cores})
    scan: list[dict[str, float]] = []
    for number in streams:
        scan += in_processes(1, live, model, number, live_seconds)
        if scan[-1]["p50"] > 1:
            break
    most = max([PROMISED_STREAMS, *(step["streams"] for step in scan if not step["missed"])])
    held = sorted({PROMISED_STREAMS, most})
    return {
        "cores": cores,
        "live_seconds": live_seconds,
        "live": scan,
        "hold_seconds": hold_seconds,
        "held": [in_processes(1, live, model, number, hold_seconds)[0] for number in held],
        "threads": {f"{n}": in_processes(1, threads_throughput, model, n, seconds)[0] for n in counts},
        "processes": {f"{n}": _together(in_processes(n, threads_throughput, model, 1, seconds)) for n in counts},
        "files": {f"{n}": _together(in_processes(n, file_throughput, model, 30 * seconds)) for n in sorted({1, cores})},
        "memory": in_processes(1, memory, model)[0],
    }


def _together(processes: list[list[float]]) -> list[float]:
    """The sum over processes, round by round."""
    return [sum(rounds) for rounds in zip(*processes, strict=True)]


def as_text(found: dict[str, Any]) -> str:
    """Tables in Markdown."""
    parts = [
        f"Live on one core, one thread: {found['live_seconds']:.0f} s each, then {found['hold_seconds']:.0f} s for the "
        f"promised {PROMISED_STREAMS} streams and for the most that missed nothing.",
        table(["streams", "seconds", "load p50", "p99", "max", "missed"], _live_lines(found)),
        f"Throughput on {found['cores']} cores, in streams that could be kept up with.",
        table(
            ["", *(f"{n}" for n in found["threads"])], [_growth(kind, found[kind]) for kind in ("threads", "processes")]
        ),
        "Files, read, denoised and written, times real time.",
        table(["", *(f"{n}" for n in found["files"])], [_growth("processes", found["files"])]),
    ]
    if steps := found["memory"]:
        held = ", ".join(f"{step['mb']:.0f} MB with {step['streams']}" for step in steps)
        parts.append(f"Memory: {held} streams; each further one takes {memory_per_stream(found):.2f} MB.")
    return "\n\n".join(parts)


def _live_lines(found: dict[str, Any]) -> list[list[str]]:
    tried = [(found["live_seconds"], step) for step in found["live"]]
    tried += [(found["hold_seconds"], step) for step in found["held"]]
    lines = []
    for seconds, step in tried:
        loads = [f"{step[name]:.3f}" for name in ("p50", "p99", "max")]
        lines.append([f"{step['streams']}", f"{seconds:.0f}", *loads, f"{step['missed']} of {step['ticks']}"])
    return lines


def _growth(kind: str, throughputs: dict[str, list[float]]) -> list[str]:
    medians = [typical(rounds) for rounds in throughputs.values()]
    return [kind, *(f"{median:.0f} ({median / medians[0]:.2f} x)" for median in medians)]


def typical(rounds: list[float]) -> float:
    """The median of some measurements of one throughput."""
    return float(np.median(rounds))


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    compared = {
        f"throughput of {n} {kind}, streams": Figure(rounds, higher_is_better=True)
        for kind in ("threads", "processes")
        for n, rounds in found[kind].items()
    }
    compared |= {f"files, {n} processes": Figure(rounds, higher_is_better=True) for n, rounds in found["files"].items()}
    if found["memory"]:
        compared["memory of a further stream, MB"] = Figure([memory_per_stream(found)])
    return compared


def memory_per_stream(found: dict[str, Any]) -> float:
    """MB that each further stream adds."""
    first, *_, last = found["memory"]
    return max(1e-3, (last["mb"] - first["mb"]) / (last["streams"] - first["streams"]))


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="stream", help="name or ONNX file (stream)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each throughput (10)")
    parser.add_argument("--live-seconds", type=float, default=5.0, help="for each number of live streams (5)")
    parser.add_argument("--hold-seconds", type=float, default=60.0, help="for the numbers that are held (60)")
    parser.add_argument("--streams", action="append", type=int, help="live ones, again for more (until it is too many)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    try:
        Model.load(given.model)
    except ModelError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    streams = given.streams or list(LIVE_STEPS)
    found = measure(given.model, given.seconds, given.live_seconds, given.hold_seconds, streams)
    print(as_text(found))
    write_document(given.json, "scaling", {"model": given.model, **found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
