"""What options of the command line take; each raises click.BadParameter with the legal values."""

from __future__ import annotations

import math

import click


def latency(value: str) -> str | float:
    """``low``, ``high``, or milliseconds from 1 to 2000."""
    if value in ("low", "high"):
        return value
    milliseconds = _number(value)
    if not 1 <= milliseconds <= 2000:
        raise click.BadParameter(f"{value!r} is neither low, high, nor milliseconds from 1 to 2000.")
    return milliseconds


def seconds(value: str) -> float:
    """A time above 0."""
    number = _number(value)
    if not 0 < number < math.inf:
        raise click.BadParameter(f"{value!r} is not a number of seconds above 0.")
    return number


def decibels(value: str) -> float:
    """From 0 up."""
    number = _number(value)
    if not 0 <= number < math.inf:
        raise click.BadParameter(f"{value!r} is not a number of decibels from 0 up.")
    return number


def share(value: str) -> float:
    """From 0 up to 1."""
    number = _number(value)
    if not 0 <= number < 1:
        raise click.BadParameter(f"{value!r} is not a share from 0 up to 1, such as 0.75.")
    return number


def whole(lowest: int, highest: int | None = None) -> click.IntRange:
    """A whole number in a range, which is named to those who give none."""
    kind = click.IntRange(lowest, highest)
    kind.name = f"whole number from {lowest} up" + ("" if highest is None else f" to {highest}")
    return kind


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
