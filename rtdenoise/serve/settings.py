"""What a server is told when it starts, checked before anything listens."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ParameterError
from .access import TOKEN_VARIABLE, check_token, is_loopback


@dataclass(frozen=True)
class Limits:
    """What one client may do, so that the others do not notice; times in seconds.

    Attributes:
        clients: streams at a time.
        block: samples of one message.
        speed: times real time, that a client may send at; faster ones are slowed down. A message counts as 1 ms at
            least.
        hello: until the first message.
        idle: without a message.
        stuck: for which a client may not take what it gets.
        silence: without a sign of life, after which it is asked for one, and dropped after as long again.
    """

    clients: int = 200
    block: int = 65536
    speed: float = 4.0
    hello: float = 10.0
    idle: float = 60.0
    stuck: float = 10.0
    silence: float = 20.0

    def __post_init__(self) -> None:
        for name in ("clients", "block"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)} is not possible; give 1 or more")
        for name in ("speed", "hello", "idle", "stuck", "silence"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name}={getattr(self, name)} is not possible; give more than 0")
        if self.speed < 1:
            raise ParameterError(f"speed={self.speed} would not keep up with real time; give 1 or more")


@dataclass(frozen=True)
class Settings:
    """All of it.

    Args:
        host, port: where to listen; port 0 takes a free one.
        metrics_port: where /metrics is instead of on ``port``.
        models: that clients may choose from, names or paths; the first one is for those that do not say.
        workers: compute threads; None for one a core.
        token: that clients have to show; None for anybody, on this machine only unless ``insecure_no_token``.
        origins: of browser pages that may connect, such as ``https://example.org``; with none given, any page that
            has the token, or pages of this machine.
        certificate, key: PEM files, for TLS.
        limits: of one client.

    Raises:
        ParameterError: a value that is not possible, or a server that would be open to everybody.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    metrics_port: int | None = None
    models: tuple[str, ...] = ("stream",)
    workers: int | None = None
    token: str | None = None
    insecure_no_token: bool = False
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("port", "metrics_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise ParameterError(f"{name}={port} is no port; give 0 to 65535")
        if self.metrics_port is not None and self.metrics_port == self.port != 0:
            raise ParameterError(f"metrics_port={self.metrics_port} is the port itself; leave it out, or take another")
        if not self.models:
            raise ParameterError('models=() leaves nothing to denoise with; give ("stream",)')
        if self.workers is not None and self.workers < 1:
            raise ParameterError(f"workers={self.workers} is not possible; give 1 or more, or None for one a core")
        if (self.certificate is None) != (self.key is None):
            raise ParameterError("TLS needs both a certificate and its key; only one was given")
        if self.token is not None:
            check_token(self.token, "token")
        elif not self.insecure_no_token and not is_loopback(self.host):
            raise ParameterError(
                f"host {self.host} lets other machines in, and there is no token; set {TOKEN_VARIABLE} or give "
                "--token-file, or say --insecure-no-token if everybody may"
            )


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
