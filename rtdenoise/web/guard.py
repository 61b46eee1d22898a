"""Who is let in: nobody without the token, no other page of the browser, no name but this computer's own."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NO_TOKEN = "open the whole address that rtdenoise web has printed: it ends with a token\n"
_WRONG_PLACE = "this page is for the browser of this computer only, at the address that rtdenoise web has printed\n"


class Guard:
    """Stands before an application, for HTTP and WebSocket.

    Whoever opens ``/?token=...`` gets a cookie, and everything else wants that. The names in ``Host`` and ``Origin``
    have to be this computer's own: another page in the same browser sends its own origin, and a name that somebody lets
    point to 127.0.0.1 is not ours.

    Args:
        app: what is guarded.
        port: where it is served.

    Attributes:
        token: what the address ends with; a new one each time.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.token, self._pass = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._cookie = f"rtdenoise_{port}"  # cookies do not tell ports apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        brings_token = scope["path"] == "/" and self._brings_token(scope)
        refusal = self._refusal(scope, brings_token)
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers())
                if brings_token and not refusal:
                    cookie = f"{self._cookie}={self._pass}; HttpOnly; SameSite=Strict; Path=/"
                    headers.append("set-cookie", cookie)
            await send(message)

        answer = PlainTextResponse(refusal, 403) if refusal else self._app
        await answer(scope, receive, send_safely)

    def _refusal(self, scope: Scope, brings_token: bool) -> str:
        """Why not, or nothing."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return _WRONG_PLACE
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if origin != f"http://{host}" and not (reads and origin is None):
            return _WRONG_PLACE
        if brings_token:
            return ""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _WRONG_PLACE
        return "" if self._has_pass(headers) else _NO_TOKEN

    def _brings_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return secrets.compare_digest(given.encode(), self.token.encode())

    def _has_pass(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self._pass.encode())

    def _headers(self) -> dict[str, str]:
        """Of every answer: nothing from elsewhere, nothing for elsewhere, nothing kept."""
        sockets = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; "
            "worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        return {
            "content-security-policy": policy,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "microphone=(self), camera=(), geolocation=()",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        }
