"""What the page asks for, and who answers it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import __version__
from ..engine import Denoiser
from ..errors import RtdenoiseError
from ..model import Model, available_models
from . import denoising
from .errors import WebError
from .live import LiveProcess, checked_limit, checked_model
from .live_routes import LiveRoutes
from .uploads import Upload, Uploads

T = TypeVar("T")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Page:
    """The application behind `guard.Guard`.

    Args:
        uploads: what was dropped.
        live: the live sound.
    """

    def __init__(self, uploads: Uploads, live: LiveProcess) -> None:
        self._uploads = uploads
        self._pool = ThreadPoolExecutor(2, "rtdenoise page", _go_last)
        self._static = dict(_static_files())
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/static/{name}", self._file),
                Route("/api/about", self._about),
                Route("/api/files", self._upload, methods=["POST"]),
                Route("/api/sample", self._sample, methods=["POST"]),
                Route("/api/files/{key}/before", self._before),
                Route("/api/files/{key}/after", self._after),
                Route("/api/files/{key}/result", self._result),
                *LiveRoutes(live).routes,
            ],
            exception_handlers={RtdenoiseError: _say},
        )
        self._pool.submit(_warm_up)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _index(self, request: Request) -> Response:
        return self._static_file("index.html")

    async def _file(self, request: Request) -> Response:
        return self._static_file(request.path_params["name"])

    def _static_file(self, name: str) -> Response:
        if name not in self._static:
            raise WebError("there is nothing here", 404)
        content, media_type = self._static[name]
        return Response(content, media_type=media_type)

    async def _about(self, request: Request) -> Response:
        models = [
            {"name": model.name, "sample_rate": model.sample_rate, "latency_ms": model.latency_seconds * 1e3}
            for model in await self._run(available_models)
        ]
        limits = {"bytes": self._uploads.largest_bytes, "seconds": self._uploads.longest_seconds}
        return JSONResponse({"version": __version__, "models": models, "limits": limits})

    async def _upload(self, request: Request) -> Response:
        announced = request.headers.get("content-length", "")
        length = int(announced) if announced.isdigit() else None
        return _described(await self._uploads.take(request.stream(), length, self._pool))

    async def _sample(self, request: Request) -> Response:
        sample = resources.files("rtdenoise").joinpath("samples").joinpath("demo_noisy.flac").read_bytes()

        async def all_at_once() -> AsyncIterator[bytes]:
            yield sample

        return _described(await self._uploads.take(all_at_once(), len(sample), self._pool))

    async def _before(self, request: Request) -> Response:
        return await self._stream(denoising.before(self._uploads.get(request.path_params["key"])))

    async def _after(self, request: Request) -> Response:
        upload, model, limit_db = self._asked(request)
        start = request.query_params.get("start", "0")
        if not (start.isascii() and start.isdigit() and int(start) < upload.frames):
            raise WebError(f"start {start!r} is no sample of this file: it has {upload.frames}")
        return await self._stream(denoising.after(upload, model, limit_db, int(start)))

    async def _result(self, request: Request) -> Response:
        path = await self._run(denoising.save, *self._asked(request))
        # No name: the page knows what the file was called, and this side does not want to.
        headers = {"content-disposition": "attachment"}
        return FileResponse(path, media_type="audio/wav", headers=headers, background=BackgroundTask(path.unlink))

    def _asked(self, request: Request) -> tuple[Upload, Model, float | None]:
        """File, model and attenuation limit that a request names. Raises WebError."""
        upload = self._uploads.get(request.path_params["key"])
        model = Model.load(checked_model(request.query_params.get("model", "stream")))
        limit = request.query_params.get("limit", "")
        try:
            return upload, model, checked_limit(float(limit) if limit else None)
        except ValueError:
            raise WebError(f"attenuation limit {limit!r} is no number of decibels") from None

    async def _stream(self, pieces: Iterator[bytes]) -> Response:
        """The pieces as they come; what goes wrong before the first one is still told."""
        first = await self._run(next, pieces, b"")

        async def all_of_them() -> AsyncIterator[bytes]:
            piece = first
            while piece:
                yield piece
                piece = await self._run(next, pieces, b"")

        return StreamingResponse(all_of_them(), media_type="application/octet-stream")

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _static_files() -> Iterator[tuple[str, tuple[bytes, str]]]:
    """All that the page is made of, read once: no name from outside ever meets a file system."""
    for file in resources.files("rtdenoise").joinpath("web").joinpath("static").iterdir():
        suffix = os.path.splitext(file.name)[1]
        if suffix in _TYPES:
            yield file.name, (file.read_bytes(), _TYPES[suffix])


def _described(upload: Upload) -> Response:
    return JSONResponse(
        {
            "key": upload.key,
            "sample_rate": upload.sample_rate,
            "channels": upload.channels,
            "frames": upload.frames,
            "subtype": upload.subtype,
        }
    )


async def _say(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, WebError) else 400
    return JSONResponse({"error": str(error)}, status)


def _go_last() -> None:
    """Let this thread do its work when nobody else has any: live sound goes first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _warm_up() -> None:
    """What takes a second the first time: imports, compiled code, models."""
    for model in available_models():
        denoiser = Denoiser(model.sample_rate, model.name)
        denoiser.process([0.0] * 2 * denoiser.hop_length)
