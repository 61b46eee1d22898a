"""What a run leaves to look at: lines of JSON, TensorBoard's event files, and plots."""

from __future__ import annotations

import importlib.util
import json
import sys
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
            from tensorboardX import SummaryWriter

            self._events = SummaryWriter(str(out / "events"), purge_step=first_step + 1)
        self._plots = "matplotlib" not in missing

    def write(self, entry: dict[str, Any]) -> None:
        """Keep one entry: ``step``, ``hours`` and figures."""
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in entry.items()), flush=True)
        try:
            with open(self.file, "a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
            for name, value in entry.items():
                if self._events is not None and name != "step" and isinstance(value, (int, float)):
                    self._events.add_scalar(name, value, entry["step"])
        except OSError as problem:
            print(f"cannot write {self.file}: {problem.strerror or problem}; the run goes on", file=sys.stderr)

    def plot(self) -> None:
        """Draw ``training.png`` anew from ``log.jsonl``."""
        try:
            if self._events is not None:
                self._events.flush()
        except OSError as problem:
            print(f"cannot write {self.out / 'events'}: {problem}; the run goes on without", file=sys.stderr)
            self._events = None
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
            self._events.close()


def draw(entries: list[dict[str, Any]], file: Path) -> None:
    """Every figure of ``ROWS`` that occurs in ``entries`` over the hours of audio heard, as one PNG; what a run did
    after the checkpoint from which it went on later is left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    entries = [e for i, e in enumerate(entries) if all(e["step"] <= later["step"] for later in entries[i + 1 :])]
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
