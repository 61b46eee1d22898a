"""What client and server say to each other besides sound: JSON objects in text messages, read strictly.

A key that is not known is refused, for it is one that was misspelt, and the client would wait for its effect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import RtdenoiseError
from ..files.pcm import RAW_FORMATS, Encoding

#: Characters of a text message; the longest that makes sense has some hundred.
LONGEST_TEXT = 4096

#: Close codes of RFC 6455 by the reason that an error names.
CLOSE_CODES = {
    "bad_hello": 1007,
    "bad_message": 1007,
    "odd_bytes": 1007,
    "unexpected_binary": 1003,
    "block_too_long": 1009,
    "unauthorised": 1008,
    "hello_timeout": 1008,
    "idle": 1008,
    "full": 1013,
    "draining": 1013,
    "internal": 1011,
}

_HELLO_KEYS = ("type", "sample_rate", "format", "attenuation_limit_db", "bypass", "model", "overlap", "token")
_SET_KEYS = ("type", "attenuation_limit_db", "bypass")


class RefusedError(RtdenoiseError):
    """A client is told why, and its connection ends; nobody else notices.

    Attributes:
        reason: one of `CLOSE_CODES`, for programs.
        text: for people.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text

    @property
    def code(self) -> int:
        """The close code."""
        return CLOSE_CODES[self.reason]

    def as_json(self) -> str:
        """The last message that the client gets."""
        return json.dumps({"type": "error", "reason": self.reason, "message": self.text})


@dataclass(frozen=True)
class Hello:
    """What a client wants. Numbers are as they came; the Denoiser says which are legal."""

    sample_rate: Any
    encoding: Encoding
    attenuation_limit_db: Any = None
    bypass: bool = False
    overlap: Any = None
    model: str | None = None
    token: str | None = None


def read_hello(message: str | bytes) -> Hello:
    """The first message of a client.

    Raises:
        RefusedError: it is no hello.
    """
    example = '{"sample_rate": 16000, "format": "s16le"}'
    if isinstance(message, bytes):
        raise RefusedError("unexpected_binary", f"the first message has to be a hello in JSON, as text: {example}")
    found = _object(message, "bad_hello")
    _check_keys(found, _HELLO_KEYS, "bad_hello")
    if found.get("type", "hello") != "hello":
        raise RefusedError("bad_hello", f"the first message has to be a hello, not {_short(found['type'])}: {example}")
    for key in ("sample_rate", "format"):
        if key not in found:
            raise RefusedError("bad_hello", f"{key} is missing in the hello: {example}")
    if not isinstance(found["format"], str) or found["format"] not in RAW_FORMATS:
        raise RefusedError(
            "bad_hello", f"format={_short(found['format'])} is not known; give {' or '.join(RAW_FORMATS)}"
        )
    for key in ("model", "token"):
        if not isinstance(found.get(key), str | None):
            raise RefusedError("bad_hello", f"{key} has to be a text")
    return Hello(
        sample_rate=found["sample_rate"],
        encoding=RAW_FORMATS[found["format"]],
        attenuation_limit_db=found.get("attenuation_limit_db"),
        bypass=_bypass(found, "bad_hello"),
        overlap=found.get("overlap"),
        model=found.get("model"),
        token=found.get("token"),
    )


def read_control(message: str) -> dict[str, Any]:
    """A text message after the hello: ``{"type": "end"}``, or ``{"type": "set", ...}`` with what is to change.

    Raises:
        RefusedError: it is neither.
    """
    found = _object(message, "bad_message")
    kind = found.get("type")
    if kind == "end":
        _check_keys(found, ("type",), "bad_message")
    elif kind == "set":
        _check_keys(found, _SET_KEYS, "bad_message")
        _bypass(found, "bad_message")
    else:
        raise RefusedError(
            "bad_message", f'type={_short(kind)} is not known; give "set" or "end"; sound goes as binary'
        )
    return found


def _object(message: str, reason: str) -> dict[str, Any]:
    if len(message) > LONGEST_TEXT:
        raise RefusedError(reason, f"a text message of {len(message)} characters; {LONGEST_TEXT} are the most")
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        raise RefusedError(reason, f"{_short(message)} is no JSON; sound goes as binary messages") from None
    if not isinstance(found, dict):
        raise RefusedError(reason, f"{_short(message)} is no JSON object")
    return found


def _check_keys(found: dict[str, Any], known: tuple[str, ...], reason: str) -> None:
    for key in found:
        if key not in known:
            raise RefusedError(reason, f"{_short(key)} is not known here; keys are {', '.join(known)}")


def _bypass(found: dict[str, Any], reason: str) -> bool:
    bypass = found.get("bypass", False)
    if not isinstance(bypass, bool):
        raise RefusedError(reason, f"bypass={_short(bypass)}: give true or false")
    return bypass


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
