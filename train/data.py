"""Recordings on disk as one long int16 array per folder, decoded once and mapped into memory by every mixer."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


class DataError(Exception):
    """Recordings that cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class Corpus:
    """Recordings of one kind: int16, one after the other; ``samples[bounds[i]:bounds[i + 1]]`` is one of them."""

    samples: NDArray[np.int16]
    bounds: NDArray[np.int64]
    sets: list[str]  #: name of the set that each recording belongs to

    @property
    def seconds(self) -> float:
        """Length at 16 kHz."""
        return len(self.samples) / 16000


def find_audio(folder: Path) -> list[Path]:
    """Every audio file below ``folder``, sorted.

    Raises:
        DataError: there is no such folder, or no audio in it.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no audio here; expected {', '.join(sorted(SUFFIXES))} files below it")
    return files


def set_name(file: Path, folder: Path) -> str:
    """The set a file belongs to: its folder below the root, else its name up to the last number."""
    parent = file.relative_to(folder).parts[:-1]
    return parent[0] if parent else re.sub(r"[-_ ]*\d+$", "", file.stem) or file.stem


def read_mono(file: Path, sample_rate: int) -> NDArray[np.float32]:
    """A file as mono float32 at ``sample_rate``."""
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return mono if rate == sample_rate else np.asarray(soxr.resample(mono, rate, sample_rate), np.float32)


def load_corpus(folder: Path, cache: Path, sample_rate: int = 16000) -> Corpus:
    """Decode a folder, or map the cache of an earlier time. Unreadable and silent files are named and left out.

    Raises:
        DataError: nothing in the folder can be used.
    """
    files = find_audio(folder)
    key = hashlib.sha1(
        "\n".join(f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files).encode() + str(sample_rate).encode()
    ).hexdigest()[:16]
    stem = cache / f"{folder.name}-{key}"
    index, audio = stem.with_suffix(".npz"), stem.with_suffix(".npy")
    if not (index.exists() and audio.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        pieces, sets = [], []
        for file in files:
            try:
                samples = read_mono(file, sample_rate)
            except (soundfile.SoundFileError, RuntimeError) as problem:
                print(f"left out, cannot be read: {file} ({problem})", file=sys.stderr)
                continue
            if len(samples) < sample_rate // 4 or np.abs(samples).max() < 1e-3:
                print(f"left out, silent or shorter than 0.25 s: {file}", file=sys.stderr)
                continue
            pieces.append((np.clip(samples, -1, 1) * 32767).astype(np.int16))
            sets.append(set_name(file, folder))
        if not pieces:
            raise DataError(f"{folder}: none of its {len(files)} files can be used; see the lines above")
        np.save(audio, np.concatenate(pieces))
        np.savez(index, bounds=np.cumsum([0, *map(len, pieces)]), sets=np.array(sets))
    with np.load(index) as stored:
        return Corpus(np.load(audio, mmap_mode="r"), stored["bounds"], stored["sets"].tolist())
