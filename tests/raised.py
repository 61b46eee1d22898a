"""Where in the package errors were raised, in this process and in others that run the rest of the tests.

The project's exceptions note where they come from as soon as this is imported. `make test` runs the tests in parts and
names a folder by ``RAISED``: each process leaves there what it saw, and which test files, once all its tests went well.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import rtdenoise
from rtdenoise.errors import RtdenoiseError

PACKAGE = Path(rtdenoise.__file__).parent
seen: set[tuple[str, int]] = set()


def _note_origin(self: RtdenoiseError, *arguments: object) -> None:
    Exception.__init__(self, *arguments)
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(str(PACKAGE)):
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back


RtdenoiseError.__init__ = _note_origin


def leave(files: set[str]) -> None:
    """Note in the folder, if there is one, what was seen while the tests of these files ran."""
    if folder := os.environ.get("RAISED"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps({"files": sorted(files), "seen": sorted(seen)})
        Path(folder, f"{os.getpid()}.json").write_text(text, encoding="utf-8")


def collect() -> set[str]:
    """Add what other processes saw to ``seen``; the files whose tests they ran."""
    files: set[str] = set()
    if folder := os.environ.get("RAISED"):
        for path in Path(folder).glob("*.json"):
            left = json.loads(path.read_text(encoding="utf-8"))
            seen.update((file, line) for file, line in left["seen"])
            files.update(left["files"])
    return files
