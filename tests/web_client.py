"""A client of the page's server: what a browser sends, or anything else."""

from __future__ import annotations

import http.client
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from rtdenoise.web.server import PageServer


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def samples(self) -> np.ndarray:
        return np.frombuffer(self.body, "<f4")


class Client:
    """Asks a server as its own page would, with the cookie that the token gave."""

    def __init__(self, server: PageServer) -> None:
        self.port = server.port
        self.origin = f"http://127.0.0.1:{self.port}"
        path = server.address.removeprefix(self.origin)
        self.cookie = self.bare("GET", path).headers["set-cookie"].split(";")[0]

    def bare(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send just this; a header that is None goes without."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send what the page would send."""
        return self.bare(method, path, body, {"Cookie": self.cookie, "Origin": self.origin} | headers)

    def upload(self, data: bytes) -> Answer:
        return self.ask("POST", "/api/files", data)


def sound(samples: np.ndarray, sample_rate: int, format: str = "WAV", subtype: str | None = None) -> bytes:
    """A sound file in memory."""
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=format, subtype=subtype)
    return file.getvalue()
