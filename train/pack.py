"""``python -m train.pack DIR --out audio.npz``: a folder's decoded audio as one file, for a machine that decodes none.

Such a machine needs neither soundfile nor soxr. The file is not compressed: 115 MB an hour.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from .data import RATE, Corpus, load_corpus
from .errors import DataError
from .material import load_pairs, load_rooms

#: Of a corpus that must become smaller, pieces of this length are kept, spread evenly over every recording.
PIECE_SECONDS = 12.0


def thinned(corpus: Corpus, share: float) -> Corpus:
    """About ``share`` of a corpus, from all over each of its recordings; each piece becomes a recording of its own."""
    if share >= 1:
        return corpus
    pieces, sets, names = [], [], []
    piece, due = int(PIECE_SECONDS * RATE), 0.0
    for i, (start, end) in enumerate(zip(corpus.bounds[:-1], corpus.bounds[1:], strict=True)):
        for at in range(int(start), int(end), piece):
            stop = min(at + piece, int(end))
            due += share * (stop - at)
            if due >= (stop - at) / 2 and stop - at >= RATE // 4:
                due -= stop - at
                pieces.append(corpus.samples[at:stop])
                sets.append(corpus.sets[i])
                names.append(corpus.names[i])
    if not pieces:
        raise DataError(f"{share:.2g} of {corpus.seconds / 60:.1f} minutes are too little to keep; give more megabytes")
    return Corpus(np.concatenate(pieces), np.cumsum([0, *map(len, pieces)]), sets, names)


def pack(data: Path, out: Path, cache: Path, max_megabytes: float | None = None) -> None:
    """Write ``out``: speech, noise, rooms and, if ``data/valid`` is there, pairs to validate with.

    Raises:
        DataError: nothing to pack, no room for it within ``max_megabytes``, or ``out`` cannot be written.
    """
    speech, noise, rooms = (
        load_corpus(data / "clean", cache),
        load_corpus(data / "noise", cache),
        load_rooms(data / "rir"),
    )
    pairs = load_pairs(data / "valid") if (data / "valid").is_dir() else (np.zeros((0, 0)), np.zeros((0, 0)))
    fixed = 4 * sum(map(len, rooms)) + 4 * pairs[0].size + 1e5
    room = np.inf if max_megabytes is None else 1e6 * max_megabytes - fixed
    total = speech.samples.nbytes + noise.samples.nbytes
    if room < 10 * 2 * RATE:
        raise DataError(
            f"{max_megabytes:g} megabytes hold no audio beside {fixed / 1e6:.1f} of pairs and rooms; give more"
        )
    arrays = {
        "room_samples": np.concatenate([*rooms, np.zeros(0)]).astype(np.float32),
        "room_bounds": np.cumsum([0, *map(len, rooms)]),
    }
    arrays |= {
        f"pairs_{kind}": (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        for kind, samples in zip(("noisy", "clean"), pairs, strict=True)
    }
    for kind, corpus in (("speech", speech), ("noise", noise)):
        part = thinned(corpus, room / total)
        arrays |= {f"{kind}_{what}": np.asarray(getattr(part, what)) for what in ("samples", "bounds", "sets", "names")}
        print(f"{kind}: {part.seconds / 60:.1f} of {corpus.seconds / 60:.1f} minutes")
    partial = out.with_name(out.name + ".partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, out)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise DataError(f"cannot write {out}: {problem.strerror or problem}") from problem
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.pack", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with clean/, noise/ and, if you have them, rir/ and valid/")
    parser.add_argument("--out", type=Path, required=True, help="file to write (.npz)")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio (default: audio/ beside the file)")
    parser.add_argument(
        "--max-megabytes", type=float, help="take a part of all recordings, so that the file is smaller"
    )
    given = parser.parse_args(arguments)
    try:
        pack(given.data, given.out, given.cache or given.out.parent / "audio", given.max_megabytes)
    except DataError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
