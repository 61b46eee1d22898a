"""Where recordings come from and results go: a folder of this machine, or whatever fsspec can reach.

A result comes under its final name whole or not at all: here it is renamed when it is complete, see
`files.audio_file.FileWriter`; elsewhere `remote` takes care.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from ..errors import MissingPackageError, ParameterError
from ..files.full_disk import why_not_written
from .log import LocalLog, Log

#: What `FileWriter` calls a file that is not finished.
PART = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}\.part")


@dataclass
class Listing:
    """What lies in a folder and below; names are relative to it, with ``/``.

    Attributes:
        files: name to size in bytes and stamp, see `work.Task`.
        links: links that lead out of the folder, to other folders, or to nothing; they are not followed.
        faults: what could not be looked into, and why.
    """

    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


class Folder(Protocol):
    """A place with files."""

    def listing(self, skip: Folder | None = None) -> Listing:
        """All files, but none that lies in the folder ``skip``."""
        ...

    def reading(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A file that can be read under the given path for as long as the context lasts."""
        ...

    def writing(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A path to write a file to; when the context ends without an exception, it is in the folder."""
        ...

    def remove(self, name: str) -> None:
        """Take a file away if it is there and can be."""
        ...

    def remove_parts(self, name: str) -> None:
        """Take away what a worker that died has left of a file."""
        ...

    def log(self) -> Log:
        """Open the journal's lines; raises AudioFileError where somebody else has it open."""
        ...


class LocalFolder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.realpath(path))

    def listing(self, skip: Folder | None = None) -> Listing:
        """See `Folder.listing`."""
        found, waiting = Listing(), [""]
        left_out = skip.path if isinstance(skip, LocalFolder) else None
        while waiting:
            below = waiting.pop()
            try:
                with os.scandir(self.path / below) as entries:
                    for entry in entries:
                        name = f"{below}/{entry.name}" if below else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            if Path(entry.path) != left_out:
                                waiting.append(name)
                        else:
                            self._add(entry, name, found)
            except OSError as error:
                found.faults[below or "."] = f"{self.path / below} cannot be looked into: {error.strerror}"
        return found

    def _add(self, entry: os.DirEntry[str], name: str, found: Listing) -> None:
        if entry.is_symlink():
            real = Path(os.path.realpath(entry.path))
            if not (real.is_file() and real.is_relative_to(self.path)):
                found.links.append(name)
                return
        if entry.is_file():
            if not _is_text(name):
                found.faults[name] = "its name is not UTF-8, which sound files are opened by; rename it"
                return
            about = entry.stat()
            found.files[name] = (about.st_size, str(about.st_mtime_ns))

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """See `Folder.reading`."""
        yield self.path / name

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See `Folder.writing`. Raises NotWrittenError where folders cannot be made."""
        path = self.path / name
        with why_not_written(path, "no file was left"):
            path.parent.mkdir(parents=True, exist_ok=True)
        yield path

    def remove(self, name: str) -> None:
        """See `Folder.remove`."""
        with contextlib.suppress(OSError):
            (self.path / name).unlink()

    def remove_parts(self, name: str) -> None:
        """See `Folder.remove_parts`."""
        path = self.path / name
        with contextlib.suppress(OSError):
            for other in os.listdir(path.parent):
                if (part := PART.fullmatch(other)) and part["stem"] == path.stem:
                    self.remove(str(path.parent / other))

    def log(self) -> Log:
        """See `Folder.log`. Makes the folder if need be."""
        with why_not_written(self.path, "nothing was done"):
            self.path.mkdir(parents=True, exist_ok=True)
        return LocalLog(self.path)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=8)
def open_folder(place: str) -> Folder:
    """The folder that a path or URL names; it need not be there.

    Raises:
        MissingPackageError: what reaches URLs is not installed.
        ParameterError: the URL is of no known kind.
    """
    if place.startswith("file://"):
        return LocalFolder(place.removeprefix("file://"))
    if "://" not in place:
        return LocalFolder(place)
    try:
        from .remote import RemoteFolder
    except ImportError:
        raise MissingPackageError(f"{place}: URLs need fsspec: pip install 'rtdenoise[cluster]'") from None
    return RemoteFolder(place)


def check_apart(source: Folder, target: Folder, names: tuple[str, str]) -> None:
    """Raise ParameterError where results could fall on recordings; results in a folder below are fine.

    Args:
        source, target: what is read, and written.
        names: what the user calls them.
    """
    if not (isinstance(source, LocalFolder) and isinstance(target, LocalFolder)):
        same = names[0].rstrip("/") == names[1].rstrip("/")
        inside = names[0].startswith(names[1].rstrip("/") + "/")
    else:
        same = source.path == target.path or (target.path.exists() and source.path.samefile(target.path))
        inside = source.path.is_relative_to(target.path)
    if same:
        raise ParameterError(f"IN_DIR and OUT_DIR are the same folder, {names[1]}; give the results one of their own")
    if inside:
        raise ParameterError(
            f"IN_DIR {names[0]} lies inside OUT_DIR {names[1]}, where results could fall on recordings; "
            "give the results a folder beside it, or below it"
        )
