"""Who is let in, and how it is kept secret: tokens, addresses of this machine, TLS."""

from __future__ import annotations

import hmac
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ParameterError

#: Where the token may stand, so that it is on no command line, which others can read.
TOKEN_VARIABLE = "RTDENOISE_TOKEN"


def check_token(token: str, origin: str) -> str:
    """The token, if a header can carry it.

    Raises:
        ParameterError: it cannot; the message does not show it.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ParameterError(
            f"{origin}: a token is one word of visible ASCII characters, and this is "
            f"{'empty' if not token else 'something else'}; make one with: openssl rand -hex 32"
        )
    return token


def find_token(given: str | None, file: Path | None) -> str | None:
    """The token from the command line, else from a file, else from the environment; None where nobody gave one.

    Raises:
        ParameterError: it cannot be read, or is none.
    """
    if given is not None:
        return check_token(given, "--token")
    if file is not None:
        try:
            return check_token(file.read_text(encoding="utf-8").strip(), f"--token-file {file}")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ParameterError(f"--token-file {file} cannot be read: {reason}; check the path") from None
    if TOKEN_VARIABLE in os.environ:
        return check_token(os.environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For a server with this certificate (and the chain behind it) and key, both PEM.

    Raises:
        ParameterError: they cannot be read, or do not fit each other.
    """
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ParameterError(f"{option} {path} cannot be read: {error.strerror}; check the path") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # never asks on the terminal
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"--tls-cert {certificate} and --tls-key {key} are no pair of a PEM certificate and its key without a "
            f"password ({getattr(error, 'reason', None) or error})"
        ) from None
    return context


def same_token(given: str | None, wanted: str) -> bool:
    """Whether they are equal; takes as long for every wrong one."""
    return given is not None and hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def allows_origin(origin: str, allowed: Sequence[str], *, open_to_all: bool) -> bool:
    """Whether a browser's page may connect.

    Args:
        origin: of the page, as the browser says.
        allowed: origins; where there are some, no other one is.
        open_to_all: there is no token that the page has to have, so of others only pages of this machine may: any page
            that somebody looks at could otherwise use a server on their own machine.
    """
    if allowed:
        return origin in allowed
    return not open_to_all or is_loopback(urlsplit(origin).hostname or "")
