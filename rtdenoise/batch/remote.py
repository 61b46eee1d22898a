"""Object stores and other file systems by fsspec: files are copied here, denoised, and copied back when complete."""

from __future__ import annotations

import contextlib
import posixpath
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from ..errors import AudioFileError, ParameterError, RtdenoiseError
from .folders import Folder, Listing
from .log import NAME, Log

#: Where an object is there whole or not at all, so it needs no other name before; renaming would copy it once more.
_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2", "b2"}
#: What file systems call the time of the last change.
_STAMPS = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "created")

_FLUSH_SECONDS = 5.0


class RemoteFolder:
    """A folder that a URL names.

    Raises:
        ParameterError: the kind of URL is unknown, or its driver is not installed.
        AudioFileError: nobody answers there.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._fs, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ParameterError(f"{url} cannot be reached: {error}; install what fsspec needs for it") from None
        except Exception as error:
            raise AudioFileError(f"{url} cannot be reached ({_reason(error)}); check the address") from None
        self._root = root.rstrip("/")
        protocols = (self._fs.protocol,) if isinstance(self._fs.protocol, str) else self._fs.protocol
        self._is_store = not _STORES.isdisjoint(protocols)

    def listing(self, skip: Folder | None = None) -> Listing:
        """See `Folder.listing`. Raises AudioFileError where the place cannot be reached."""
        found = Listing()
        left_out = skip._root + "/" if isinstance(skip, RemoteFolder) and skip._fs is self._fs else None
        with self._said("listed"):
            self._fs.invalidate_cache()
            everything: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        for path, about in everything.items():
            name = path[len(self._root) + 1 :]
            if left_out is not None and path.startswith(left_out):
                continue
            if not name or "\\" in name or {"", ".", ".."} & set(name.split("/")):
                found.faults[path] = f"{path!r} is no name that a file could have; rename it"
                continue
            stamp = next((str(about[key]) for key in _STAMPS if about.get(key) is not None), "")
            found.files[name] = (int(about["size"] or 0), stamp)
        return found

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """See `Folder.reading`. Raises AudioFileError where it cannot be fetched."""
        with tempfile.TemporaryDirectory(prefix="rtdenoise-") as folder:
            path = Path(folder) / posixpath.basename(name)
            with self._said("read", name):
                self._fs.get_file(f"{self._root}/{name}", str(path))
            try:
                yield path
            except RtdenoiseError as error:  # people know the file by its URL
                error.args = (str(error).replace(str(path), f"{self.url}/{name}"),)
                raise

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See `Folder.writing`. Raises AudioFileError where it cannot be sent."""
        with tempfile.TemporaryDirectory(prefix="rtdenoise-") as folder:
            path = Path(folder) / posixpath.basename(name)
            yield path
            with self._said("written", name):
                self._put(path, f"{self._root}/{name}")

    def _put(self, path: Path, target: str) -> None:
        if self._is_store:
            self._fs.put_file(str(path), target)
            return
        parent, base = posixpath.split(target)
        part = f"{parent}/.{posixpath.splitext(base)[0]}.{secrets.token_hex(4)}.part"
        self._fs.makedirs(parent, exist_ok=True)
        try:
            self._fs.put_file(str(path), part)
            self._fs.mv(part, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm_file(part)
            raise

    def remove(self, name: str) -> None:
        """See `Folder.remove`."""
        with contextlib.suppress(Exception):
            self._fs.rm_file(f"{self._root}/{name}")

    def remove_parts(self, name: str) -> None:
        """Nothing: what is left is found by its name when the work goes on."""

    def log(self) -> Log:
        """See `Folder.log`; nobody is kept out, for object stores have no locks."""
        return RemoteLog(self)

    @contextlib.contextmanager
    def _said(self, done: str, name: str = "") -> Iterator[None]:
        """Whatever a driver raises as one line."""
        try:
            yield
        except Exception as error:
            place = f"{self.url}/{name}".rstrip("/")
            raise AudioFileError(
                f"{place} cannot be {done} ({_reason(error)}); check the address and your rights"
            ) from None


class RemoteLog:
    """A folder with a file for every few seconds of lines, since stores cannot add to a file.

    A run that is killed loses the last seconds; what they told is done again and comes out the same.
    """

    def __init__(self, folder: RemoteFolder) -> None:
        self._said, self._fs, self._root = folder._said, folder._fs, f"{folder._root}/{NAME}"
        self._run, self._count = f"{time.time_ns():020d}", 0
        self._waiting: list[str] = []
        self._flushed = 0.0

    def lines(self) -> list[str]:
        """See `Log.lines`."""
        with self._said("read", NAME):
            parts = sorted(self._fs.find(self._root))
            return [line for part in parts for line in self._fs.cat_file(part).decode().splitlines()]

    def append(self, lines: list[str]) -> None:
        """See `Log.append`; written after five seconds at the most, the first ones at once."""
        self._waiting += lines
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._flush()

    def clear(self) -> None:
        """See `Log.clear`."""
        with self._said("removed", NAME):
            if self._fs.exists(self._root):
                self._fs.rm(self._root, recursive=True)

    def close(self) -> None:
        """Write what waits."""
        self._flush()

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._waiting:
            text = "".join(f"{line}\n" for line in self._waiting)
            with self._said("written", NAME):
                self._fs.makedirs(self._root, exist_ok=True)
                self._fs.pipe_file(f"{self._root}/{self._run}-{self._count:06d}.jsonl", text.encode())
            self._waiting, self._count = [], self._count + 1


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
