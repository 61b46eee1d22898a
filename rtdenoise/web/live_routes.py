"""What the second view asks for: devices, a run, its end, and how it stands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..panel.orders import parse_order
from ..panel.readings import Wish
from .errors import WebError
from .live import LiveProcess, Wanted

_SOUND_SECONDS, _STATE_SECONDS = 0.05, 0.1


class LiveRoutes:
    """The live half of the application.

    Args:
        live: the live sound; all pages see and steer the same.
    """

    def __init__(self, live: LiveProcess) -> None:
        self._live = live
        self._lock = asyncio.Lock()
        self.routes: list[BaseRoute] = [
            Route("/api/devices", self._devices),
            Route("/api/live", self._start, methods=["POST"]),
            Route("/api/live", self._stop, methods=["DELETE"]),
            WebSocketRoute("/api/live", self._steer),
        ]

    async def _devices(self, request: Request) -> Response:
        """Asked by a process of its own: PortAudio's list stays as it was, and an ALSA that fails takes all with it."""
        command = [sys.executable, "-m", "rtdenoise", "devices", "--json"]
        done = await asyncio.to_thread(_output_of, command)
        devices = json.loads(done) if done else []
        return JSONResponse({kind: _names(devices, kind) for kind in ("input", "output")})

    async def _start(self, request: Request) -> Response:
        try:
            wishes = await request.json()
        except ValueError:
            raise WebError("devices and model are wanted, as JSON") from None
        wanted = Wanted.parse(wishes)
        async with self._lock:
            await asyncio.to_thread(self._live.start, wanted)
        return JSONResponse(self._live.read())

    async def _stop(self, request: Request) -> Response:
        async with self._lock:
            await asyncio.to_thread(self._live.stop)
        return JSONResponse(self._live.read())

    async def _steer(self, socket: WebSocket) -> None:
        """How it stands, ten times a second, and the sound itself; back come wishes."""
        await socket.accept()
        reports = asyncio.create_task(self._report(socket))
        try:
            while not reports.done():
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                for wish in parse_order((message.get("text") or "").encode()):
                    if isinstance(wish, Wish):
                        self._live.order({wish.name: wish.value})
        finally:
            reports.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await reports

    async def _report(self, socket: WebSocket) -> None:
        ears, generation, ticks = None, -1, 0
        while True:
            if self._live.generation != generation:
                generation, ears = self._live.generation, self._live.ears()
            if ears is not None:
                before, after = (ear.read() for ear in ears)
                if len(before) or len(after):
                    head = struct.pack("<II", len(before), len(after))
                    await socket.send_bytes(head + before.tobytes() + after.tobytes())
            if ticks % round(_STATE_SECONDS / _SOUND_SECONDS) == 0:
                await socket.send_json(self._live.read())
            ticks += 1
            await asyncio.sleep(_SOUND_SECONDS)


def _names(devices: list[dict[str, Any]], kind: str) -> list[str]:
    """Of devices that can do it, each once: Windows has them in several systems."""
    return list(dict.fromkeys(device["name"] for device in devices if device[f"{kind}_channels"]))


def _output_of(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return b""
