"""Lines that are only ever added, for the journal: a file that one process at a time holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from ..errors import AudioFileError
from ..files.full_disk import why_not_written

NAME = ".rtdenoise-batch.jsonl"

_FAR = 1 << 40  # where Windows locks a byte that nobody reads


class Log(Protocol):
    """Lines of text without their ends."""

    def lines(self) -> list[str]:
        """All lines there are."""
        ...

    def append(self, lines: list[str]) -> None:
        """Add lines at the end; the system has them when this returns. Raises NotWrittenError."""
        ...

    def clear(self) -> None:
        """Begin anew."""
        ...

    def close(self) -> None:
        """Let others have it."""
        ...


class LocalLog:
    """A file in a folder; locked, so that the system lets go of it however its holder ends.

    Raises:
        AudioFileError: it cannot be opened, or another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - held until `close`
        except OSError as error:
            raise AudioFileError(
                f"{folder} cannot be written: {error.strerror}; choose a folder that you may write to"
            ) from None
        if not _lock(self._file.fileno()):
            self._file.close()
            raise AudioFileError(
                f"another rtdenoise batch is writing to {folder}; wait for its end, or give this one another OUT_DIR"
            )

    def lines(self) -> list[str]:
        """See `Log.lines`."""
        self._file.seek(0)
        return self._file.read().decode(errors="replace").splitlines()

    def append(self, lines: list[str]) -> None:
        """See `Log.append`. A line that an earlier end has cut off stays apart."""
        text = "".join(f"{line}\n" for line in lines).encode()
        with why_not_written(self._path, "what is done is kept"):
            end = self._file.seek(0, os.SEEK_END)
            if end:
                self._file.seek(end - 1)
                text = text if self._file.read(1) == b"\n" else b"\n" + text
            try:
                if self._file.write(text) != len(text):
                    raise OSError("not everything was taken")
            except OSError:
                self._file.truncate(end)
                raise

    def clear(self) -> None:
        """See `Log.clear`."""
        self._file.truncate(0)

    def close(self) -> None:
        """See `Log.close`."""
        self._file.close()


class NoLog:
    """Where nobody has begun yet, and nothing is to be left behind."""

    def lines(self) -> list[str]:
        """None."""
        return []

    def append(self, lines: list[str]) -> None:
        """Forget them."""

    def clear(self) -> None:
        """Nothing is there."""

    def close(self) -> None:
        """Nothing is held."""


def _lock(descriptor: int) -> bool:
    """Whether nobody else holds it; a file system that knows no locks is taken at its word."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
