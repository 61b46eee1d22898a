"""What is said when a file cannot be written, mostly because the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import soundfile

from ..errors import AudioFileError

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}


class NotWrittenError(AudioFileError):
    """The place that is written to takes no more; what is wrong is not the file that is read."""


@contextlib.contextmanager
def why_not_written(path: Path, left: str) -> Iterator[None]:
    """Make a NotWrittenError of what the system or libsndfile raises while ``path`` is written.

    Args:
        path: the file.
        left: what has become of it, for the end of the message.
    """
    try:
        yield
    except (soundfile.SoundFileError, OSError, AssertionError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".") or "not everything was taken"
        way_out = "choose a folder that you may write to"
        if getattr(error, "errno", None) not in _FORBIDDEN:
            way_out = "make room or choose another folder"
            with contextlib.suppress(OSError):
                reason += f"; {shutil.disk_usage(Path(os.path.realpath(path)).parent).free / 1e6:.0f} MB are free there"
        raise NotWrittenError(f"{path} could not be written ({reason}): {way_out}; {left}") from None
