"""Where figures come from: machine, versions, commit, date; and the file that keeps both."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import time
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


class Others:
    """CPU time that other programs take while something of ours runs, in cores.

    Measured, for a load average is mostly our own. Linux only; what the host of a virtual machine takes counts too.
    """

    def __init__(self) -> None:
        self._begun, self._theirs = time.monotonic(), self._seconds()

    @property
    def cores(self) -> float | None:
        """Since the object was made, on average; children count as ours once they have been waited for."""
        seconds = self._seconds()
        if seconds is None or self._theirs is None:
            return None
        return max(0.0, (seconds - self._theirs) / (time.monotonic() - self._begun))

    @staticmethod
    def _seconds() -> float | None:
        """CPU seconds of everybody but us since the machine was started."""
        try:
            counts = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]))
        except OSError:
            return None
        idle = sum(counts[3:5])
        # Guests, from the ninth on, are in the first two already.
        return (sum(counts[:8]) - idle) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


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
