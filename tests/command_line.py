"""The command line as users meet it: a process of its own, its exit code and what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "rtdenoise"]


@dataclass
class Outcome:
    code: int
    out: bytes
    err: str


def run(*arguments: str | Path, input: bytes | None = None, **options: Any) -> Outcome:
    """Run `rtdenoise`; without ``input`` its standard input is empty."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=b"" if input is None and "stdin" not in options else input,
        capture_output=True,
        timeout=60,
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def refused(outcome: Outcome, code: int, *fragments: str) -> None:
    """Assert one line on standard error with all fragments, nothing on standard output, and the exit code."""
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("rtdenoise: "), outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == b""
    for fragment in fragments:
        assert fragment in outcome.err
    assert outcome.code == code, outcome.err


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start `rtdenoise` with pipes all round."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **pipes)


def interrupt(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> Outcome:
    """Press Ctrl+C, or send another signal, and wait for the end."""
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=10)
    return Outcome(process.returncode, out, err.decode())
