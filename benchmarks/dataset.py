"""Pairs of clean and noisy speech: any folder with ``clean/`` and ``noisy/``, or a tiny set made on the spot.

What file names say is used: ``snr5``, ``snr-2.5`` or ``snr+10`` is the SNR in dB, a word before it the kind of noise
(``talk1_fan_snr+5.wav``, and DNS-Challenge's ``clnsp1_train_69005_1_snr15_tl-21_fileid_158.wav``). VoiceBank+DEMAND
keeps both in ``log_testset.txt``, lines of ``p232_001 bus 12.5``, which is read where it lies beside the folders.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
T = TypeVar("T")

#: All measures are taken at 16 kHz; other recordings are converted.
RATE = 16000
_SUFFIXES = {".wav", ".flac", ".ogg", ".opus"}
_SILENT = 1e-5
_SHORTEST_SECONDS = 0.5


class DataError(Exception):
    """A data set that cannot be used, in one line with the way out."""


@dataclass(frozen=True)
class Pair:
    """One recording, (n,) float32 at ``RATE`` twice, and what its name says of it."""

    name: str
    clean: Float32
    noisy: Float32
    snr_db: float | None = None
    noise: str | None = None


def load_pairs(folder: Path, limit: int | None = None) -> tuple[list[Pair], dict[str, str]]:
    """All usable pairs (``limit``: so many by lot), and by file name why another is left out.

    Raises:
        DataError: no such folders, or no usable pair in them.
    """
    for kind in ("clean", "noisy"):
        if not (folder / kind).is_dir():
            raise DataError(f"{folder} has no folder {kind}/; files of the same names are wanted in clean/ and noisy/")
    clean = {_identity(path): path for path in _audio(folder / "clean")}
    noisy = {_identity(path): path for path in _audio(folder / "noisy")}
    left_out = {noisy[key].name: "no file of this name in clean/" for key in noisy.keys() - clean.keys()}
    left_out |= {clean[key].name: "no file of this name in noisy/" for key in clean.keys() - noisy.keys()}
    both = sorted(clean.keys() & noisy.keys())
    table = _conditions(folder)
    pairs = []
    for key in choose(both, limit):
        name = noisy[key].stem
        try:
            snr_db, noise = table.get(name) or _from_name(name)
            pairs.append(Pair(name, *_samples(clean[key], noisy[key]), snr_db, noise))
        except DataError as reason:
            left_out[noisy[key].name] = str(reason)
    if not pairs:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:3])
        raise DataError(f"{folder} has no usable pair ({reasons or 'both folders are empty'})")
    return pairs, left_out


def choose(items: list[T], limit: int | None) -> list[T]:
    """``limit`` of them by lot, the same in every run; all where that is None or more than there are.

    By lot, for evenly spread ones met but one SNR in a set whose files cycle through five.
    """
    if limit is None or limit >= len(items):
        return items
    return [items[i] for i in sorted(random.Random(0).sample(range(len(items)), limit))]


def _audio(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _identity(path: Path) -> str:
    """What two files of a pair share: the name, or in DNS-Challenge's sets the number."""
    numbered = re.search(r"fileid_(\d+)$", path.stem)
    return f"fileid_{int(numbered[1]):09d}" if numbered else path.stem


def _from_name(name: str) -> tuple[float | None, str | None]:
    found = re.search(r"[_-]snr([+-]?\d+(?:\.\d+)?)", name, re.IGNORECASE)
    if not found:
        return None, None
    words = [word for word in name[: found.start()].split("_")[1:] if word.isalpha()]
    return float(found[1]), " ".join(words) or None


def _conditions(folder: Path) -> dict[str, tuple[float | None, str | None]]:
    file = folder / "log_testset.txt"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.findall(r"^(\S+) +(\S+) +(-?\d+(?:\.\d+)?)\s*$", text, re.MULTILINE)
    return {name: (float(snr), noise) for name, noise, snr in found}


def _samples(clean_file: Path, noisy_file: Path) -> tuple[Float32, Float32]:
    (clean, rate), (noisy, noisy_rate) = _read(clean_file), _read(noisy_file)
    if rate != noisy_rate or len(clean) != len(noisy):
        raise DataError(f"clean has {len(clean)} samples at {rate} Hz, noisy {len(noisy)} at {noisy_rate} Hz")
    if len(clean) < _SHORTEST_SECONDS * rate:
        raise DataError(f"{len(clean) / rate:.2f} s are too short to be measured; {_SHORTEST_SECONDS} s is the least")
    if not (np.isfinite(clean).all() and np.isfinite(noisy).all()):
        raise DataError("NaN or Inf in the file")
    if np.sqrt(np.mean(clean**2)) < _SILENT:
        raise DataError("the clean reference is silent")
    if rate != RATE:
        clean, noisy = (soxr.resample(samples, rate, RATE, quality="VHQ") for samples in (clean, noisy))
    return clean, noisy


def _read(path: Path) -> tuple[Float32, int]:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read ({error})") from None
    return samples.mean(axis=1), rate
