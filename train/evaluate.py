"""``python -m train.evaluate``: what models do to speech, in the product's engine: pairs, clean speech, situations.

Scores and tables are those of ``benchmarks.quality``, which compares with other denoisers and measures cost.

Exit code 0: all was measured. 1: something is missing, and the report says what. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import soxr

from benchmarks.dataset import RATE, DataError, Float32, Pair, choose, load_pairs
from benchmarks.metrics import DECIMALS
from benchmarks.provenance import provenance
from benchmarks.quality import NOISY, Row, as_json, score
from benchmarks.streaming import ONE_THREAD
from benchmarks.tables import as_text, table
from rtdenoise import Model, ModelError, denoise

from .robustness import SITUATIONS, Figure, Situation

_OPINION = ("SIG", "BAK", "OVRL")
#: How many of the pairs the situations are made of.
SITUATION_PAIRS = 32


def _denoised(model: str, rate: int, samples: Float32) -> Float32:
    """(n,) at ``RATE``, by a stream at ``rate``."""
    return _converted(denoise(_converted(samples, RATE, rate), rate, model), rate, RATE)[: len(samples)]


def _converted(samples: Float32, rate: int, wanted: int) -> Float32:
    return samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="VHQ")


def _figures(model: str, pairs: list[Pair], situation: Situation) -> list[Figure]:
    return situation(Model.load(model), pairs)


def on_pairs(models: list[str], pairs: list[Pair], pool: Executor, rate: int, wanted: Collection[str]) -> list[Row]:
    """A row for the noisy input and one for each model."""
    rows = [Row(name) for name in (NOISY, *models)]
    for row in rows:
        noisy = [pair.noisy for pair in pairs]
        got = noisy if row is rows[0] else pool.map(partial(_denoised, row.name, rate), noisy)
        score(row, pairs, dict(zip((pair.name for pair in pairs), got, strict=True)), pool, wanted)
    return rows


def on_clean(model: str, pairs: list[Pair], pool: Executor, rate: int, wanted: Collection[str]) -> list[Figure]:
    """What is left of the pairs' clean speech after the model."""
    goals = {"PESQ-WB": 4.0, "SI-SDR": 22.0}
    got = pool.map(partial(_denoised, model, rate), [pair.clean for pair in pairs])
    row = Row(model)
    measures = [measure for measure in wanted if measure not in _OPINION]
    score(row, pairs, dict(zip((pair.name for pair in pairs), got, strict=True)), pool, measures)
    return [
        Figure(
            f"clean speech as recorded: {measure}",
            sum(found) / len(found) if found else float("nan"),
            "dB" if measure == "SI-SDR" else "",
            at_least=goals.get(measure),
        )
        for measure in measures
        for found in [[scores[measure] for scores in row.scores.values() if measure in scores]]
    ]


def evaluate(models: list[str], folder: Path, processes: int | None = None, dnsmos: bool = True) -> tuple[str, bool]:
    """The report in Markdown, and whether nothing is missing in it.

    Args:
        models: names of packaged models, or ONNX files. Measured at the lowest rate among them, at most 16 kHz.
        folder: with ``clean/`` and ``noisy/``, or ``valid/`` with both.
        processes: at a time; one for each core by default.
        dnsmos: measure that too, which takes most of the time.

    Raises:
        DataError: no pair can be used.
        ModelError: a model cannot be loaded.
    """
    loaded = [Model.load(model) for model in models]
    rate = min(RATE, *(model.transform.sample_rate for model in loaded))
    pairs, left_out = load_pairs(folder / "valid" if (folder / "valid").is_dir() else folder)
    if rate < RATE:
        narrow = [_converted(_converted(s, RATE, rate), rate, RATE) for pair in pairs for s in (pair.clean, pair.noisy)]
        pairs = [replace(pair, clean=narrow[2 * i], noisy=narrow[2 * i + 1]) for i, pair in enumerate(pairs)]
    wide_only = {"PESQ-WB", *_OPINION} if rate < RATE else set()
    wanted = [m for m in DECIMALS if m not in wide_only and (dnsmos or m not in _OPINION)]
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        rows = on_pairs(models, pairs, pool, rate, wanted)
        figures = [on_clean(model, pairs, pool, rate, wanted) for model in models]
        if rate == RATE:
            for model, found in zip(models, figures, strict=True):
                task = partial(_figures, model, choose(pairs, SITUATION_PAIRS))
                found += [figure for part in pool.map(task, SITUATIONS) for figure in part]
    parts = [
        _heading(loaded, folder, rate),
        as_text(as_json(rows, pairs, left_out, folder.name)),
        "Beyond the pairs; bold: short of what is wanted.",
        _figure_table(models, figures),
    ]
    return "\n\n".join(parts) + "\n", not left_out and not any(row.problems for row in rows)


def _heading(models: list[Model], folder: Path, rate: int) -> str:
    source = provenance()
    names = ", ".join(f"`{model.name}` {model.version} ({model.path.name})" for model in models)
    band = "" if rate == RATE else f" Everything at {rate} Hz; situations are made at {RATE} Hz, so they are left out."
    return (
        f"# {names}\n\n`python -m train.evaluate` on `{folder.name}`, {source['date']}, rtdenoise "
        f"{source['versions']['rtdenoise']}, commit {str(source['commit'])[:12]}.{band}"
    )


def _figure_table(models: list[str], figures: list[list[Figure]]) -> str:
    def cell(figure: Figure) -> str:
        text = f"{figure.value:.{figure.decimals}f} {figure.unit}".strip()
        return text if figure.reached else f"**{text}**"

    lines = [[of_all[0].name, of_all[0].wanted, *map(cell, of_all)] for of_all in zip(*figures, strict=True)]
    return table(["", "wanted", *models], lines)


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", action="append", help="name of a packaged model or ONNX file, again for more (stream)"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with noisy/ and clean/ (or valid/ with both)")
    parser.add_argument("--report", type=Path, help="write the report here too")
    parser.add_argument("--no-dnsmos", action="store_true", help="leave out what takes most of the time")
    parser.add_argument("--processes", type=int, help="at a time (one for each core)")
    given = parser.parse_args(arguments)
    if given.processes is not None and given.processes < 1:
        parser.error(f"--processes is {given.processes}; it must be 1 or more")
    try:
        if given.report:
            given.report.touch()  # better now than after all the work
        report, whole = evaluate(given.model or ["stream"], given.data, given.processes, not given.no_dnsmos)
    except (DataError, ModelError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(report)
    if given.report:
        given.report.write_text(report, encoding="utf-8")
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main())
