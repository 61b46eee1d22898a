"""What a run leaves to look at: lines of JSON, TensorBoard's event files, and plots."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

#: Figures of a plot, from top to bottom; those of one row share its axes.
ROWS = (
    ("loss", "validation_loss"),
    ("validation_loss_seed_scale", "constant", "no_noise"),
    ("si_sdr_db",),
    ("clean_si_sdr_db",),
    ("learning_rate",),
    ("judge_loss", "judged"),
)


class RunLog:
    """Writes ``log.jsonl``, ``events/`` and ``training.png`` below a folder; a full disk is said, and costs no run."""

    def __init__(self, out: Path, first_step: int) -> None:
        self.out = out
        self.file = out / "log.jsonl"
        self._events: Any = None
        missing = [name for name in ("tensorboardX", "matplotlib") if importlib.util.find_spec(name) is None]
        if missing:
            print(f"not installed, so left out: {', '.join(missing)} (event files, plots)", file=sys.stderr)
        if "tensorboardX" not in missing:
            try:
                self._events = Events(out / "events", first_step)
            except OSError as problem:
                self._without_events(problem)
        self._plots = "matplotlib" not in missing

    def write(self, entry: dict[str, Any]) -> None:
        """Keep one entry: ``step``, ``hours`` and figures."""
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in entry.items()), flush=True)
        try:
            with open(self.file, "a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
        except OSError as problem:
            print(f"cannot write {self.file}: {problem.strerror or problem}; the run goes on", file=sys.stderr)
        if self._events is not None:
            try:
                self._events.write(entry)
            except OSError as problem:
                self._without_events(problem)

    def _without_events(self, problem: OSError) -> None:
        print(f"cannot write {self.out / 'events'}: {problem}; the run goes on without", file=sys.stderr)
        self._events = None

    def plot(self) -> None:
        """Draw ``training.png`` anew from ``log.jsonl``."""
        if not self._plots:
            return
        try:
            with open(self.file, encoding="utf-8") as log:
                draw([json.loads(line) for line in log], self.out / "training.png")
        except (OSError, ValueError) as problem:
            print(f"cannot draw {self.out / 'training.png'}: {problem}; the run goes on", file=sys.stderr)

    def close(self) -> None:
        """End the event file."""
        if self._events is not None:
            with contextlib.suppress(OSError):
                self._events.close()


class Events:
    """TensorBoard's event file, written at once: tensorboardX's own writer has a thread for it, which dies of a full
    disk, and then waits for that thread for ever.

    Raises:
        OSError: in every method.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"))
        # What an earlier part of the run wrote after the step from which this one goes on is not shown.
        self._append(step=first_step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, entry: dict[str, Any]) -> None:
        """Each figure of an entry as a scalar at its ``step``."""
        from tensorboardX.summary import scalar

        for name, value in entry.items():
            if name != "step" and isinstance(value, (int, float)):
                self._append(step=entry["step"], summary=scalar(name, value))

    def _append(self, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), **content))
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def draw(entries: list[dict[str, Any]], file: Path) -> None:
    """Every figure of ``ROWS`` that occurs in ``entries`` over the hours of audio heard, as one PNG; what a run did
    after the checkpoint from which it went on later is left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kept: list[dict[str, Any]] = []
    for entry in reversed(entries):
        if not kept or entry["step"] <= kept[-1]["step"]:
            kept.append(entry)
    entries = kept[::-1]
    rows = [row for row in ROWS if any(name in entry for entry in entries for name in row)]
    figure = Figure(figsize=(8, 2.2 * max(1, len(rows))), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(max(1, len(rows)), 1, sharex=True, squeeze=False)[:, 0]
    for panel, row in zip(panels, rows, strict=False):
        for name in row:
            points = [(entry["hours"], entry[name]) for entry in entries if entry.get(name) is not None]
            if points:
                panel.plot(
                    *zip(*points, strict=True), label=name, marker="." if len(points) < 40 else None, linewidth=1
                )
        if panel.lines:
            panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("hours of audio heard")
    partial = file.with_name(file.stem + ".partial.png")
    figure.savefig(partial, dpi=100)
    partial.replace(file)
