"""What runs inside a peer's own environment: stream files through an adapter and note what it took.

    python worker.py start-up JOB.json     # one block, then "ready" on stdout
    python worker.py stream JOB.json       # all files of the job

Needs numpy and nothing of this project. Results go to ``records.jsonl``, one line a file as soon as it is done, so that
a crash loses one file only; samples to ``NAME.npy`` beside it.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # the folder of this file: its modules must not shadow packages of the same name

import importlib.metadata
import importlib.util
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np


def load(path: str) -> Any:
    """The adapter as a module that shadows no package of the same name."""
    spec = importlib.util.spec_from_file_location("adapter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stream_file(stream: Any, block: int | None, samples: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """All output, and: CPU seconds, seconds and samples given out for each call."""
    size = block or len(samples)
    out, seconds = [], []
    cpu = time.process_time()
    for start in range(0, len(samples), size):
        before = time.perf_counter()
        out.append(stream.process(samples[start : start + size]))
        seconds.append(time.perf_counter() - before)
    cpu = time.process_time() - cpu
    given = [len(part) for part in out]
    return np.concatenate(out).astype(np.float32), {"cpu_seconds": cpu, "block_seconds": seconds, "given": given}


def run(adapter: Any, settings: dict[str, Any], folder: Path) -> None:
    """Stream every ``folder/in/NAME.npy``, a fresh stream each, to ``folder/out``."""
    with open(folder / "out" / "records.jsonl", "w", buffering=1, encoding="utf-8") as records:
        for path in sorted((folder / "in").glob("*.npy")):
            record: dict[str, Any] = {"name": path.stem}
            try:
                out, measured = stream_file(adapter.Stream(**settings), adapter.BLOCK, np.load(path))
                np.save(folder / "out" / path.name, out)
                record |= measured
            except Exception as error:  # whatever a peer throws: the next file may go well
                record["error"] = f"{type(error).__name__}: {error}"
            records.write(json.dumps(record) + "\n")


def peak_bytes() -> int | None:
    """The most memory that this process ever held."""
    try:
        # Not ru_maxrss: on Linux a child inherits the peak of the process that started it.
        return int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def installed_bytes(names: list[str]) -> int | None:
    """Size of packages with everything that they need, as it lies in this environment."""
    total, todo, seen = 0, list(names), set()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in names:
                return None
            continue  # needed on another platform or Python only
        files = {Path(package.locate_file(file)) for file in package.files or []}
        if (spec := importlib.util.find_spec(name)) and spec.submodule_search_locations:  # installed as editable
            files |= {path for place in spec.submodule_search_locations for path in Path(place).rglob("*")}
        total += sum(file.stat().st_size for file in {file.resolve() for file in files} if file.is_file())
        needed = [need for need in package.requires or [] if "extra ==" not in need.replace("'", '"')]
        todo += [re.match(r"[\w.-]+", need)[0] for need in needed]
    return total


def main() -> None:
    """Run from a command line."""
    mode, job_file = sys.argv[1:]
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core for all its threads
    talk = os.dup(1)
    os.dup2(2, 1)  # what the peer prints must not look like an answer
    adapter = load(job["adapter"])
    if mode == "start-up":
        adapter.Stream(**job["settings"]).process(np.zeros(adapter.BLOCK or adapter.SAMPLE_RATE, np.float32))
        os.write(talk, b"ready\n")
        os._exit(0)  # taking the process down is no part of starting it
    folder = Path(job["folder"])
    run(adapter, job["settings"], folder)
    packages = [re.match(r"[\w.-]+", need)[0] for need in adapter.REQUIREMENTS] or getattr(adapter, "PACKAGES", [])
    summary = {"peak_bytes": peak_bytes(), "installed_bytes": installed_bytes(packages) if packages else None}
    (folder / "out" / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
