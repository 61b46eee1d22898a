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
    """PESQ over CPU time with its interval; the area of a circle is the latency."""
    figure, axes = pyplot.subplots(figsize=(10, 6))
    means = quality["summary"]["means"]
    rows = [row for row in quality["rows"] if row["cost"].get("cpu_per_second") and "PESQ-WB" in means[row["name"]]]
    rows.sort(key=lambda row: means[row["name"]]["PESQ-WB"]["mean"])
    labels = []
    for row in rows:
        mean, latency = means[row["name"]]["PESQ-WB"], row["cost"]["latency_ms"]
        place = row["cost"]["cpu_per_second"], mean["mean"]
        colour = _OURS if row["name"] == quality["rows"][1]["name"] else _OTHERS if latency else "grey"
        if mean["low"] is not None:
            axes.plot([place[0]] * 2, [mean["low"], mean["high"]], color=colour, linewidth=1, alpha=0.5)
        area = 30 + 6 * (latency or 0)
        axes.scatter(*place, s=area, color=colour, alpha=0.6)
        text = f"{row['name']} ({f'{latency:.0f} ms' if latency else 'whole file'})"
        labels.append((text, place, 3 + np.sqrt(area) / 2, colour))
    noisy = means["noisy"].get("PESQ-WB")
    if noisy:
        axes.axhline(noisy["mean"], color="grey", linewidth=0.8, linestyle="--", label="noisy")
        axes.legend(fontsize=9, loc="lower right")
    axes.set(xscale="log", xlabel="CPU seconds for a second of audio, one core", ylabel="PESQ-WB, mean over files")
    axes.set_title("Quality against load; in brackets the latency, sound cards excluded", fontsize=11)
    axes.margins(x=0.35, y=0.12)
    axes.grid(alpha=0.2)
    _label_without_overlap(axes, labels)
    _save(figure, file)


def _label_without_overlap(axes: Any, labels: list[tuple[str, tuple[float, float], float, str]]) -> None:
    """Text to the right of each place, so many points; given from the lowest up, and moved up off what it covers."""
    axes.figure.canvas.draw()
    boxes: list[Any] = []
    for text, place, right, colour in labels:
        label = axes.annotate(text, place, (right, -3), textcoords="offset points", fontsize=9, color=colour)
        while any(label.get_window_extent().overlaps(box) for box in boxes):
            label.xyann = (label.xyann[0], label.xyann[1] + 2)
        boxes.append(label.get_window_extent())


def latency_bars(quality: dict[str, Any], latency: dict[str, Any] | None, file: Path) -> None:
    """Algorithmic latency of everybody; beside it ours live, as stated and measured, with the pass-through."""
    rows = [(row["name"], row["cost"]["latency_ms"]) for row in quality["rows"] if row["cost"].get("latency_ms")]
    rows.sort(key=lambda row: row[1], reverse=True)
    measured = [row for row in latency["rows"] if row["delays_ms"]] if latency else []
    height = 1.5 + 0.32 * max(len(rows), len(measured), 4)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, height))
    ours = quality["rows"][1]["name"] if len(quality["rows"]) > 1 else ""
    bars = left.barh(
        [name for name, _ in rows], [ms for _, ms in rows], color=[_OURS if n == ours else _OTHERS for n, _ in rows]
    )
    left.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    left.set(xlabel="ms", title="Algorithmic latency, block included")
    names = [f"{row['rate'] // 1000} kHz, {row['setting']}, {row['program']}" for row in measured]
    places = np.arange(len(measured))
    right.barh(places - 0.2, [row["stated_ms"] for row in measured], 0.4, label="stated", color="lightgrey")
    bars = right.barh(places + 0.2, [row["measured_ms"] for row in measured], 0.4, label="measured", color=_OTHERS)
    right.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set(xlabel="ms", title="Live, through a sound server")
    if measured:
        right.legend(fontsize=9)
    for axes in (left, right):
        axes.tick_params(axis="y", labelsize=9)
        axes.title.set_size(11)
        axes.margins(x=0.12)
    _save(figure, file)


def hop_histogram(hop_time: dict[str, Any], file: Path) -> None:
    """How often a hop takes how long, hot and paced, the rates together."""
    models = list(hop_time["models"])
    figure, all_axes = pyplot.subplots(1, len(models), figsize=(1 + 6.5 * len(models), 4.5), squeeze=False)
    for axes, model in zip(all_axes[0], models, strict=True):
        for pace in dict.fromkeys(row["pace"] for row in hop_time["rows"]):
            rows = [row for row in hop_time["rows"] if row["pace"] == pace and row["model"] == model]
            counts = np.sum([row["histogram"] for row in rows], axis=0)
            axes.stairs(counts / max(1, counts.sum()), HISTOGRAM_US, label=pace)
        deadline = next(row["deadline_us"] for row in hop_time["rows"] if row["model"] == model)
        axes.axvline(deadline, color="black", linewidth=0.8, linestyle="--", label="deadline")
        axes.set(xscale="log", yscale="log", xlabel="us", ylabel="share of the hops", title=f"Time of a hop, {model}")
        axes.set_xlim(right=4 * deadline)
        axes.legend(fontsize=9)
    _save(figure, file)


def spectrograms(kept: Path, names: list[str], recording: str, file: Path) -> None:
    """One recording, noisy, clean, and as each denoiser left it; ``kept`` is what ``quality --keep`` wrote."""
    there = [name for name in ("noisy", "clean", *names) if (kept / name / f"{recording}.flac").exists()]
    lines = -(-len(there) // 3)
    figure, all_axes = pyplot.subplots(lines, 3, figsize=(12, 2.1 * lines), sharex=True, sharey=True, squeeze=False)
    for axes in all_axes.flat[len(there) :]:
        axes.set_axis_off()
    hiss = 1e-6 * np.random.default_rng(0).standard_normal(4 * RATE)  # silence has no logarithm
    for axes, name in zip(all_axes.flat, there, strict=False):
        samples, _ = soundfile.read(kept / name / f"{recording}.flac", dtype="float32")
        heard = samples[: 4 * RATE] + hiss[: len(samples)]
        axes.specgram(heard, NFFT=512, Fs=RATE / 1e3, noverlap=384, vmin=-90, vmax=-20, cmap="inferno")
        axes.set_title(name.replace("_", " "), fontsize=10, color=_OURS if name == names[0] else "black")
        # The rate was given in kHz, so time comes out in ms.
        axes.set_xticks([0, 1000, 2000, 3000, 4000], ["0", "1", "2", "3", "4 s"])
        axes.set_yticks([0, 4, 8], ["0", "4", "8 kHz"])
        axes.tick_params(labelsize=8)
    figure.suptitle(recording, fontsize=10)
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    """As PNG of few colours: a quarter of the size."""
    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90, format="png")
    pyplot.close(figure)
    Image.open(drawn).convert("RGB").quantize(128).save(file, optimize=True)
