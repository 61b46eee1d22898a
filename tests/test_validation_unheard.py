"""Hazard: figures that are good because the voices or noises of validation were trained on.

The project's own data is not in the project: RTDENOISE_DATA names its folder (clean/, noise/, valid/).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from train.data import find_audio, group_name, load_corpus, read_with_rate

DATA = os.environ.get("RTDENOISE_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="RTDENOISE_DATA names no folder with clean/, noise/ and valid/")
FRAME = 320


def loudness(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logarithm of the power of every 20 ms: what a recording keeps of itself at any level, rate or codec."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.log(np.mean(np.square(frames, dtype=np.float32), axis=1) + 1e-7)


def likeness(piece: NDArray[np.floating], whole: NDArray[np.floating]) -> tuple[float, int]:
    """The largest correlation of ``piece`` with any stretch of ``whole``, and where."""
    n = len(piece)
    piece = (piece - piece.mean()) / (piece.std() + 1e-9)
    size = 1 << int(np.ceil(np.log2(len(whole) + n)))
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(piece, size)), size)[: len(whole) - n + 1]
    sums, squares = (np.cumsum(np.concatenate([[0.0], x])) for x in (np.float64(whole), np.float64(whole) ** 2))
    mean = (sums[n:] - sums[:-n]) / n
    spread = np.sqrt(np.maximum((squares[n:] - squares[:-n]) / n - mean**2, 1e-3 * np.var(whole)))
    found = products / (n * spread)
    return float(found.max()), int(found.argmax())


def heard(samples: NDArray[np.floating], corpus: NDArray[np.int16], whole: NDArray[np.floating]) -> float:
    """How much of a recording's waveform is in the corpus, 0 to 1, where its loudness is likest."""
    alike, frame = likeness(loudness(samples), whole)
    if alike < 0.8:
        return 0.0
    start = max(0, (frame - 2) * FRAME)
    there = corpus[start : start + len(samples) + 4 * FRAME].astype(np.float64)
    return likeness(samples[: len(there) - 2 * FRAME], there)[0]


def test_no_file_of_validation_has_the_name_of_one_to_train_on():
    root = Path(str(DATA))
    trained = {path.stem for kind in ("clean", "noise") for path in find_audio(root / kind)}
    kept = {path.stem for kind in ("clean", "noisy") for path in find_audio(root / "valid" / kind)}
    assert not trained & kept
    assert not {group_name(name) for name in trained} & {group_name(name) for name in kept}


@pytest.mark.parametrize("kind", ["clean", "noise"])
def test_no_recording_of_validation_occurs_in_what_is_trained_on(kind, tmp_path_factory):
    """Recordings are looked for by their loudness over time, then by their waveform. Speakers who say something else
    cannot be found so; that they differ is what the data's README promises."""
    root = Path(str(DATA))
    cache = Path(os.environ.get("RTDENOISE_CACHE") or tmp_path_factory.mktemp("cache"))
    corpus = load_corpus(root / kind, cache)
    whole = np.concatenate([loudness(corpus.samples[i : i + FRAME * 10**5]) for i in
                            range(0, len(corpus.samples), FRAME * 10**5)])  # fmt: skip
    rng = np.random.default_rng(0)
    start = len(corpus.samples) // 3
    planted = corpus.samples[start : start + 70000] * 0.3
    planted = planted + rng.normal(0, 0.2 * planted.std(), len(planted))
    assert heard(planted, corpus.samples, whole) > 0.9, "what does occur would not be found"
    for noisy_file in find_audio(root / "valid" / "noisy")[::8]:
        piece, _ = read_with_rate(root / "valid" / "clean" / noisy_file.name, 16000)
        if kind == "noise":
            piece = read_with_rate(noisy_file, 16000)[0] - piece
        assert heard(piece, corpus.samples, whole) < 0.5, noisy_file.name
