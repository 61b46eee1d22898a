"""The report's pictures, from its JSON files alone; but for the spectrograms, which are of the sound itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import soundfile
from PIL import Image

from .dataset import RATE
from .hop_time import HISTOGRAM_US

mpl.use("Agg")
from matplotlib import pyplot

_OURS, _OTHERS = "tab:red", "tab:blue"


def quality_against_load(quality: dict[str, Any], file: Path) -> None:
    """PESQ over CPU time; the area of a circle is the latency."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    rows = [row for row in quality["rows"] if row["cost"].get("cpu_per_second") and row["scores"]]
    for row in rows:
        mean = quality["summary"]["means"][row["name"]].get("PESQ-WB")
        if mean is None:
            continue
        place = row["cost"]["cpu_per_second"], mean["mean"]
        latency = row["cost"]["latency_ms"]
        colour = _OURS if row is rows[0] else _OTHERS
        axes.scatter(*place, s=30 + 6 * (latency or 0), color=colour, alpha=0.6 if latency else 0.25)
        label = f"{row['name']} ({latency:.0f} ms)" if latency else f"{row['name']} (whole file)"
        axes.annotate(label, place, xytext=(6, 4), textcoords="offset points", fontsize=7)
    noisy = quality["summary"]["means"]["noisy"].get("PESQ-WB")
    if noisy:
        axes.axhline(noisy["mean"], color="grey", linewidth=0.8, linestyle="--")
        axes.annotate("noisy", (axes.get_xlim()[0], noisy["mean"]), fontsize=7, color="grey")
    axes.margins(x=0.2)
    axes.set(xscale="log", xlabel="CPU seconds for a second of audio, one core", ylabel="PESQ-WB, mean over files")
    axes.set_title("Quality against load; in brackets the latency, sound cards excluded", fontsize=10)
    _save(figure, file)


def latency_bars(quality: dict[str, Any], latency: dict[str, Any] | None, file: Path) -> None:
    """Algorithmic latency of everybody; beside it ours live, as stated and measured, with the pass-through."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.5))
    rows = [(row["name"], row["cost"]["latency_ms"]) for row in quality["rows"] if row["cost"].get("latency_ms")]
    rows.sort(key=lambda row: row[1], reverse=True)
    ours = quality["rows"][1]["name"] if len(quality["rows"]) > 1 else ""
    left.barh(
        [name for name, _ in rows], [ms for _, ms in rows], color=[_OURS if n == ours else _OTHERS for n, _ in rows]
    )
    left.set(xlabel="ms", title="Algorithmic latency, block included")
    measured = [row for row in latency["rows"] if row["delays_ms"]] if latency else []
    names = [f"{row['rate'] // 1000} kHz, {row['setting']}, {row['program']}" for row in measured]
    places = np.arange(len(measured))
    right.barh(places - 0.2, [row["stated_ms"] for row in measured], 0.4, label="stated", color="lightgrey")
    right.barh(places + 0.2, [row["measured_ms"] for row in measured], 0.4, label="measured", color=_OTHERS)
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set(xlabel="ms", title="Live, through a sound server")
    if measured:
        right.legend(fontsize=7)
    for axes in (left, right):
        axes.tick_params(axis="y", labelsize=7)
        axes.title.set_size(10)
    _save(figure, file)


def hop_histogram(hop_time: dict[str, Any], file: Path) -> None:
    """How often a hop takes how long, hot and paced, the rates together."""
    models = list(hop_time["models"])
    figure, all_axes = pyplot.subplots(1, len(models), figsize=(1 + 6 * len(models), 4), squeeze=False)
    for axes, model in zip(all_axes[0], models, strict=True):
        for pace in dict.fromkeys(row["pace"] for row in hop_time["rows"]):
            rows = [row for row in hop_time["rows"] if row["pace"] == pace and row["model"] == model]
            counts = np.sum([row["histogram"] for row in rows], axis=0)
            axes.stairs(counts / max(1, counts.sum()), HISTOGRAM_US, label=pace)
        deadline = next(row["deadline_us"] for row in hop_time["rows"] if row["model"] == model)
        axes.axvline(deadline, color="black", linewidth=0.8, linestyle="--", label="deadline")
        axes.set(xscale="log", yscale="log", xlabel="us", ylabel="share of the hops", title=f"Time of a hop, {model}")
        axes.legend(fontsize=7)
    _save(figure, file)


def spectrograms(kept: Path, names: list[str], file: Path) -> None:
    """One recording, noisy, clean, and as each denoiser left it; ``kept`` is what ``quality --keep`` wrote."""
    recording = sorted(path.name for path in (kept / "noisy").glob("*.flac"))[0]
    there = [name for name in ("noisy", "clean", *names) if (kept / name / recording).exists()]
    lines = -(-len(there) // 3)
    figure, all_axes = pyplot.subplots(lines, 3, figsize=(11, 1.9 * lines), sharex=True, sharey=True, squeeze=False)
    for axes in all_axes.flat[len(there) :]:
        axes.set_axis_off()
    hiss = 1e-6 * np.random.default_rng(0).standard_normal(4 * RATE)  # silence has no logarithm
    for axes, name in zip(all_axes.flat, there, strict=False):
        samples, _ = soundfile.read(kept / name / recording, dtype="float32")
        heard = samples[: 4 * RATE] + hiss[: len(samples)]
        axes.specgram(heard, 512, RATE, noverlap=384, vmin=-130, vmax=-40, cmap="inferno")
        axes.set_title(name.replace("_", " "), fontsize=8)
        axes.tick_params(labelsize=6)
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    """As PNG of few colours: a quarter of the size."""
    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80, format="png")
    pyplot.close(figure)
    Image.open(drawn).convert("RGB").quantize(64).save(file, optimize=True)
