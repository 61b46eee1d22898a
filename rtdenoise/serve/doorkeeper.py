"""What is answered to an HTTP request: a page for those who look after the server, a no, or a stream."""

from __future__ import annotations

import json
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .. import __version__
from .access import allows_origin, same_token
from .connection import Connection

if TYPE_CHECKING:
    from .server import Server

_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"


class Doorkeeper:
    """Answers requests that come to one port.

    Args:
        server: whose.
        streams: whether they are served here.
        metrics: whether they are shown here.
    """

    def __init__(self, server: Server, *, streams: bool, metrics: bool) -> None:
        self._server, self._streams, self._metrics = server, streams, metrics

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """For websockets: the answer, or None where a stream may begin."""
        assert isinstance(connection, Connection)
        path = request.path.partition("?")[0]
        if path == "/health":
            return self._health()
        settings = self._server.settings
        if origins := request.headers.get_all("Origin"):
            open_to_all = settings.token is None
            if not all(allows_origin(origin, settings.origins, open_to_all=open_to_all) for origin in origins):
                return _plain(HTTPStatus.FORBIDDEN, f"pages of {', '.join(origins)} may not connect; see --origin")
        if settings.token is not None:
            given = [value.strip() for value in request.headers.get_all("Authorization")]
            kinds = [value.partition(" ") for value in given]
            connection.has_token = any(
                kind.lower() == "bearer" and same_token(token.strip(), settings.token) for kind, _, token in kinds
            )
            if not connection.has_token and (given or path == "/metrics"):
                answer = _plain(HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN")
                answer.headers["WWW-Authenticate"] = "Bearer"
                return answer
        if path == "/metrics" and self._metrics:
            return _answer(HTTPStatus.OK, _TEXT, self._server.metrics.page())
        if path != "/" or not self._streams:
            there = ["/"] * self._streams + ["/health"] + ["/metrics"] * self._metrics
            return _plain(HTTPStatus.NOT_FOUND, f"there is nothing here; there is {', '.join(there)}")
        if self._server.draining:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "this server is about to end; try another one")
        if self._server.is_crowded:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again later")
        return None

    def process_response(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """For websockets: counts what was refused."""
        assert isinstance(connection, Connection)
        if response.status_code >= 400 and request.path.partition("?")[0] != "/health":
            self._server.count_error(connection, f"http_{response.status_code}", response.reason_phrase)

    def _health(self) -> Response:
        server = self._server
        found = {
            "status": "draining" if server.draining else "ok",
            "streams": server.metrics.streams,
            "max_streams": server.settings.limits.clients,
            "version": __version__,
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE if server.draining else HTTPStatus.OK
        return _answer(status, _JSON, json.dumps(found).encode() + b"\n")


def _plain(status: HTTPStatus, text: str) -> Response:
    return _answer(status, _TEXT, f"{text}\n".encode("ascii", "backslashreplace"))


def _answer(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": kind,
            "Cache-Control": "no-store",
        }
    )
    return Response(status.value, status.phrase, headers, body)
