"""Folders of recordings for `rtdenoise batch`, and what came of them."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

from rtdenoise.batch.log import NAME
from rtdenoise.commands.batch import Batch, run_batch
from rtdenoise.commands.reporter import Reporter

RATE = 8000


def save(path: Path, seconds: float = 0.5, rate: int = RATE, channels: int = 1, seed: int = 0, **options: Any) -> Path:
    """A recording of noise at half scale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate, **options)
    return path


def save_many(folder: Path, count: int, seconds: float) -> Path:
    """A tree of recordings of different lengths, half of them in folders."""
    for number in range(count):
        below = folder / f"day{number % 3}" if number % 2 else folder
        save(below / f"talk{number}.wav", seconds * (1 + number / count), seed=number)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All results by name; nothing else may lie there but the journal."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop(NAME, None)
    return files


def finished(folder: Path) -> list[str]:
    """Names that the journal calls done."""
    try:
        text = (folder / NAME).read_text()
    except OSError:
        return []
    return [json.loads(line)["done"] for line in text.splitlines() if line.startswith('{"done"') and line[-1] == "}"]


def wait_for(folder: Path, count: int, process: Any = None) -> None:
    """Until so many files are done."""
    end = time.monotonic() + 60
    while len(finished(folder)) < count:
        assert process is None or process.poll() is None, "it has ended before"
        assert time.monotonic() < end
        time.sleep(0.005)


def workers_of(pid: int) -> list[psutil.Process]:
    """Processes that denoise for a parent."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is none either
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child)
    return found


class Listener(Reporter):
    """A reporter that keeps what it is told."""

    def _print(self, text: str) -> None:
        pass

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.said)


def batch(source: Path | str, target: Path | str, model: Any = "stream", **options: Any) -> Listener:
    """`rtdenoise batch` within this process, its workers beside it."""
    usual = {
        "attenuation_limit": None,
        "overlap": None,
        "jobs": 1,
        "include": (),
        "exclude": (),
        "report": None,
        "dry_run": False,
        "force": False,
        "engine": "processes",
        "scheduler": None,
    }
    listener = Listener()
    run_batch(Batch(str(source), str(target), str(getattr(model, "path", model)), **(usual | options)), listener)
    return listener
