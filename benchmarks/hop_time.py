"""``python -m benchmarks.hop_time``: time of one hop, all Python included, and what it is made of.

For each model and rate: as fast as it goes (hot); paced as live, where the processor sleeps between two hops; and paced
with the priority that live streams ask for, where the system grants it. Rows take turns in rounds, so that a machine
whose speed drifts treats all alike. A model of context frames has one rate; at others it is that plus the conversion.
On a shared machine trust medians and ratios.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from rtdenoise import Denoiser, Model, RtdenoiseError, available_models
from rtdenoise.config import NATIVE_RATES, ContextTransform
from rtdenoise.live.hop_timer import HopTimes, time_hops

from .cold_start import measure_cold_start
from .figures import Figure
from .peak import measure_peak
from .provenance import write_document
from .tables import table

ROUNDS = 5
#: name: (paced, with priority).
PACES = {"hot": (False, False), "paced": (True, False), "paced, priority": (True, True)}
_PERCENTILES = (50, 99, 99.9, 100)
HISTOGRAM_US = np.geomspace(20, 200_000, 161)


def measure(models: list[str], rates: list[int], seconds: float, runs: int) -> dict[str, Any]:
    """Everything.

    Args:
        models: names or files.
        rates: in Hz; none for those at which each model runs without conversion.
        seconds: of pacing for each paced row.
        runs: processes for each figure of the cold start.
    """
    peak = measure_peak()
    loaded = {name: Model.load(name) for name in models}
    rows = {
        (name, rate, pace): (Denoiser(rate, model), [])
        for name, model in loaded.items()
        for rate in rates or _native_rates(model)
        for pace in PACES
    }
    for _ in range(ROUNDS):
        for (_, rate, pace), (denoiser, rounds) in rows.items():
            paced, priority = PACES[pace]
            hops = max(2, round((1 if paced else 3) * seconds / ROUNDS * rate / denoiser.hop_length))
            rounds.append(time_hops(denoiser, hops, paced=paced, priority=priority))
    return {
        "peak_macs_per_second": peak,
        "models": {name: _parts_of(model, peak) for name, model in loaded.items()},
        "rows": [
            {"model": name, "rate": rate, "pace": pace} | _summary(rounds)
            for (name, rate, pace), (_, rounds) in rows.items()
        ],
        "cold_start": {name: measure_cold_start(name, runs) for name in models if runs},
    }


def _native_rates(model: Model) -> list[int]:
    transform = model.transform
    return [transform.sample_rate] if isinstance(transform, ContextTransform) else list(NATIVE_RATES)


def _summary(rounds: list[HopTimes]) -> dict[str, Any]:
    seconds = np.concatenate([times.seconds for times in rounds])
    deadline = rounds[0].deadline_seconds
    return {
        "deadline_us": 1e6 * deadline,
        "hops": len(seconds),
        "misses": sum(times.misses for times in rounds),
        "promoted": rounds[0].promoted,
        "us": {f"p{p:g}": float(f) for p, f in zip(_PERCENTILES, 1e6 * np.percentile(seconds, _PERCENTILES))},  # noqa: B905
        "p50_of_rounds_us": [1e6 * times.percentile(50) for times in rounds],
        "histogram": np.histogram(1e6 * seconds, HISTOGRAM_US)[0].tolist(),
    }


def _parts_of(model: Model, peak: float) -> dict[str, Any]:
    """What a hot hop at 16 kHz is made of, what it allocates, and what the processor could do at best."""
    denoiser = Denoiser(16000, model)
    core = denoiser._stream.core
    macs = int(model.metadata["macs_per_hop"])
    found: dict[str, Any] = {"version": model.version, "macs_per_hop": macs, "least_us": 1e6 * macs / peak}
    runs = 2000 if macs < 1e8 else 50
    found["whole_us"] = 1e6 * time_hops(denoiser, runs, paced=False).percentile(50)
    state: Any = getattr(core, "_state", None) or core._context
    found["model_us"] = _median_us(lambda: model.advance(state), runs)
    core._model = SimpleNamespace(advance=lambda state: None)
    hop = np.random.default_rng(0).standard_normal(core.hop_length).astype(np.float32)
    out = np.empty_like(hop)
    found["transform_us"] = _median_us(lambda: core.run(hop, out, 0.0, 0.0), runs)
    found["rest_us"] = max(0.0, found["whole_us"] - found["model_us"] - found["transform_us"])
    kept, largest = bytes_per_hop(Denoiser(16000, model))
    return found | {"bytes_kept_per_hop": kept, "bytes_taken_per_hop": largest}


def _median_us(call: Callable[[], object], runs: int) -> float:
    seconds = np.empty(runs)
    for i in range(runs):
        begun = time.perf_counter()
        call()
        seconds[i] = time.perf_counter() - begun
    return float(1e6 * np.median(seconds))


def bytes_per_hop(denoiser: Denoiser, hops: int = 400) -> tuple[float, int]:
    """Memory that stays after a hop (mean), and the largest amount that a hop takes beside what it returns."""
    hop = np.zeros(denoiser.hop_length, np.float32)
    for _ in range(50):
        denoiser.process(hop)
    tracemalloc.start()
    before, largest = tracemalloc.get_traced_memory()[0], 0
    for _ in range(hops):
        tracemalloc.reset_peak()
        at_start = tracemalloc.get_traced_memory()[0]
        out = denoiser.process(hop)
        largest = max(largest, tracemalloc.get_traced_memory()[1] - at_start - out.nbytes)
        del out
    kept = (tracemalloc.get_traced_memory()[0] - before) / hops
    tracemalloc.stop()
    return kept, largest


def as_text(found: dict[str, Any]) -> str:
    """Tables in Markdown."""
    parts = [
        "Microseconds of a hop, all Python included. Load: of the time between two hops. Misses: hops that took longer "
        "than that.",
        table(
            ["model, rate, pace", "p50 us", "p99", "p99.9", "max", "load p50", "p99.9", "hops", "misses a million"],
            [_line(row) for row in found["rows"]],
        ),
    ]
    if any(row["pace"] == "paced, priority" and not row["promoted"] for row in found["rows"]):
        parts.append("This system granted no priority: `paced, priority` is what `paced` is.")
    peak = found["peak_macs_per_second"]
    parts += [
        "What a hot hop is made of, at 16 kHz, in microseconds. Least: the model's multiply-accumulates at the speed "
        f"that one core of this machine reaches in a large float32 matrix product, {peak / 1e9:.0f} thousand million a "
        "second; ratio: model over that. A hop keeps and takes so many bytes beside what it returns.",
        table(
            ["model", "transform", "model", "rest", "MMAC", "least", "ratio", "kept", "taken"],
            [_parts_line(name, model) for name, model in found["models"].items()],
        ),
    ]
    return "\n\n".join([*parts, *(_cold_text(found["cold_start"]) if found["cold_start"] else [])])


def _cold_text(cold_start: dict[str, Any]) -> list[str]:
    seconds = next(iter(cold_start.values()))["seconds"]
    return [
        "Seconds from starting a process to its first hop, part by part, and memory (MB) after it; then until the "
        "first live sound over a simulated sound card, and for some seconds after it the memory, and the CPU time of "
        "all threads for a second of sound.",
        table(
            [
                *("", "interpreter", "imports", "compile", "session", "first hop", "memory"),
                *("first live sound", "memory", "live CPU"),
            ],
            [line for name, cold in cold_start.items() for line in _cold_lines(name, cold)],
        ),
        f"Beside the interpreter's own start, `import rtdenoise` takes {seconds['import rtdenoise']:.2f} s and "
        f"`rtdenoise --help` {seconds['rtdenoise --help']:.2f} s.",
    ]


def _line(row: dict[str, Any]) -> list[str]:
    us, deadline = row["us"], row["deadline_us"]
    return [
        f"{row['model']}, {row['rate']} Hz, {row['pace']}",
        *(f"{us[name]:.0f}" for name in ("p50", "p99", "p99.9", "p100")),
        f"{us['p50'] / deadline:.4f}",
        f"{us['p99.9'] / deadline:.4f}",
        f"{row['hops']}",
        f"{1e6 * row['misses'] / row['hops']:.0f}",
    ]


def _parts_line(name: str, model: dict[str, Any]) -> list[str]:
    return [
        f"{name} {model['version']}",
        *(f"{model[part]:.0f}" for part in ("transform_us", "model_us", "rest_us")),
        f"{model['macs_per_hop'] / 1e6:.1f}",
        f"{model['least_us']:.0f}",
        f"{model['model_us'] / model['least_us']:.1f}" if model["macs_per_hop"] else "-",
        f"{model['bytes_kept_per_hop']:.1f}",
        f"{model['bytes_taken_per_hop']}",
    ]


def _cold_lines(name: str, cold: dict[str, Any]) -> list[list[str]]:
    def memory(key: str) -> str:
        return "-" if cold[key] is None else f"{cold[key]:.0f}"

    usual = [f"{seconds:.2f}" for seconds in cold["parts"].values()]
    first = [f"{seconds:.2f}" for seconds in cold["parts_first_time"].values()]
    sound = f"{cold['seconds']['first live sound']:.2f}"
    return [
        [name, *usual, memory("resident_mb"), sound, memory("live_resident_mb"), f"{cold['live_cpu']:.4f}"],
        [f"{name}, the very first time", *first, "", "", "", ""],
    ]


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    compared = {
        f"hop {row['model']} {row['rate']} Hz {row['pace']}, us": Figure(row["p50_of_rounds_us"])
        for row in found["rows"]
    }
    for name, cold in found["cold_start"].items():
        compared[f"first live sound {name}, s"] = Figure([cold["seconds"]["first live sound"]])
        if cold.get("live_cpu"):  # older results have none
            compared[f"CPU live {name}, s per s"] = Figure([cold["live_cpu"]])
        if cold["live_resident_mb"]:
            compared[f"memory live {name}, MB"] = Figure([cold["live_resident_mb"]])
    return compared


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hop_time", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help="name or ONNX file, again for more (all that are packaged)")
    parser.add_argument("--rate", action="append", type=int, help="in Hz, again for more (all native ones of a model)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each paced row (20); 60 for those to be quoted")
    parser.add_argument("--runs", type=int, default=5, help="processes for each figure of the cold start (5); 0: none")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    try:
        models = given.model or [info.name for info in available_models()]
        found = measure(models, given.rate or [], given.seconds, given.runs)
    except RtdenoiseError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(as_text(found))
    write_document(given.json, "hop_time", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
