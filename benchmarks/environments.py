"""A virtual environment for each peer, made once and kept: their pins conflict."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

#: What the worker itself needs.
_HARNESS = ("numpy",)
_PIP_SECONDS = 1800


class NotInstalledError(Exception):
    """A peer that cannot be had; the message is one line."""


def cache_folder() -> Path:
    """Where environments are kept: ``RTDENOISE_BENCHMARKS_CACHE``, or the platform's place for such things."""
    if chosen := os.environ.get("RTDENOISE_BENCHMARKS_CACHE"):
        return Path(chosen)
    places = {"Darwin": "~/Library/Caches", "Windows": os.environ.get("LOCALAPPDATA", "~/AppData/Local")}
    place = places.get(platform.system(), os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(place).expanduser() / "rtdenoise-benchmarks"


def interpreter(requirements: tuple[str, ...], install: bool = True) -> Path:
    """The Python that has ``requirements``; without any, the running one.

    Raises:
        NotInstalledError: not there and ``install`` is false, or pip fails; says why.
    """
    if not requirements:
        return Path(sys.executable)
    folder, python = _place(requirements)
    if is_installed(requirements):
        return python
    if not install:
        raise NotInstalledError("not installed, and --no-install was given")
    print(f"installing {', '.join(requirements)} into {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(folder)])
        # One call for both: a peer's own demands on numpy count.
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        _run([*pip, *requirements, *_HARNESS])
    except NotInstalledError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / "complete").touch()
    return python


def is_installed(requirements: tuple[str, ...]) -> bool:
    """Whether `interpreter` has nothing to do."""
    if not requirements:
        return True
    folder, python = _place(requirements)
    return (folder / "complete").exists() and python.exists()


def _place(requirements: tuple[str, ...]) -> tuple[Path, Path]:
    """Folder of an environment, and the Python in it."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    key = hashlib.sha256("\n".join([version, *requirements, *_HARNESS]).encode()).hexdigest()[:10]
    folder = cache_folder() / f"{requirements[-1].partition('=')[0]}-{key}"
    return folder, folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"not installed: {error}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or [f"exit code {done.returncode}"]
        raise NotInstalledError(f"not installed: {errors[-1].removeprefix('ERROR: ')}")
