"""The tables of ``benchmarks.quality``, in Markdown, and the summary behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .dataset import Pair
from .metrics import DECIMALS
from .statistics import holm, mean_with_interval, paired_difference

if TYPE_CHECKING:
    from .quality import Row

#: Measures of the tables by SNR and noise.
_SHORT = ("PESQ-WB", "ESTOI", "SI-SDR")
#: Heading, key and format of each cost.
_COSTS = [
    ("latency ms", "latency_ms", ".1f"),
    ("CPU s per s", "cpu_per_second", ".4f"),
    ("block ms", "block_ms", ".1f"),
    ("p50 ms", "block_p50_ms", ".3f"),
    ("p99 ms", "block_p99_ms", ".3f"),
    ("memory MB", "peak_mb", ".0f"),
    ("start-up s", "start_up_seconds", ".2f"),
    ("installed MB", "installed_mb", ".1f"),
]


def values(row: Row, measure: str, names: list[str] | None = None) -> list[float]:
    """One measure over the files that have it, or over ``names``."""
    return [
        scores[measure] for name, scores in row.scores.items() if measure in scores and (not names or name in names)
    ]


def summarise(rows: list[Row], pairs: list[Pair]) -> dict[str, Any]:
    """Means with intervals for each row; differences of each row from the first model, corrected for their number."""
    return {
        "means": {
            row.name: {m: asdict(mean_with_interval(values(row, m))) for m in DECIMALS if values(row, m)}
            for row in rows
        },
        "differences": _differences(rows),
        "groups": {
            title: {
                group: {row.name: {m: _mean(values(row, m, names)) for m in _SHORT} for row in rows if row.scores}
                for group, names in groups.items()
            }
            for title, groups in _groupings(pairs).items()
        },
    }


def _differences(rows: list[Row]) -> dict[str, Any]:
    """{measure: {row: the first model minus that row}}, over the files that both have."""
    found: dict[str, Any] = {}
    if len(rows) < 2:
        return found
    ours, others = rows[1], [row for row in (rows[0], *rows[2:]) if row.scores]
    for measure in DECIMALS:
        tests = {}
        for other in others:
            both = [n for n, s in ours.scores.items() if measure in s and measure in other.scores.get(n, {})]
            if both:
                first, second = ([row.scores[name][measure] for name in both] for row in (ours, other))
                tests[other.name] = asdict(paired_difference(first, second))
        for test, corrected in zip(tests.values(), holm([test["p"] for test in tests.values()]), strict=True):
            test["p"] = corrected
        found[measure] = tests
    return found


def _groupings(pairs: list[Pair]) -> dict[str, dict[str, list[str]]]:
    """Names of the recordings by SNR and by noise, where the names of files tell more than one."""
    by_snr: dict[str, list[str]] = {}
    by_noise: dict[str, list[str]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.snr_db is None, pair.snr_db or 0.0)):
        if pair.snr_db is not None:
            by_snr.setdefault(f"{pair.snr_db:+g} dB", []).append(pair.name)
        if pair.noise:
            by_noise.setdefault(pair.noise, []).append(pair.name)
    return {title: groups for title, groups in (("SNR", by_snr), ("noise", by_noise)) if len(groups) > 1}


def as_text(document: dict[str, Any]) -> str:
    """Everything that people read, from what ``quality.as_json`` made."""
    rows, summary, data = [SimpleNamespace(**row) for row in document["rows"]], document["summary"], document["data"]
    parts = [
        f"Data: {data['name']}, {data['pairs']} pairs, {data['seconds']:.0f} s. Means over files, ± half of the 95 % "
        "bootstrap interval.",
        table(["", "files", *DECIMALS], [_quality_line(row, summary["means"][row.name]) for row in rows]),
    ]
    if costs := [_cost_line(row) for row in rows if row.cost]:
        parts += [
            "Latency: the longest time from a sample coming in to its denoised version being handed out, block "
            "included, as measured. CPU: all threads, on one core. p50, p99: of one call. Memory: peak of a process "
            "with one stream.",
            table(["", *(title for title, _, _ in _COSTS)], costs),
        ]
    if tests := summary["differences"]:
        parts += [
            f"`{rows[1].name}` minus each of the others, file by file, with its 95 % interval; bold where a paired "
            "permutation test finds p < 0.05 (Holm's correction within a column).",
            _difference_table(tests),
        ]
    for title, groups in summary["groups"].items():
        for measure in _SHORT:
            parts += [f"{measure} by {title}", _group_table(groups, measure)]
    problems = [f"- {row.name}: {problem}" for row in rows for problem in row.problems]
    if data.get("not_installed"):
        parts.append(f"Not compared, for they are not installed here: {', '.join(data['not_installed'])}.")
    problems += [f"- pair left out: {name}: {reason}" for name, reason in data["left_out"].items()]
    if problems:
        parts += ["**Missing**", "\n".join(problems)]
    return "\n\n".join(parts)


def table(heading: list[str], lines: list[list[str]]) -> str:
    """A table in Markdown, figures to the right."""
    rule = ["---"] + ["---:"] * (len(heading) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heading, rule, *lines))


def _label(row: Row) -> str:
    return row.name + (" (whole file)" if row.whole_file else "")


def _quality_line(row: Row, means: dict[str, Any]) -> list[str]:
    if not row.scores:
        return [_label(row), "0", row.problems[0] if row.problems else "", *[""] * (len(DECIMALS) - 1)]
    cells = [_with_interval(means.get(measure), decimals) for measure, decimals in DECIMALS.items()]
    return [_label(row), str(len(row.scores)), *cells]


def _with_interval(mean: dict[str, float] | None, decimals: int) -> str:
    if mean is None:
        return "-"
    half = "" if mean["low"] is None else f" ± {(mean['high'] - mean['low']) / 2:.{decimals}f}"
    return f"{mean['mean']:.{decimals}f}{half}"


def _cost_line(row: Row) -> list[str]:
    figures = [(row.cost.get(key), form) for _, key, form in _COSTS]
    return [_label(row), *("-" if figure is None else format(figure, form) for figure, form in figures)]


def _difference_table(tests: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for measure in tests.values() for name in measure))

    def cell(measure: str, name: str) -> str:
        if name not in tests[measure]:
            return "-"
        test, digits = tests[measure][name], DECIMALS[measure]
        text = f"{test['mean']:+.{digits}f}"
        if test["low"] is not None:
            text += f" ({test['low']:+.{digits}f} to {test['high']:+.{digits}f})"
        return f"**{text}**" if test["p"] < 0.05 else text

    return table(["", *tests], [[name, *(cell(measure, name) for measure in tests)] for name in names])


def _group_table(groups: dict[str, Any], measure: str) -> str:
    names = next(iter(groups.values())).keys()
    form: Callable[[float | None], str] = lambda mean: "-" if mean is None else f"{mean:.{DECIMALS[measure]}f}"  # noqa: E731
    return table(["", *groups], [[name, *(form(group[name][measure]) for group in groups.values())] for name in names])


def _mean(figures: list[float]) -> float | None:
    return float(np.mean(figures)) if figures else None
