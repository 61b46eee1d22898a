"""Loudspeakers that a microphone hears make a loop, and a loop that amplifies howls. Headphones do not."""

from __future__ import annotations

import re

from .devices import DeviceInfo

#: Parts of names of devices that no microphone hears, or that hear no loudspeaker.
_HARMLESS = re.compile(
    "head(phone|set)|ear(phone|bud)|airpod|buds|hands-?free|hdmi|spdif|monitor of|null|virtual|cable|loopback|blackhole"
    "|soundflower|voicemeeter|vb-audio|remap|dummy|denoised",
    re.IGNORECASE,
)
_HARMLESS_NATURES = ("headphones", "virtual")

WARNING = (
    "if the microphone hears the loudspeakers this will howl: wear headphones, or send the sound to a program instead "
    "of loudspeakers"
)


def may_howl(source: object, sink: object, natures: dict[str, str]) -> bool:
    """Whether a microphone and loudspeakers are at work, as far as can be told.

    Args:
        source, sink: ends of a stream; only a `DeviceInfo` is a device of this world.
        natures: what the sound server says about the devices behind them, by kind; see `sound_server.ServerDevice`.
    """
    if not isinstance(source, DeviceInfo) or not isinstance(sink, DeviceInfo):
        return False
    if any(nature in _HARMLESS_NATURES for nature in natures.values()):
        return False
    return not any(_HARMLESS.search(end.name) for end in (source, sink))
