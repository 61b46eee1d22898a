"""The two ends of a live run: found by what they were called, and the rates at which they work together."""

from __future__ import annotations

from typing import Any

from ..errors import DeviceError
from .clock import SimulatedDevice
from .devices import DEFAULT_NAMES, DeviceInfo, Kind, find_device
from .streams import agree_on_rates
from .virtual import VirtualDevice


def find_end(end: Any, kind: Kind) -> Any:
    """What somebody called a source or sink as what can be opened. Raises DeviceError where there is no such device."""
    if isinstance(end, VirtualDevice):
        return end.find()
    return find_device(end, kind) if isinstance(end, str | int) else end


def default_kinds(source: Any, sink: Any) -> list[Kind]:
    """For which kinds the default device was asked for, whatever it is."""
    words: list[tuple[Any, Kind]] = [(source, "input"), (sink, "output")]
    return [kind for word, kind in words if isinstance(word, str) and DEFAULT_NAMES.get(word.strip().lower()) == kind]


def choose_rates(source: Any, sink: Any, wish: int | None) -> tuple[int, int]:
    """The rates of source and sink: one for both, except where two devices have none in common.

    Raises:
        DeviceError: they have none that was wished for.
    """
    ends: list[tuple[Any, Kind]] = [(source, "input"), (sink, "output")]
    devices = [(end, kind) for end, kind in ends if isinstance(end, DeviceInfo)]
    given: list[int] = [end.sample_rate for end, _ in ends if end is not None and not isinstance(end, DeviceInfo)]
    simulated = [end.sample_rate for end, _ in ends if isinstance(end, SimulatedDevice)]
    chosen = agree_on_rates(devices, [wish] if wish is not None else simulated or given)
    rates = [end.sample_rate if isinstance(end, SimulatedDevice) else chosen.get(kind) for end, kind in ends]
    of_devices = [rate for rate in rates if rate is not None] or [given[0] if wish is None else wish]
    if wish is not None and any(rate != wish for rate in of_devices):
        taken = " and ".join(map(str, dict.fromkeys(of_devices)))
        raise DeviceError(f"{wish} Hz were asked for, but the sound devices take {taken} Hz: let them choose")
    return of_devices[0], of_devices[-1]


def name_of(end: Any) -> str:
    """What people call it."""
    if end is None:
        return "none"
    return str(getattr(end, "name", None) or getattr(end, "path", None) or "pipe")
