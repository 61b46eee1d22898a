"""The denoisers that are compared: one adapter file each, found here or in any other folder.

An adapter is run in an environment of its own, by path, and so imports nothing of this project. It has

    VARIANTS      {name of the row: settings}, or {} where the command line makes the rows
    REQUIREMENTS  what pip installs for it; () for the interpreter that runs the benchmark
    SAMPLE_RATE   in Hz
    BLOCK         samples for each call of ``process``, or None: it sees the whole file at once
    class Stream  Stream(**settings) is one fresh stream; process(samples (n,) float32) -> (m,) floats

and imports its package inside ``Stream``, so that its constants can be read where the package is not installed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent
OURS = FOLDER / "ours.py"


@dataclass(frozen=True)
class Peer:
    """One row of the comparison: an adapter with settings."""

    name: str
    adapter: Path
    requirements: tuple[str, ...]
    sample_rate: int
    block: int | None
    settings: dict[str, Any] = field(default_factory=dict)


def load_adapter(path: Path) -> ModuleType:
    """The adapter as a module that shadows no package of the same name."""
    spec = importlib.util.spec_from_file_location(f"adapter_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peer(name: str, path: Path, settings: dict[str, Any]) -> Peer:
    """The row ``name``: the adapter at ``path`` with ``settings``."""
    module = load_adapter(path)
    return Peer(name, path, tuple(module.REQUIREMENTS), module.SAMPLE_RATE, module.BLOCK, settings)


def find_peers(folder: Path = FOLDER) -> list[Peer]:
    """All variants of all adapters in ``folder``, by file name."""
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    return [peer(name, path, settings) for path in files for name, settings in load_adapter(path).VARIANTS.items()]
