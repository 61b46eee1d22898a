"""What `--input` and `--output` name, a device, a file, a pipe or nothing, and how it is opened."""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import AudioFileError, ParameterError
from ..files.audio_file import Discard, FileReader, FileWriter, Reader, Writer
from ..files.pcm import RAW_FORMATS, S16LE, SUBTYPES
from ..files.pipes import PipeReader, PipeWriter, RawFormat, unbuffered
from ..files.suffixes import FORMAT_BY_SUFFIX

#: One word and a short suffix, such as talk.m4a; what sound servers call their devices has longer ones.
_FILE_NAME = re.compile(r"[^\s:]+\.[A-Za-z][A-Za-z0-9]{1,3}")


@dataclass(frozen=True)
class Endpoint:
    """One end of the work.

    Attributes:
        kind: ``"device"``, ``"virtual"``, ``"file"``, ``"pipe"`` or ``"none"``.
        name: of the device (``mic`` and ``speakers`` are the default ones) or the file; ``-``; ``none``; of virtual
            devices ``virtual-mic`` or ``virtual-speakers``.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name


def parse_source(text: str) -> Endpoint:
    """The endpoint that ``--input`` means. Raises ParameterError for a word that can only be an output."""
    if text in ("speakers", "none"):
        raise ParameterError(f"--input {text}: that is an output; take mic, a device, a file, or - for standard input")
    if text == "virtual-mic":
        raise ParameterError("--input virtual-mic: sound goes in there; say --input mic --output virtual-mic")
    if text == "virtual-speakers":
        return Endpoint("virtual", text)
    return _parse(text, default_device="mic")


def parse_target(text: str) -> Endpoint:
    """The endpoint that ``--output`` means. Raises ParameterError for a word that can only be an input."""
    if text == "mic":
        raise ParameterError("--output mic: that is an input; take speakers, a device, a file, none, or - for stdout")
    if text == "none":
        return Endpoint("none", text)
    if text == "virtual-speakers":
        raise ParameterError(
            "--output virtual-speakers: sound comes out of there; say --input virtual-speakers --output speakers"
        )
    if text == "virtual-mic":
        return Endpoint("virtual", text)
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
    looks_like_a_file = Path(text).suffix.lower() in FORMAT_BY_SUFFIX or _FILE_NAME.fullmatch(text)
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    if looks_like_a_file or any(separator in text for separator in separators) or os.path.exists(text):
        return Endpoint("file", text)
    return Endpoint("device", text)


def is_pipe(source: Endpoint) -> bool:
    """Whether samples stream out of it: standard input, or a named pipe as the shell's ``<(...)`` makes them."""
    if source.kind == "file":
        path = Path(source.name)
        return path.exists() and stat.S_ISFIFO(path.stat().st_mode)
    return source.kind == "pipe"


def open_source(source: Endpoint, raw: RawFormat | None) -> FileReader | PipeReader:
    """Open a file or pipe. Raises AudioFileError; see `files.FileReader` and `pipes.PipeReader`."""
    if source.kind == "pipe":
        if sys.stdin is None:  # started with <&-: the descriptor may be anything by now
            raise AudioFileError("standard input is closed; pipe or redirect something into it")
        return PipeReader(unbuffered(0, "rb"), raw)
    if is_pipe(source):
        return PipeReader(open(source.name, "rb", buffering=0), raw, source.name)
    return FileReader(source.name)


def open_target(
    target: Endpoint,
    sample_rate: int,
    channels: int,
    *,
    source: FileReader | PipeReader | None,
    frames: int | None = None,
    raw_format: str | None = None,
    is_raw: bool = False,
    force: bool = False,
) -> Writer:
    """Open a file or pipe, or nothing.

    Args:
        target: what to open; no device.
        sample_rate: in Hz.
        channels: how many.
        source: what the samples come from, if no device: its encoding is kept, and a pipe behind a pipe is of its kind.
        frames: how many samples will be written, if known.
        raw_format: for a pipe without a header, ``s16le`` or ``f32le``.
        is_raw: whether a pipe that has no pipe before it goes without a header.
        force: replace an existing file.

    Raises:
        ParameterError, AudioFileError: see `files.FileWriter` and `pipes.PipeWriter`.
    """
    if target.kind == "none":
        return Discard(sample_rate, channels)
    if target.kind == "file":
        like = None if source is None else source.subtype
        return FileWriter(target.name, sample_rate, channels, like=like, force=force)
    if sys.stdout is None:
        raise AudioFileError("standard output is closed; pipe or redirect it somewhere")
    if isinstance(source, PipeReader):
        encoding, is_wav = source.encoding, source.is_wav
    else:
        encodings = {subtype: encoding for encoding, subtype in SUBTYPES.items()}
        encoding = encodings.get(source.subtype, S16LE) if source else S16LE
        is_wav = not is_raw
        if is_raw:
            encoding = RAW_FORMATS[raw_format or "s16le"]
    return PipeWriter(unbuffered(1, "wb"), encoding, sample_rate, channels, is_wav=is_wav, frames=frames)


def check_raw_output(reader: Reader, raw_rate: int | None, raw_channels: int | None) -> None:
    """Raise ParameterError where the options promise samples without a header another shape than they will have."""
    for option, said, true in (
        ("--raw-rate", raw_rate, reader.sample_rate),
        ("--raw-channels", raw_channels, reader.channels),
    ):
        if said not in (None, true):
            raise ParameterError(f"{option} {said}: the input has {true}, and the output is as the input; leave it out")
