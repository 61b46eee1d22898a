"""``python -m benchmarks.batch``: how fast `rtdenoise batch` goes with 1, 2, ... workers, and what 100,000 hours take.

A folder of recordings is made of the ten seconds that `rtdenoise demo` plays, and denoised as often as there are
rounds, with each engine and number of workers in turn. Processes are timed from their start, with loading all they
need; workers of the Dask cluster, which stay, after a file each. Only a machine with as many free cores as workers
shows what two of them gain.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtdenoise import Model, ModelError
from rtdenoise.batch.processes import run_in_processes
from rtdenoise.batch.work import Events, Outcome, Task, Wishes, digest_of

from .figures import Figure
from .provenance import Others, write_document
from .scaling import RATE, noisy_speech, typical, usable_cores
from .tables import table

HOURS = 100_000
#: Bytes of an hour as most speech is kept: 16 kHz, 16 bits, one channel.
HOUR_BYTES = 3600 * 16000 * 2
PLANNED_CORES = (8, 32, 128, 512)


def make_recordings(folder: Path, files: int, seconds: float) -> list[Task]:
    """WAV files of so many seconds on average, from half to one and a half times that; the largest first."""
    speech, tasks = noisy_speech(), []
    for number in range(files):
        length = seconds * (0.5 + (number + 0.5) / files)
        path = folder / f"talk{number:03d}.wav"
        soundfile.write(path, np.resize(speech, round(length * RATE)), RATE)
        tasks.append(Task(path.name, path.stat().st_size, ""))
    return tasks[::-1]


def speed(events: Events) -> float:
    """Seconds of sound for each second, until all is done.

    Raises:
        RuntimeError: a file was not done.
    """
    sound, begun = 0.0, time.perf_counter()
    for event in events:
        if isinstance(event, Outcome):
            if event.fault is not None:
                raise RuntimeError(event.fault)
            sound += event.facts["seconds"]
    return sound / (time.perf_counter() - begun)


@contextmanager
def cluster(workers: int, warm_up: list[Task], wishes: Wishes) -> Iterator[str]:
    """The address of a Dask cluster of processes, of one thread each, that have denoised something."""
    import distributed

    from rtdenoise.batch.cluster import run_on_cluster

    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as running:
        speed(run_on_cluster(warm_up * 2 * workers, wishes, running.scheduler_address))
        yield running.scheduler_address


def measure(model: str, workers: list[int], files: int, seconds: float, rounds: int) -> dict[str, Any]:
    """All engines with all numbers of workers.

    Args:
        model: name or file.
        workers: how many, each a row.
        files: in the folder.
        seconds: of sound in a file, on average.
        rounds: of each.
    """
    others = Others()
    digest = digest_of(Model.load(model))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "in").mkdir()
        tasks = make_recordings(folder / "in", files, seconds)
        wishes = Wishes(str(folder / "in"), str(folder / "out"), model, digest, None, None)
        speeds: dict[str, dict[str, list[float]]] = {"processes": {f"{n}": [] for n in workers}}
        for _ in range(rounds):
            for count in workers:
                speeds["processes"][f"{count}"].append(speed(run_in_processes(list(tasks), wishes, count)))
        if importlib.util.find_spec("distributed") is not None:
            from rtdenoise.batch.cluster import run_on_cluster

            speeds["dask"] = {}
            for count in workers:  # not in turn: a cluster that waits takes some of the processor as well
                with cluster(count, tasks[-1:], wishes) as address:
                    found = [speed(run_on_cluster(list(tasks), wishes, address)) for _ in range(rounds)]
                speeds["dask"][f"{count}"] = found
    return {
        "cores": usable_cores(),
        "others_cores": others.cores,
        "files": files,
        "seconds": seconds,
        "speeds": speeds,
    }


def speeds_table(found: dict[str, Any]) -> str:
    """Times real time by engine and number of workers."""
    lines = []
    for engine, by_workers in found["speeds"].items():
        first = None
        for workers, rounds in by_workers.items():
            first = first or typical(rounds)
            lines.append([engine, workers, f"{typical(rounds):.0f}", f"{typical(rounds) / first:.2f}"])
    return table(["engine", "workers", "times real time", "against one worker"], lines)


def plan_table(found: dict[str, Any]) -> str:
    """What 100,000 hours take: with the measured numbers of workers, and with more at the speed that each had."""
    measured = {int(workers): typical(rounds) for workers, rounds in found["speeds"]["processes"].items()}
    most = max(measured)
    planned = measured | {cores: measured[most] / most * cores for cores in PLANNED_CORES if cores > most}
    lines = []
    for cores, real_times in planned.items():
        origin = "measured" if cores in measured else f"{cores / most:g} times that of {most}"
        megabytes = real_times * HOUR_BYTES / 3600 / 1e6
        read = f"{megabytes:.{0 if megabytes >= 10 else 1}f} MB/s"
        lines.append([f"{cores}", f"{real_times:.0f} ({origin})", duration(HOURS / real_times), read])
    return table(["cores", "times real time", f"{HOURS:,} hours take", "read, and as much written"], lines)


def duration(hours: float) -> str:
    """Hours, or days where they are many."""
    return f"{hours:.0f} hours" if hours < 100 else f"{hours / 24:.0f} days"


def caveat(found: dict[str, Any]) -> str:
    """What to know before quoting: whether other programs took of the processor, or there were too few cores."""
    most = max(int(workers) for workers in found["speeds"]["processes"])
    remarks = []
    if found["cores"] < most:
        remarks.append(f"{most} workers had {found['cores']} core: the gain of more workers is not to be seen here")
    if (found["others_cores"] or 0) > 0.1:
        remarks.append(f"other programs took {found['others_cores']:.1f} cores meanwhile: speeds are too low")
    return "".join(f"{remark[0].upper()}{remark[1:]}. " for remark in remarks).rstrip()


def as_text(found: dict[str, Any]) -> str:
    """Tables in Markdown."""
    hours = found["files"] * found["seconds"] / 3600
    cores = f"{found['cores']} core" + "s" * (found["cores"] > 1)
    head = f"{found['files']} files, {hours:.2g} hours of sound at 16 kHz, on {cores}."
    parts = [f"{head} {caveat(found)}".rstrip(), speeds_table(found), plan_table(found)]
    return "\n\n".join(parts)


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    return {
        f"{engine}, {workers} workers": Figure(rounds, higher_is_better=True)
        for engine, by_workers in found["speeds"].items()
        for workers, rounds in by_workers.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="stream", help="name or ONNX file (stream)")
    parser.add_argument("--workers", action="append", type=int, help="again for more (1 and 2)")
    parser.add_argument("--files", type=int, default=60, help="in the folder (60)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of sound in a file, on average (60)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    try:
        found = measure(given.model, given.workers or [1, 2], given.files, given.seconds, given.rounds)
    except (ModelError, RuntimeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(as_text(found))
    write_document(given.json, "batch", {"model": given.model, **found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
