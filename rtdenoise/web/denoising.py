"""A file as the page plays it: samples before and after, piece by piece, as fast as they come; and the result."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine import Denoiser
from ..files.audio_file import FileReader, FileWriter, best_subtype
from ..files.convert import convert
from ..model import Model
from .uploads import Upload

Float32 = NDArray[np.float32]

_PIECE_SECONDS = 0.5
_WARM_UP_SECONDS = 3.0  # before the place where somebody listens: what a model remembers


def before(upload: Upload) -> Iterator[bytes]:
    """All samples as little-endian float32, channels interleaved."""
    with contextlib.closing(FileReader(upload.path, "the file")) as reader:
        for block in _blocks(reader, 0, upload.frames):
            yield _packed(block)


def after(upload: Upload, model: Model, limit_db: float | None, start: int) -> Iterator[bytes]:
    """All samples denoised, from the frame ``start`` to the end and then from the beginning up to there, see `before`.

    So a change can be heard at once wherever the listener is. In front of ``start`` the model hears a few seconds,
    which is as good as having heard all of it.
    """
    warm_up = min(start, round(_WARM_UP_SECONDS * upload.sample_rate))
    yield from _denoised(upload, model, limit_db, start - warm_up, start, upload.frames)
    yield from _denoised(upload, model, limit_db, 0, 0, start)


def save(upload: Upload, model: Model, limit_db: float | None) -> Path:
    """Denoise it as the command line does, into a WAV file with the rate, channels and, as far as WAV can, the depth of
    the upload; returns where it is."""
    path = upload.path.with_name(f"{secrets.token_hex(8)}.wav")
    with contextlib.closing(FileReader(upload.path, "the file")) as reader:
        like = best_subtype("WAV", upload.subtype, None)
        writer = FileWriter(path, reader.sample_rate, reader.channels, like=like, force=True)
        convert(reader, writer, model=model, attenuation_limit_db=limit_db)
    return path


def _denoised(
    upload: Upload, model: Model, limit_db: float | None, begin: int, first: int, end: int
) -> Iterator[bytes]:
    """Frames from ``first`` up to ``end``, by streams that begin at ``begin``."""
    if first >= end:
        return
    denoisers = [Denoiser(upload.sample_rate, model, limit_db) for _ in range(upload.channels)]
    skip, left = denoisers[0].latency + first - begin, end - first

    def cut(ready: list[Float32]) -> Float32:
        nonlocal skip, left
        samples = np.stack(ready, axis=1)
        kept = samples[skip : skip + left]
        skip -= min(skip, len(samples))
        left -= len(kept)
        return kept

    with contextlib.closing(FileReader(upload.path, "the file")) as reader:
        for block in _blocks(reader, begin, upload.frames):
            kept = cut([denoiser.process(block[:, channel]) for channel, denoiser in enumerate(denoisers)])
            if len(kept):
                yield _packed(kept)
            if not left:
                return
    yield _packed(cut([denoiser.flush() for denoiser in denoisers]))


def _blocks(reader: FileReader, begin: int, end: int) -> Iterator[Float32]:
    piece = max(1, round(_PIECE_SECONDS * reader.sample_rate))
    position = 0
    while position < begin and len(block := reader.read(min(piece, begin - position))):
        position += len(block)
    while position < end and len(block := reader.read(min(piece, end - position))):
        position += len(block)
        yield block


def _packed(samples: Float32) -> bytes:
    return samples.astype("<f4").tobytes()
