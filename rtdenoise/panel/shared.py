"""Memory that two processes share: a file that both map."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from pathlib import Path

#: A mapped file on a disk makes its writer wait now and then, with all threads of Python; one in memory never.
_MEMORY_FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class SharedMemory:
    """A mapped file, zeros at first.

    Args:
        size: in bytes.
        suffix: of its name, if it is made.
        path: of one that was made; by default a new one is made.

    Attributes:
        memory: what is mapped.
        path: by which another process finds it.

    Raises:
        OSError: it cannot be made or mapped.
    """

    def __init__(self, size: int, suffix: str, path: Path | None = None) -> None:
        if path is None:
            number, name = tempfile.mkstemp(suffix, "rtdenoise-", _MEMORY_FOLDER)
            os.write(number, bytes(size))  # allocated: on a full disk a hole in a mapped file ends the process
            path = Path(name)
        else:
            number = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self.path = path
        try:
            self.memory = mmap.mmap(number, size)
        finally:
            os.close(number)

    def remove(self) -> None:
        """Unmap and delete it, if the other side has not."""
        with contextlib.suppress(BufferError):  # an audio thread that would not end still looks at it
            self.memory.close()
        with contextlib.suppress(OSError):  # Windows: not while the other side has it open
            self.path.unlink(missing_ok=True)
