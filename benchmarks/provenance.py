"""Where figures come from: machine, versions, commit, date; and the file that keeps both."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "numba", "rocket-fft", "onnxruntime", "soxr", "pesq", "pystoi", "speechmos", "scipy")


def provenance() -> dict[str, Any]:
    """As a dictionary that JSON can hold."""
    from rtdenoise import __version__

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        "versions": {"python": platform.python_version(), "rtdenoise": __version__, **_versions()},
    }


def write_document(path: Path | None, benchmark: str, found: dict[str, Any]) -> None:
    """Write what was found, and where it comes from, as JSON; nothing for a path of None."""
    if path is not None:
        document = {"benchmark": benchmark, **provenance(), **found}
        path.write_text(json.dumps(document, indent=1, default=float) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.check_output(["git", *arguments], cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.decode().strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
