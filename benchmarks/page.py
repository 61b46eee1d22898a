"""BENCHMARKS.md, made of the JSON files of ``report`` and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from . import alignment, hop_time, latency, quality, scaling, tables
from .promises import promises
from .tables import table

RESULTS = "benchmarks/results"
#: name: (heading, module, text).
SECTIONS: dict[str, tuple[str, ModuleType, Any]] = {
    "quality": ("Quality and cost, beside other denoisers", quality, tables.as_text),
    "hop_time": ("Time of a hop", hop_time, hop_time.as_text),
    "latency": ("Latency through a sound server", latency, latency.as_text),
    "alignment": ("Latency and exactness of the engine", alignment, alignment.as_text),
    "scaling": ("Many streams, long files", scaling, scaling.as_text),
}
#: name: (section, alternative text).
PICTURES = {
    "quality_against_load": ("quality", "Quality against load"),
    "spectrograms": ("quality", "One recording as each denoiser leaves it"),
    "hop_time": ("hop_time", "How often a hop takes how long"),
    "latency": ("latency", "Latency of everybody, and ours live"),
}
#: Of a core: what a machine that does nothing else takes for itself is less.
_BUSY_CORES = 0.15

HEAD = """# Benchmarks

Written by `python -m benchmarks.report`; change the code, not this page. What the words mean, how it is measured and
how to measure it yourself: [benchmarks/README.md](benchmarks/README.md). What was tried to make it faster:
[benchmarks/NOTES.md](benchmarks/NOTES.md).
"""


def load_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The JSON files of a run by name, ``report`` among them; those that are not there, or empty, are left out."""
    files = {name: folder / f"{name}.json" for name in ("report", *SECTIONS)}
    return {
        name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if _holds_something(file)
    }


def _holds_something(file: Path) -> bool:
    """Not so where a run was ended from outside: files are made first and filled last."""
    return file.exists() and file.stat().st_size > 0


def page(results: Path) -> str:
    """The whole page."""
    found = load_results(results)
    report = found["report"]
    parts = [HEAD, _origin(report), _missing(report), _promised(found)]
    for name, (heading, _, as_text) in SECTIONS.items():
        parts.append(f"## {heading}\n")
        status = report["parts"].get(name, {"problem": "" if name in found else "left out"})
        if status["problem"]:
            parts.append(f"**{status['problem']}**\n")
        if name in found:
            if _when(found[name]) != _when(report):
                parts.append(f"Measured {_when(found[name])}.\n")
            parts.append(f"{as_text(found[name])}\n")
        for picture, (section, text) in PICTURES.items():
            if section == name and picture in report["pictures"]:
                parts.append(f"![{text}]({RESULTS}/{picture}.png)\n")
    return "\n".join(filter(None, parts))


def _when(document: dict[str, Any]) -> str:
    """Day and commit; a part that was not run with the others has its own."""
    return f"{document['date'][:10]}, " + (f"commit {document['commit'][:12]}" if document["commit"] else "no commit")


def _origin(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    changes = " with changes" if report["modified"] else ""
    text = (
        f"{_when(report)}{changes}, on {machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n"
    )
    if report["quick"]:
        text += "\n**A quick run on little data: it shows that everything works, not what can be quoted.**\n"
    if busy := busy_parts(report):
        taken = ", ".join(f"{cores:.1f} of {machine['cores']} cores during {name}" for name, cores in busy.items())
        text += f"\n**Other programs took {taken}: times are too long, ratios within a table hold.**\n"
    return text


def busy_parts(report: dict[str, Any]) -> dict[str, float]:
    """The parts during which other programs took more than a little of the processor, and how many cores."""
    taken = {name: status.get("others_cores") or 0.0 for name, status in report["parts"].items()}
    return {name: cores for name, cores in taken.items() if cores > _BUSY_CORES}


def _promised(found: dict[str, dict[str, Any]]) -> str:
    answers = {True: "yes", False: "**no**", None: "-"}
    lines = [[p.text, p.measured or "not measured", answers[p.kept]] for p in promises(found)]
    return "## Promised and measured\n\n" + table(["promised", "measured", "kept"], lines) + "\n"


def _missing(report: dict[str, Any]) -> str:
    problems = [f"- {name}: {status['problem']}" for name, status in report["parts"].items() if status["problem"]]
    problems += [f"- {problem}" for problem in report["picture_problems"]]
    return "Not as it should be:\n\n" + "\n".join(problems) + "\n" if problems else ""
