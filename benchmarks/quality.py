"""``python -m benchmarks.quality``: quality, latency and cost of our models and of other denoisers, side by side.

Every denoiser runs in a process of its own on one core, a fresh stream for each file, block by block as a live program
would, while nothing else runs; its delay is measured, and its output shifted back by that, before it is compared with
the clean speech.
Whole-file denoisers see the future and have no latency. 48 kHz denoisers get the 16 kHz recordings resampled.

Exit code 0: every row is whole. 1: something is missing, and the rows say what. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import re
import sys
from collections.abc import Collection
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from . import peers
from .dataset import RATE, DataError, Float32, Pair, choose, load_pairs
from .default_set import default_pairs
from .environments import NotInstalledError, is_installed
from .figures import Figure
from .metrics import DECIMALS, measure
from .peers import Peer
from .provenance import write_document
from .streaming import ONE_THREAD, PeerError, Streamed, stream
from .tables import as_text, summarise

NOISY = "noisy"
_PROBE_SECONDS = 12.0


@dataclass
class Row:
    """What is known of one denoiser.

    Attributes:
        scores: by recording, by measure.
        cost: see ``streaming.Streamed``; empty for the noisy input.
        cpu_per_second: by recording.
        whole_file: it cannot stream.
        problems: what is missing and why, a line each.
    """

    name: str
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    cpu_per_second: dict[str, float] = field(default_factory=dict)
    whole_file: bool = False
    problems: list[str] = field(default_factory=list)


def score(
    row: Row, pairs: list[Pair], outputs: dict[str, Float32], pool: Executor, wanted: Collection[str] = tuple(DECIMALS)
) -> None:
    """Fill in the row's scores, in parallel."""
    there = [pair for pair in pairs if pair.name in outputs]
    task = functools.partial(measure, wanted=wanted)
    measured = pool.map(task, [pair.clean for pair in there], [outputs[pair.name] for pair in there])
    unmeasured: dict[tuple[str, str], int] = {}
    for pair, (scores, missing) in zip(there, measured, strict=True):
        row.scores[pair.name] = scores
        for problem in missing.items():
            unmeasured[problem] = unmeasured.get(problem, 0) + 1
    row.problems += [f"{what} of {n} of {len(pairs)} files: {why}" for (what, why), n in unmeasured.items()]


def run_peer(
    row: Row,
    peer: Peer,
    pairs: list[Pair],
    *,
    install: bool = True,
    keep: Path | None = None,
    start_ups: int = 3,
) -> dict[str, Float32]:
    """Fill in what one row costs; its outputs by recording. Whatever fails is said in the row."""
    try:
        inputs = {pair.name: pair.noisy for pair in pairs}
        streamed = stream(peer, inputs, _probes(pairs), install=install, start_ups=start_ups)
    except (NotInstalledError, PeerError) as problem:
        row.problems.append(str(problem))
        return {}
    row.cost, row.cpu_per_second = streamed.cost, streamed.cpu_per_second
    row.problems += _failures(streamed, len(pairs))
    if keep:
        _keep(keep / re.sub(r"[^\w.-]+", "_", peer.name), streamed.outputs)
    return streamed.outputs


def compare(
    pairs: list[Pair],
    contestants: list[Peer],
    *,
    install: bool = True,
    processes: int | None = None,
    keep: Path | None = None,
    start_ups: int = 3,
) -> list[Row]:
    """A row for the noisy input and one for each contestant.

    First each is streamed and timed, one after the other, while nothing else runs; then all are scored, on all cores.
    """
    os.environ.update(ONE_THREAD)
    rows, outputs = [Row(NOISY)], [{pair.name: pair.noisy for pair in pairs}]
    for contestant in contestants:
        print(f"{contestant.name} ...", file=sys.stderr, flush=True)
        rows.append(row := Row(contestant.name, whole_file=contestant.block is None))
        outputs.append(run_peer(row, contestant, pairs, install=install, keep=keep, start_ups=start_ups))
    pool = _new_pool(processes)
    for row, heard in zip(rows, outputs, strict=True):
        print(f"scores of {row.name} ...", file=sys.stderr, flush=True)
        try:
            score(row, pairs, heard, pool)
        except BrokenProcessPool:
            row.problems.append("a process that takes the measures was ended from outside; is there enough memory?")
            pool.shutdown()
            pool = _new_pool(processes)
    pool.shutdown()
    return rows


def _new_pool(processes: int | None) -> Executor:
    return ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("spawn"))


def _probes(pairs: list[Pair]) -> list[Float32]:
    """Clean speech, some seconds of it, no recording twice."""
    probes: dict[bytes, Float32] = {}
    for pair in pairs:
        if sum(map(len, probes.values())) < _PROBE_SECONDS * RATE:
            probes[pair.clean.tobytes()] = pair.clean
    return list(probes.values())


def _failures(streamed: Streamed, files: int) -> list[str]:
    counts: dict[str, int] = {}
    for reason in streamed.failures.values():
        counts[reason] = counts.get(reason, 0) + 1
    return [f"{n} of {files} files: {reason}" for reason, n in counts.items()]


def _keep(folder: Path, outputs: dict[str, Float32]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in outputs.items():
        soundfile.write(folder / f"{name}.flac", samples.clip(-1, 1), RATE)


def find_contestants(models: list[str], wanted: str, folders: list[Path]) -> list[Peer]:
    """Our models, then the other denoisers by name.

    Args:
        models: names or files.
        wanted: ``all``, ``none``, ``cached`` (those that are installed already), or beginnings of names.
        folders: with adapters.

    Raises:
        DataError: an unknown name.
    """
    ours = [peers.peer(model, peers.OURS, {"model": _absolute(model)}) for model in models]
    others = [peer for folder in folders for peer in peers.find_peers(folder)]
    if wanted == "cached":
        others = [other for other in others if is_installed(other.requirements)]
    elif wanted not in ("all", "none"):
        names = [name.strip() for name in wanted.split(",")]
        if unknown := [name for name in names if not any(other.name.startswith(name) for other in others)]:
            known = "; ".join(other.name for other in others)
            raise DataError(f"there is no peer {unknown[0]!r}; give all, none, cached, or beginnings of: {known}")
        others = [other for other in others if other.name.startswith(tuple(names))]
    return ours + ([] if wanted == "none" else others)


def _absolute(model: str) -> str:
    """The worker runs elsewhere."""
    return str(Path(model).resolve()) if Path(model).suffix else model


def as_json(
    rows: list[Row], pairs: list[Pair], left_out: dict[str, str], data: str, not_installed: list[str] | None = None
) -> dict[str, Any]:
    """All that is known, per file too."""
    seconds = sum(len(pair.clean) for pair in pairs) / RATE
    about = {"name": data, "pairs": len(pairs), "seconds": seconds, "left_out": left_out}
    return {
        "data": about | {"not_installed": not_installed or []},
        "conditions": {pair.name: {"snr_db": pair.snr_db, "noise": pair.noise} for pair in pairs},
        "summary": summarise(rows, pairs),
        "rows": [_rounded(vars(row)) for row in rows],
    }


def _rounded(found: Any) -> Any:
    """Five digits of every number are more than any of them means."""
    if isinstance(found, dict):
        return {key: _rounded(value) for key, value in found.items()}
    return float(f"{found:.5g}") if isinstance(found, float) else found


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    compared = {}
    for row in found["rows"]:
        for title, decimals in DECIMALS.items():
            scores = {name: scores[title] for name, scores in row["scores"].items() if title in scores}
            if scores:
                compared[f"{title} {row['name']}"] = Figure([*scores.values()], [*scores], True, decimals)
        if row["cpu_per_second"]:
            compared[f"CPU {row['name']}, s per s"] = Figure([*row["cpu_per_second"].values()])
        for key in ("latency_ms", "start_up_seconds", "peak_mb"):
            if row["cost"].get(key):
                compared[f"{key} {row['name']}"] = Figure([row["cost"][key]])
    return compared


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with clean/ and noisy/ (a tiny set made on the spot)")
    parser.add_argument("--limit", type=_count, help="so many pairs, chosen by lot, the same in every run")
    parser.add_argument("--model", action="append", help="name or ONNX file, again for more; the first counts (stream)")
    parser.add_argument(
        "--peers",
        default="all",
        help="all, none, cached (installed before), or beginnings of names with commas between (all)",
    )
    parser.add_argument("--adapters", type=Path, action="append", default=[], help="folder with more peers, see peers/")
    parser.add_argument("--no-install", action="store_true", help="only peers that were installed before")
    parser.add_argument("--processes", type=int, help="for the measures; denoisers are timed one by one")
    parser.add_argument("--start-ups", type=int, default=3, help="processes whose start is timed, for a median (3)")
    parser.add_argument("--keep", type=Path, help="write all outputs, aligned, to this folder")
    parser.add_argument("--json", type=Path, help="write everything, per file too, to this file")
    given = parser.parse_args(arguments)
    try:
        folders = [peers.FOLDER, *given.adapters]
        contestants = find_contestants(given.model or ["stream"], given.peers, folders)
        pairs, left_out = (
            load_pairs(given.data, given.limit) if given.data else (choose(default_pairs(), given.limit), {})
        )
        if given.json:
            given.json.touch()  # better now than after all the work
    except (DataError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    how = {"install": not given.no_install, "processes": given.processes, "keep": given.keep}
    rows = compare(pairs, contestants, start_ups=given.start_ups, **how)
    missing = set() if given.peers != "cached" else {p.name for f in folders for p in peers.find_peers(f)}
    missing -= {contestant.name for contestant in contestants}
    document = as_json(rows, pairs, left_out, given.data.name if given.data else "made on the spot", sorted(missing))
    print(as_text(document))
    write_document(given.json, "quality", document)
    if given.keep:
        _keep(given.keep / "noisy", {pair.name: pair.noisy for pair in pairs})
        _keep(given.keep / "clean", {pair.name: pair.clean for pair in pairs})
    return int(bool(left_out) or any(row.problems for row in rows))


if __name__ == "__main__":
    sys.exit(main())
