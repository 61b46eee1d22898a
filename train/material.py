"""All that a run hears: speech, noise and rooms to train on, and what is kept aside to validate with."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .data import RATE, Corpus, find_audio, group_name, load_corpus, read_with_rate
from .errors import DataError

Float32 = NDArray[np.float32]
#: Share of the recordings that is kept from training where there are no pairs to validate with.
HELD_OUT = 0.05
PAIRS = 24
SHORTEST_PAIR_SECONDS = 1.0


@dataclass(frozen=True)
class Material:
    """What a folder or a packed file holds; either ``pairs`` or ``held_out`` is there."""

    speech: Corpus
    noise: Corpus
    rooms: list[Float32]
    pairs: tuple[Float32, Float32] | None  #: noisy and clean, each ``(pairs, samples)``, never trained on
    held_out: tuple[Corpus, Corpus] | None  #: speech and noise that are not in the others


def load_material(data: Path, cache: Path) -> Material:
    """Read a folder with ``clean/``, ``noise/``, ``rir/`` and ``valid/`` (the last two may lack), or a file that
    ``python -m train.pack`` wrote.

    Raises:
        DataError: nothing to train on, or ``valid/`` holds nothing to validate with.
    """
    if data.suffix == ".npz":
        return unpack(data)
    if not data.is_dir():
        raise DataError(
            f"{data}: no such folder; expected one with clean/ and noise/, or an .npz of python -m train.pack"
        )
    speech, noise = load_corpus(data / "clean", cache), load_corpus(data / "noise", cache)
    rooms = load_rooms(data / "rir")
    if (data / "valid").is_dir():
        return Material(speech, noise, rooms, load_pairs(data / "valid"), None)
    (speech, kept_speech), (noise, kept_noise) = held_out(speech), held_out(noise)
    return Material(speech, noise, rooms, None, (kept_speech, kept_noise))


def held_out(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """The recordings to train on and those to validate with: whole speakers or places if names tell them apart, else
    whole recordings, else the end of the only recording."""
    if len(corpus.sets) == 1:
        end = corpus.bounds[-1]
        corpus = Corpus(
            corpus.samples, np.array([0, int(end * (1 - 2 * HELD_OUT)), end]), corpus.sets * 2, corpus.names * 2
        )
    groups = [group_name(name) for name in corpus.names]
    changes = [i for i in range(1, len(groups)) if groups[i] != groups[i - 1]]
    wanted = corpus.bounds[-1] * (1 - HELD_OUT)
    for starts in (changes, range(1, len(groups))):
        legal = [i for i in starts if corpus.bounds[-1] / 2 <= corpus.bounds[i] <= wanted]
        if legal:
            return corpus.divided(legal[-1])
    return corpus.divided(len(groups) - 1)


def load_rooms(folder: Path) -> list[Float32]:
    """Measured rooms, cut to one second from their direct sound and scaled to it; none if there is no such folder."""
    rooms = []
    for file in find_audio(folder) if folder.is_dir() else []:
        try:
            response, _ = read_with_rate(file, RATE)
        except DataError as problem:
            print(f"left out: {problem}", file=sys.stderr)
            continue
        peak = int(np.abs(response).argmax())
        if response[peak] == 0:
            print(f"left out, silent: {file}", file=sys.stderr)
            continue
        rooms.append(np.ascontiguousarray(response[peak : peak + RATE] / response[peak]))
    return rooms


def load_pairs(folder: Path, count: int = PAIRS) -> tuple[Float32, Float32]:
    """Noisy and clean, each ``(pairs, samples)``: up to ``count`` pairs, spread over the folder, cut to the shortest.

    Raises:
        DataError: no usable pair.
    """
    files = find_audio(folder / "noisy")
    pairs: list[tuple[Float32, Float32]] = []
    for noisy_file in files[:: max(1, len(files) // count)][:count]:
        try:
            noisy, clean = (read_with_rate(folder / kind / noisy_file.name, RATE)[0] for kind in ("noisy", "clean"))
        except DataError as problem:
            print(f"left out: {problem}", file=sys.stderr)
            continue
        if min(len(noisy), len(clean)) < SHORTEST_PAIR_SECONDS * RATE or not clean.any():
            print(f"left out, silent or shorter than {SHORTEST_PAIR_SECONDS} s: {noisy_file}", file=sys.stderr)
            continue
        pairs.append((noisy, clean))
    if not pairs:
        raise DataError(
            f"{folder}: no usable pair; noisy/ and clean/ hold files of the same names; see the lines above"
        )
    n = min(len(signal) for pair in pairs for signal in pair)
    noisy, clean = (np.stack([pair[i][:n] for pair in pairs]) for i in (0, 1))
    return noisy, clean


def unpack(file: Path) -> Material:
    """Read what ``python -m train.pack`` wrote.

    Raises:
        DataError: ``file`` is no such file.
    """
    try:
        with np.load(file) as stored:
            parts = {name: stored[name] for name in stored.files}
        speech, noise = (
            Corpus(*(parts[f"{kind}_{what}"] for what in ("samples", "bounds")),
                   *(parts[f"{kind}_{what}"].tolist() for what in ("sets", "names")))
            for kind in ("speech", "noise")
        )  # fmt: skip
        rooms = np.split(parts["room_samples"], parts["room_bounds"][1:-1]) if len(parts["room_bounds"]) > 1 else []
        pairs = tuple(parts[f"pairs_{kind}"].astype(np.float32) / 32768 for kind in ("noisy", "clean"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise DataError(f"{file} is no file of packed audio: {problem}; python -m train.pack makes one") from problem
    if len(pairs[0]):
        return Material(speech, noise, rooms, pairs, None)
    (speech, kept_speech), (noise, kept_noise) = held_out(speech), held_out(noise)
    return Material(speech, noise, rooms, None, (kept_speech, kept_noise))
