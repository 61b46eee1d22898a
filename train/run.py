"""What the runs of both models have in common: how long, where to, when to stop."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import TrainingError

LOG_SECONDS = 30.0
SAVE_SECONDS = 240.0


def check_length(**lengths: float | None) -> None:
    """One length, above 0.

    Raises:
        TrainingError: none, two, or one that is none.
    """
    given = {name: length for name, length in lengths.items() if length is not None}
    if len(given) != 1:
        raise TrainingError(f"give the length of the run as one of {', '.join(lengths)}; given: {given or 'none'}")
    for name, length in given.items():
        if not length > 0:
            raise TrainingError(f"{name} is {length}; it must be above 0")


def check_unfinished(done: float, way_out: str) -> None:
    """There is something left to do.

    Raises:
        TrainingError: the run that goes on has its length already.
    """
    if done >= 1:
        raise TrainingError(f"the checkpoint has {done:.2f} of the length that is given; {way_out}")


def check_free(checkpoint: Path, resume: Path | None) -> None:
    """A run does not write over another one, only over what it goes on from.

    Raises:
        TrainingError: it would.
    """
    if checkpoint.exists() and (resume is None or resume.resolve().parent != checkpoint.resolve().parent):
        raise TrainingError(f"{checkpoint} is there already: go on from it with --resume, or choose another --out")


def write_config(out: Path, config: Any) -> None:
    """Make the folder, keep the configuration there and print it.

    Raises:
        TrainingError: that cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(config.to_json(), encoding="utf-8")
    except OSError as problem:
        raise TrainingError(f"cannot write into {out}: {problem.strerror or problem}") from problem
    print(config.to_json())


@contextlib.contextmanager
def stop_on_signals() -> Iterator[list[int]]:
    """A list that becomes non-empty on SIGTERM or Ctrl+C, so that the loop ends after its step."""
    seen: list[int] = []
    old = {s: signal.signal(s, lambda number, _: seen.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Every:
    """Says yes once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def __call__(self) -> bool:
        """Whether it is time again."""
        now = time.monotonic()
        if now - self._last <= self._seconds:
            return False
        self._last = now
        return True
