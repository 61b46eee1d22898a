"""A WebSocket connection that knows when it last heard something, and of whom there are how many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection


class Connection(ServerConnection):
    """One connection.

    Attributes:
        heard: by `time.perf_counter`; any byte counts, not only whole messages.
        has_token: it was in the request's header.
        address: of the client, for people.

    Args:
        house: those that are open; this one is among them while it is.
        room: how many there may be; one more is dropped.
        on_garbage: is called where something came that was no HTTP.
    """

    def __init__(
        self,
        *arguments: Any,
        house: set[Connection],
        room: int,
        on_garbage: Callable[[Connection], None],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.heard = 0.0
        self.has_token = False
        self.address = "?"
        self._house, self._room, self._on_garbage = house, room, on_garbage

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For asyncio."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = f"{peer[0]}:{peer[1]}" if peer else "?"
        self._house.add(self)
        if len(self._house) > self._room:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """For asyncio."""
        self.heard = time.perf_counter()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio."""
        self._house.discard(self)
        if self.heard and self.request is None:
            self._on_garbage(self)
        super().connection_lost(exc)
