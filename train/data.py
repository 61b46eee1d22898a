"""Recordings on disk as one long int16 array per folder, decoded once and mapped into memory by every mixer."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}
RATE = 16000
#: Shorter recordings are left out.
SHORTEST_SECONDS = 0.25


@dataclass(frozen=True)
class Corpus:
    """Recordings of one kind: int16, one after the other; ``samples[bounds[i]:bounds[i + 1]]`` is one of them."""

    samples: NDArray[np.int16]
    bounds: NDArray[np.int64]
    sets: list[str]  #: name of the set that each recording belongs to
    names: list[str]  #: path of each recording below its folder

    @property
    def seconds(self) -> float:
        """Length at 16 kHz."""
        return len(self.samples) / RATE

    def divided(self, first: int) -> tuple[Corpus, Corpus]:
        """Two corpora: the recordings before ``first``, and those from it on."""
        at = self.bounds[first]
        return (
            Corpus(self.samples[:at], self.bounds[: first + 1], self.sets[:first], self.names[:first]),
            Corpus(self.samples[at:], self.bounds[first:] - at, self.sets[first:], self.names[first:]),
        )


def find_audio(folder: Path) -> list[Path]:
    """Every audio file below ``folder``, sorted.

    Raises:
        DataError: there is no such folder, or no audio in it.
    """
    found = folder.rglob("*") if folder.is_dir() else []
    files = sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise DataError(f"{folder}: no audio here; expected {', '.join(sorted(SUFFIXES))} files below it")
    return files


def set_name(file: Path, folder: Path) -> str:
    """The set a file belongs to: its folder below the root, else its name up to the last number."""
    parent = file.relative_to(folder).parts[:-1]
    return parent[0] if parent else re.sub(r"[-_ ]*\d+$", "", file.stem) or file.stem


def group_name(name: str) -> str:
    """Who speaks, or where a noise comes from, as far as a path tells: its folder, and its name up to the first hyphen
    or underscore if there is one.

    That is the speaker in LibriSpeech, VCTK and VoiceBank, and the fold (which keeps clips of one recording together)
    in ESC-50.
    """
    path = Path(name)
    first, *more = re.split(r"[-_]", path.stem)
    return first if len(path.parts) == 1 else str(path.parent / first) if more else str(path.parent)


def read_with_rate(file: Path, sample_rate: int) -> tuple[NDArray[np.float32], int]:
    """A file as mono float32 at ``sample_rate``, and the rate that it has itself.

    Raises:
        DataError: it cannot be read, is empty, or holds what is no number.
    """
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError) as problem:
        raise DataError(f"{file} cannot be read: {problem}") from problem
    if not len(samples) or not np.isfinite(samples).all():
        raise DataError(f"{file} {'holds values that are no numbers' if len(samples) else 'is empty'}")
    mono = samples.mean(axis=1)
    return (mono if rate == sample_rate else np.asarray(soxr.resample(mono, rate, sample_rate), np.float32)), rate


def load_corpus(folder: Path, cache: Path, sample_rate: int = RATE) -> Corpus:
    """Decode a folder, or map the cache of an earlier time. Unreadable, silent and short files and those with NaN are
    named and left out; files of another rate are converted, and counted aloud.

    Raises:
        DataError: nothing in the folder can be used, or the cache cannot be written.
    """
    files = find_audio(folder)
    key = hashlib.sha1(
        "\n".join(f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files).encode() + str(sample_rate).encode()
    ).hexdigest()[:16]
    stem = cache / f"{folder.name}-{key}"
    index, audio = stem.with_suffix(".npz"), stem.with_suffix(".npy")
    if not (index.exists() and audio.exists()):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _decode(folder, files, index, audio, sample_rate)
        except OSError as problem:
            for partial in (audio, index):
                with contextlib.suppress(OSError):
                    partial.unlink()
            raise DataError(
                f"cannot keep the decoded audio of {folder} in {cache}: {problem.strerror or problem}; "
                "--cache names another place"
            ) from problem
    with np.load(index) as stored:
        names = stored["names"] if "names" in stored.files else stored["sets"]  # caches of older versions
        return Corpus(np.load(audio, mmap_mode="r"), stored["bounds"], stored["sets"].tolist(), names.tolist())


def _decode(folder: Path, files: list[Path], index: Path, audio: Path, sample_rate: int) -> None:
    pieces, used, rates = [], [], Counter[int]()
    for file in files:
        try:
            samples, rate = read_with_rate(file, sample_rate)
        except DataError as problem:
            print(f"left out: {problem}", file=sys.stderr)
            continue
        if len(samples) < sample_rate * SHORTEST_SECONDS or np.abs(samples).max() < 1e-3:
            print(f"left out, silent or shorter than {SHORTEST_SECONDS} s: {file}", file=sys.stderr)
            continue
        pieces.append((np.clip(samples, -1, 1) * 32767).astype(np.int16))
        used.append(file)
        rates[rate] += 1
    if not pieces:
        raise DataError(f"{folder}: none of its {len(files)} files can be used; see the lines above")
    for rate, count in sorted(rates.items()):
        if rate != sample_rate:
            print(f"converted from {rate} to {sample_rate} Hz: {count} files of {folder}", file=sys.stderr)
    np.save(audio, np.concatenate(pieces))
    np.savez(
        index,
        bounds=np.cumsum([0, *map(len, pieces)]),
        sets=np.array([set_name(file, folder) for file in used]),
        names=np.array([file.relative_to(folder).as_posix() for file in used]),
    )
