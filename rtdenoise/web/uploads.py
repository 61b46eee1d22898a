"""What was dropped on the page: a few files in a folder of our own, under names of our own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from ..errors import AudioFileError
from ..files.audio_file import FileReader
from .errors import WebError

LARGEST_BYTES = 100 << 20
LONGEST_SECONDS = 600
_MOST_FRAMES = LONGEST_SECONDS * 48000  # the browser keeps all of them, twice
_MOST_CHANNELS = 8
_KEPT = 6  # of them; the browser has all that it plays
_READ_AT_ONCE = 1 << 16  # frames

_FOR_MORE = "for more there is rtdenoise --input FILE --output FILE"


@dataclass(frozen=True)
class Upload:
    """One file. ``key`` is what the page calls it."""

    key: str
    path: Path
    sample_rate: int
    channels: int
    frames: int
    subtype: str


class Uploads:
    """Keeps the last few files that came; the folder goes with `close`.

    Args:
        largest_bytes, longest_seconds: what is taken at most.
    """

    def __init__(self, largest_bytes: int = LARGEST_BYTES, longest_seconds: float = LONGEST_SECONDS) -> None:
        self.largest_bytes, self.longest_seconds = largest_bytes, longest_seconds
        self.folder = Path(tempfile.mkdtemp(prefix="rtdenoise-web-"))
        self._kept: dict[str, Upload] = {}

    async def take(
        self, pieces: AsyncIterable[bytes], announced_bytes: int | None = None, examiner: Executor | None = None
    ) -> Upload:
        """Keep a file that comes in pieces.

        Args:
            pieces: of its content.
            announced_bytes: how many will come, if that was said.
            examiner: reads the file through, to the end: what is kept can be played. A thread of its own by default.

        Raises:
            WebError: too large, too long, no audio, damaged, or the disk is full.
        """
        self._check_size(announced_bytes or 0)
        key = secrets.token_urlsafe(12)
        path = self.folder / f"{key}.upload"
        size = 0
        try:
            with path.open("wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    self._check_size(size)
                    file.write(piece)
            upload = await asyncio.get_running_loop().run_in_executor(examiner, self._examined, key, path)
            self._keep(upload)
            return upload
        except OSError as error:
            path.unlink(missing_ok=True)
            raise WebError(f"the file could not be kept in {self.folder}: {error.strerror}", 507) from None
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def get(self, key: str) -> Upload:
        """One that is kept. Raises WebError where it is not."""
        upload = self._kept.get(key)
        if upload is None:
            raise WebError("this file is no longer kept here; drop it again", 404)
        return upload

    def close(self) -> None:
        """Forget all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check_size(self, size: int) -> None:
        if size > self.largest_bytes:
            most = self.largest_bytes / (1 << 20)
            raise WebError(f"the file is too large: the page takes up to {most:g} MB; {_FOR_MORE}", 413)

    def _examined(self, key: str, path: Path) -> Upload:
        """Read a file from beginning to end. Raises WebError."""
        try:
            with contextlib.closing(FileReader(path, "the file")) as reader:
                frames = reader.frames or 0
                upload = Upload(key, path, reader.sample_rate, reader.channels, frames, reader.subtype)
                self._check_length(upload)
                while len(reader.read(_READ_AT_ONCE)):
                    pass
        except AudioFileError as error:
            raise WebError(str(error), 415) from None
        return upload

    def _check_length(self, upload: Upload) -> None:
        frames, rate = upload.frames, upload.sample_rate
        longest = min(self.longest_seconds, _MOST_FRAMES / rate)
        if frames > longest * rate:
            raise WebError(
                f"the file lasts {_clock(frames / rate)}: at {rate} Hz the page takes up to {_clock(longest)}; "
                f"{_FOR_MORE}",
                413,
            )
        if upload.channels > _MOST_CHANNELS:
            raise WebError(
                f"the file has {upload.channels} channels: the page takes up to {_MOST_CHANNELS}; {_FOR_MORE}", 413
            )

    def _keep(self, upload: Upload) -> None:
        while len(self._kept) >= _KEPT:
            oldest = self._kept.pop(next(iter(self._kept)))
            with contextlib.suppress(OSError):  # Windows: somebody reads it
                oldest.path.unlink(missing_ok=True)
        self._kept[upload.key] = upload


def _clock(seconds: float) -> str:
    """Hours, minutes, seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h" if minutes >= 60 else f"{minutes}:{rest:02} min"
