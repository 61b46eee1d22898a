"""The live sound of the page: a process of its own, `rtdenoise` as on the command line, started, read and steered."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model import available_models
from ..panel.readings import Board, Readings
from ..panel.scope import Scope
from .errors import WebError

_END_SECONDS = 5.0
_LONGEST_NAME = 300
_WORDS = {"input": ("mic", "virtual-speakers"), "output": ("speakers", "virtual-mic")}
_LATENCIES = ("low", "high")


@dataclass(frozen=True)
class Wanted:
    """What shall run. Ends are ``mic``, ``speakers``, ``virtual-mic``, ``virtual-speakers`` or a device's name."""

    source: str
    sink: str
    model: str
    latency: str
    attenuation_limit_db: float | None

    @classmethod
    def parse(cls, wishes: Any) -> Wanted:
        """From what the page sent.

        Raises:
            WebError: it is not what can be started.
        """
        if not isinstance(wishes, dict):
            raise WebError("devices and model are wanted, as an object")
        source, sink = (_checked_name(wishes.get(end)) for end in _WORDS)
        latency = wishes.get("latency", "low")
        if latency not in _LATENCIES:
            raise WebError(f"latency {latency!r} is not possible; take {' or '.join(_LATENCIES)}")
        limit_db = checked_limit(wishes.get("attenuation_limit_db"))
        return cls(source, sink, checked_model(wishes.get("model", "stream")), latency, limit_db)

    def arguments(self) -> list[str]:
        """For the command line. Never a file: whatever is no word of ours is said to be a device."""
        ends = {"input": self.source, "output": self.sink}
        arguments = ["--config", "", "--model", self.model, "--latency", self.latency]
        for option, name in ends.items():
            arguments += [f"--{option}", name if name in _WORDS[option] else f"device:{name}"]
        if self.attenuation_limit_db is not None:
            arguments += ["--attenuation-limit", str(self.attenuation_limit_db)]
        return arguments


def checked_model(name: Any) -> str:
    """A name of a packaged model. Raises WebError for all else, a path for example."""
    names = [model.name for model in available_models()]
    if name not in names:
        raise WebError(f"there is no model {name!r} here; take {' or '.join(names)}")
    return str(name)


def checked_limit(limit_db: Any) -> float | None:
    """An attenuation limit in dB, or ``None``. Raises WebError for all else."""
    if limit_db is None:
        return None
    is_number = isinstance(limit_db, int | float) and not isinstance(limit_db, bool)
    if not is_number or not 0 <= limit_db <= 1000:
        raise WebError(f"attenuation limit {limit_db!r} is not possible; take decibels from 0 to 1000, or none")
    return float(limit_db)


def _checked_name(name: Any) -> str:
    if not (isinstance(name, str) and 0 < len(name) < _LONGEST_NAME and name.isprintable()):
        raise WebError(f"{name!r} is not the name of a sound device; take one of the list")
    return name


class LiveProcess:
    """At most one run at a time. Methods are called by one thread at a time.

    Args:
        folder: for what it prints.
    """

    def __init__(self, folder: Path) -> None:
        self._told = folder / "live.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._board: Board | None = None
        self._scopes: list[Scope] = []
        self.wanted: Wanted | None = None
        self.generation = 0  # of runs up to now

    @property
    def running(self) -> bool:
        """Whether it runs, be it that no sound flows yet."""
        return self._process is not None and self._process.poll() is None

    def start(self, wanted: Wanted) -> None:
        """Start a run, after ending the one that there is.

        Raises:
            WebError: no process can be started.
        """
        self.stop()
        try:
            self._board, self._scopes = Board(), []
            self._scopes = [Scope(), Scope()]
            paths = [str(path) for path in (self._board.path, *(scope.path for scope in self._scopes))]
            command = [sys.executable, "-m", "rtdenoise", *wanted.arguments(), "--steered", *paths]
            with self._told.open("wb") as told:
                self._process = subprocess.Popen(
                    command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
                )
            if sys.platform != "win32" and self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)  # the other side may be stopped for long
        except OSError as error:
            self.stop()
            raise WebError(f"live sound could not be started: {error.strerror}", 507) from None
        self.wanted = wanted
        self.generation += 1

    def order(self, order: dict[str, Any]) -> None:
        """Send a wish, see `commands.steering`; nothing happens where nothing runs."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def stop(self) -> None:
        """End it, its recordings whole; does nothing where nothing runs."""
        self.order({"quit": True})
        if self._process is not None:
            with contextlib.suppress(OSError, ValueError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for scope in self._scopes:
            scope.remove()
        if self._board is not None:
            self._board.remove()
        self._board, self._scopes = None, []

    def read(self) -> dict[str, Any]:
        """How it stands, in types that JSON knows."""
        state: dict[str, Any] = {"running": self.running, "generation": self.generation, "readings": None}
        if self.wanted is not None:
            state["wanted"] = {"input": self.wanted.source, "output": self.wanted.sink, "model": self.wanted.model}
        readings = self._board.read() if self._board is not None else None
        if readings is not None:
            state["readings"] = _as_dict(readings)
        if self._process is not None and not state["running"]:
            state["failed"] = self._process.returncode != 0
            state["told"] = self._last_words()
        return state

    def ears(self) -> tuple[Scope, Scope] | None:
        """What to read the sound from that comes in and goes out from now on; each caller has its own."""
        try:
            return Scope(self._scopes[0].path), Scope(self._scopes[1].path)
        except (OSError, IndexError):  # nothing runs, or not any more
            return None

    def _last_words(self) -> list[str]:
        text = self._told.read_text(encoding="utf-8", errors="replace")
        return [line.removeprefix("rtdenoise: ") for line in text.splitlines()][-12:]


def _as_dict(readings: Readings) -> dict[str, Any]:
    names = [name for name, *_ in readings._fields_ if name not in ("check", "messages", "message_count")]
    values = {name: getattr(readings, name) for name in names}
    texts = {name: value.decode(errors="replace") for name, value in values.items() if isinstance(value, bytes)}
    numbers = {n: None for n, value in values.items() if isinstance(value, float) and not math.isfinite(value)}
    messages = [message.value.decode(errors="replace") for message in readings.messages if message.value]
    return {**values, **texts, **numbers, "messages": messages}
