"""``python -m benchmarks.report``: all benchmarks, one after the other, into BENCHMARKS.md and benchmarks/results/.

Half an hour for 80 recordings on two cores that do nothing else; ``--quick`` under three minutes, with little data and
the denoisers that are installed already. A part that fails is a line that says so, the others go on. A promise that is
not kept, and other programs that take the processor, are said too, but are no failure.

Exit code 0: everything is there and as it should be. 1: something is not, and the page says what. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import figures
from .page import PICTURES, RESULTS, SECTIONS, busy_parts, load_results, page
from .promises import missed
from .provenance import Others, provenance, write_document
from .streaming import ROOT
from .tables import table

#: Arguments of each part, in full and quick.
FULL = {
    "alignment": [],
    "hop_time": ["--seconds", "20", "--runs", "3"],
    "latency": ["--seconds", "8", "--drift-seconds", "120"],
    "scaling": ["--seconds", "6", "--live-seconds", "5", "--hold-seconds", "60"],
    "quality": [],
}
QUICK = {
    "alignment": [],
    "hop_time": ["--seconds", "1", "--runs", "1", "--model", "stream", "--rate", "16000", "--rate", "48000"],
    "latency": ["--seconds", "4", "--rate", "48000", "--latency", "low"],
    "scaling": ["--seconds", "0.6", "--live-seconds", "1", "--hold-seconds", "1", "--streams", "1"],
    "quality": ["--limit", "2", "--peers", "cached", "--start-ups", "0"],
}
_LIMIT_SECONDS = 3 * 3600
_TYPICAL_SNR_DB = 5.0


def run_part(name: str, arguments: list[str], results: Path) -> dict[str, Any]:
    """Run one benchmark as a process of its own; how it went."""
    target = results / f"{name}.json"
    target.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json", str(target)]
    print(f"=== {name} {' '.join(arguments)}", file=sys.stderr, flush=True)
    begun, others = time.monotonic(), Others()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
        code, errors = done.returncode, done.stderr.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        code, errors = 1, [str(error)]
    problem = ""
    if code and target.exists() and target.stat().st_size:
        problem = "Something is missing or wrong, see below."
    elif code:
        target.unlink(missing_ok=True)
        problem = f"Not measured: {errors[-1] if errors else f'exit code {code}'}"
    print(f"    {time.monotonic() - begun:.0f} s{f', {problem}' if problem else ''}", file=sys.stderr, flush=True)
    seconds = round(time.monotonic() - begun, 1)
    return {"seconds": seconds, "exit_code": code, "problem": problem, "others_cores": others.cores}


def draw(results: Path, kept: Path) -> tuple[list[str], list[str]]:
    """Names of the pictures that there are, and what went wrong with the others.

    Spectrograms stay as they are where ``kept``, the output of ``quality``, is empty: only other parts were run.
    """
    wanted = [name for name in PICTURES if name != "spectrograms" or any(kept.iterdir())]
    for name in wanted:
        (results / f"{name}.png").unlink(missing_ok=True)
    try:
        from . import plots
    except ModuleNotFoundError as error:
        return [], [f"no pictures: {error.name} is not installed; pip install 'rtdenoise[evaluate]'"]
    found = load_results(results)
    quality = found.get("quality", {})
    names = [re.sub(r"[^\w.-]+", "_", row["name"]) for row in quality.get("rows", [])[1:]]
    makers: dict[str, Callable[[Path], None]] = {
        "quality_against_load": lambda file: plots.quality_against_load(quality, file),
        "latency": lambda file: plots.latency_bars(quality, found.get("latency"), file),
        "hop_time": lambda file: plots.hop_histogram(found["hop_time"], file),
        "spectrograms": lambda file: plots.spectrograms(kept, names, _typical(quality["conditions"]), file),
    }
    problems = []
    for name in wanted:
        try:
            makers[name](results / f"{name}.png")
        except Exception as error:  # one picture less; the figures are there
            problems.append(f"no picture {name}: {type(error).__name__}: {error}")
    return [name for name in PICTURES if (results / f"{name}.png").exists()], problems


def _typical(conditions: dict[str, dict[str, Any]]) -> str:
    """The name of a recording whose SNR is neither easy nor hopeless; the first where none is known."""
    return min(conditions, key=lambda name: abs((conditions[name]["snr_db"] or 0.0) - _TYPICAL_SNR_DB))


def changes(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> str:
    """What changed beyond noise, as a table in Markdown, and how much did not."""
    lines, same, gone = [], 0, []
    for name, (_, module, _) in SECTIONS.items():
        if name not in old or name not in new:
            continue
        before, after = module.figures(old[name]), module.figures(new[name])
        gone += sorted(before.keys() - after.keys())
        for title in after.keys() & before.keys():
            change = figures.compare(before[title], after[title])
            if change is None or not change.beyond_noise:
                same += 1
                continue
            form = ".3g" if after[title].names is None else f".{after[title].decimals}f"
            sign, interval = ("", "x") if after[title].names is None else ("+", "")
            between = "-" if change.low is None else f"{change.low:{sign}{form}} to {change.high:{sign}{form}}"
            lines.append(
                [
                    title,
                    f"{change.old:{form}}",
                    f"{change.new:{form}}",
                    f"{change.change:{sign}{form}}{interval}",
                    between,
                    "better" if change.better else "worse",
                ]
            )
    parts = [f"{same} figures are what they were, within noise; {len(lines)} are not."]
    busy = [when for when, results in (("old", old), ("new", new)) if busy_parts(results.get("report", {"parts": {}}))]
    if busy:
        parts.append(f"Other programs ran beside the {' and the '.join(busy)} one: differences of time may be theirs.")
    if lines:
        parts.append(table(["", "old", "new", "change", "95 % interval", ""], sorted(lines)))
    if gone:
        parts.append("Not measured any more: " + "; ".join(gone) + ".")
    return "\n\n".join(parts)


def load_old(path: Path) -> dict[str, dict[str, Any]]:
    """A folder of results, or one file of them.

    Raises:
        OSError, ValueError: it cannot be read, or is no result.
    """
    if path.is_dir():
        found = load_results(path)
    else:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = {document["benchmark"]: document} if isinstance(document, dict) and "benchmark" in document else {}
    if not found.keys() & SECTIONS.keys():
        raise ValueError(f"{path} holds no results of a benchmark")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under three minutes; nothing to be quoted")
    parser.add_argument("--data", type=Path, help="folder with clean/ and noisy/ for quality (made on the spot)")
    parser.add_argument("--limit", type=int, help="so many pairs of it")
    parser.add_argument("--peers", help="for quality: all, none, cached, or beginnings of names (all; quick: cached)")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this part, again for more; others stay")
    parser.add_argument("--no-run", action="store_true", help="write the page anew from the results that are there")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="a JSON file or folder of older results")
    parser.add_argument("--output", type=Path, default=ROOT, help="folder for BENCHMARKS.md and benchmarks/results/")
    given = parser.parse_args(arguments)
    results = given.output / RESULTS
    try:
        old = load_old(given.compare) if given.compare else {}
        results.mkdir(parents=True, exist_ok=True)
        report = load_results(results).get("report")
        if given.no_run and report is None:
            raise ValueError(f"there are no results in {results}")
    except (OSError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    if not given.no_run:
        report = _run(given, results, report)
    assert report is not None
    text = page(results)
    (given.output / "BENCHMARKS.md").write_text(text, encoding="utf-8")
    print(text)
    for promise in missed(load_results(results)):
        print(f"not kept: {promise.text}: {promise.measured}", file=sys.stderr)
    if given.compare:
        print(f"# Against {given.compare}\n\n{changes(old, load_results(results))}")
    fine = not report["picture_problems"] and not any(status["problem"] for status in report["parts"].values())
    return int(not fine)


def _run(given: argparse.Namespace, results: Path, before: dict[str, Any] | None) -> dict[str, Any]:
    """Run the parts, draw, and note how it went."""
    wanted = {name: list(how) for name, how in (QUICK if given.quick else FULL).items()}
    for option in ("data", "limit", "peers"):
        if (value := getattr(given, option)) is not None:
            wanted["quality"] += [f"--{option}", str(value.resolve() if isinstance(value, Path) else value)]
    report = {**provenance(), "quick": given.quick, "parts": {}}
    if given.only:
        wanted = {name: wanted[name] for name in wanted if name in given.only}
        report["parts"] = dict(before["parts"]) if before else {}
    with tempfile.TemporaryDirectory(prefix="rtdenoise-benchmark-") as folder:
        kept = Path(folder)
        for name, how in wanted.items():
            keep = ["--keep", str(kept)] if name == "quality" else []
            report["parts"][name] = run_part(name, [*how, *keep], results)
        report["pictures"], report["picture_problems"] = draw(results, kept)
    write_document(results / "report.json", "report", report)
    return report


if __name__ == "__main__":
    sys.exit(main())
