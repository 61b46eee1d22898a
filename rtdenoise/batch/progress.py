"""How far the work is and how long it will take: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .work import Task

_LINE_SECONDS = 60.0


class Progress:
    """Counts files and bytes, the bytes of a file as its seconds pass; a context in which a bar is drawn.

    Args:
        tasks: what is to do.
        say: called with a line of text about once a minute, where there is no bar.
        bar: whether to draw on standard error.
    """

    def __init__(self, tasks: list[Task], say: Callable[[str], None], *, bar: bool) -> None:
        self._sizes = {task.name: task.size for task in tasks}
        self._shares: dict[str, float] = {}
        self._say, self._total = say, max(1, sum(self._sizes.values()))
        self._files = self._finished_bytes = 0
        self._begun = self._told = time.monotonic()
        self._bar: Any = _bar() if bar else None
        if self._bar is not None:
            self._bar.add_task(self._count(), total=self._total)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            try:
                self._bar.start()
            except BaseException:  # Ctrl+C while it hides the cursor
                self._bar.stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def share(self, name: str, share: float) -> None:
        """So much of a file, 0 to 1, is done."""
        self._shares[name] = share
        self._show()

    def finish(self, name: str) -> None:
        """A file is done, well or not."""
        self._shares.pop(name, None)
        self._finished_bytes += self._sizes[name]
        self._files += 1
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        done = self._finished_bytes + sum(share * self._sizes[name] for name, share in self._shares.items())
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, description=self._count())
        elif now - self._told >= _LINE_SECONDS and done:
            self._told = now
            left = (now - self._begun) * (self._total - done) / done
            self._say(f"rtdenoise: {self._count()}, {done / self._total:.0%}, about {_long(left)} left")

    def _count(self) -> str:
        return f"{self._files} of {len(self._sizes)} files"


def _long(seconds: float) -> str:
    """A time for people: with minutes where it has hours, without seconds where it has minutes."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=2,  # each costs a millisecond of a core that could denoise
        speed_estimate_period=300,
    )
