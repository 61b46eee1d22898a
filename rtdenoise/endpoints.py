"""What `--input` and `--output` name: a device, a file, a pipe, or nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import ParameterError
from .suffixes import FORMAT_BY_SUFFIX


@dataclass(frozen=True)
class Endpoint:
    """One end of the work.

    Attributes:
        kind: ``"device"``, ``"file"``, ``"pipe"`` or ``"none"``.
        name: of the device (``mic`` and ``speakers`` are the default ones) or the file; ``-``; ``none``.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name


def parse_source(text: str) -> Endpoint:
    """The endpoint that ``--input`` means. Raises ParameterError for a word that can only be an output."""
    if text in ("speakers", "none"):
        raise ParameterError(f"--input {text}: that is an output; take mic, a device, a file, or - for standard input")
    return _parse(text, default_device="mic")


def parse_target(text: str) -> Endpoint:
    """The endpoint that ``--output`` means. Raises ParameterError for a word that can only be an input."""
    if text == "mic":
        raise ParameterError("--output mic: that is an input; take speakers, a device, a file, none, or - for stdout")
    if text == "none":
        return Endpoint("none", text)
    return _parse(text, default_device="speakers")


def _parse(text: str, default_device: str) -> Endpoint:
    if text == "-":
        return Endpoint("pipe", text)
    for kind in ("file", "device"):
        if text.startswith(kind + ":"):
            text = text[len(kind) + 1 :]
            if not text:
                raise ParameterError(f"{kind}: has no name behind it; write {kind}:NAME")
            return Endpoint(kind, text)
    if not text:
        raise ParameterError(f"an empty name is no input or output; take {default_device}, a device, a file, or -")
    if text == default_device:
        return Endpoint("device", text)
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    if Path(text).suffix.lower() in FORMAT_BY_SUFFIX or any(s in text for s in separators) or os.path.exists(text):
        return Endpoint("file", text)
    return Endpoint("device", text)
