"""What a process that steers a live run writes to it: lines of JSON, each with what somebody wishes."""

from __future__ import annotations

import json
import math

from .readings import Key, Wish

#: What may be wished for, and of what kinds it is.
WISHES = {"bypass": (bool,), "muted": (bool,), "recording": (bool,), "attenuation_limit_db": (int, float, type(None))}


def parse_order(line: bytes) -> list[Key | Wish]:
    """What a line asks for; nothing, where it is none that is known."""
    try:
        order = json.loads(line)
    except ValueError:
        return []
    if not isinstance(order, dict):
        return []
    if order.get("quit") is True:
        return [Key.QUIT]
    return [Wish(name, order[name]) for name in WISHES if name in order and is_legal(name, order[name])]


def is_legal(name: str, value: object) -> bool:
    """Whether ``value`` may be wished for ``name``: dB are from 0 up, or ``None``."""
    kinds = WISHES[name]
    if isinstance(value, bool) or value is None:
        return type(value) in kinds
    return isinstance(value, int | float) and float in kinds and 0 <= value < math.inf
