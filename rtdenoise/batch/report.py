"""What became of all files, as a table for spreadsheets."""

from __future__ import annotations

import csv
import os
import secrets
from pathlib import Path
from typing import Any

from ..errors import AudioFileError, ParameterError
from ..files.full_disk import why_not_written

#: Column to what it is among the facts of a file.
_COLUMNS = {
    "seconds": "seconds",
    "sample rate": "sample_rate",
    "channels": "channels",
    "active level before (dBFS)": "active_before_db",
    "active level after (dBFS)": "active_after_db",
    "peak before (dBFS)": "peak_before_db",
    "peak after (dBFS)": "peak_after_db",
    "reduction (dB)": "reduction_db",
    "took (s)": "took_seconds",
    "finished": "finished",
}
_HEAD = ["file", "state", *_COLUMNS, "reason"]


def check_report(path: Path) -> None:
    """Raise ParameterError or AudioFileError for a name that `write_report` could not take.

    A report of an earlier run is replaced, anything else is left alone.
    """
    if path.suffix.lower() != ".csv":
        raise ParameterError(f"--report {path}: the report is a table of commas; take a name that ends in .csv")
    if not path.parent.is_dir():
        raise ParameterError(f"--report {path}: there is no folder {path.parent}; make it first")
    if path.exists():
        try:
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                is_ours = next(csv.reader(file), []) == _HEAD
        except OSError as error:
            raise AudioFileError(f"--report {path} cannot be read: {error.strerror}; choose another") from None
        if not is_ours:
            raise AudioFileError(f"--report {path} exists and is no such report; it was left as it is, choose another")
    with why_not_written(path, "nothing was done"):
        part = _part_of(path)
        part.touch(exist_ok=False)
        part.unlink()


def write_report(path: Path, names: list[str], done: dict[str, dict[str, Any]], faults: dict[str, str]) -> None:
    """Write a row for each name, whole or not at all.

    Args:
        path: see `check_report`.
        names: of all files, in order; those that are neither done nor at fault wait for the next run.
        done: facts of those that are finished.
        faults: why others are not.

    Raises:
        NotWrittenError: the disk is full, or such.
    """
    part = _part_of(path)
    with why_not_written(path, "the results are kept"):
        try:
            with open(part, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(_HEAD)
                for name in [*names, *sorted(faults.keys() - set(names))]:
                    state = "failed" if name in faults else "done" if name in done else "waiting"
                    facts = done[name] if state == "done" else {}
                    rows.writerow([name, state, *(facts.get(key, "") for key in _COLUMNS.values()), faults.get(name)])
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    """What it is called until it is whole."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part")
