"""Virtual cables that people install on macOS and Windows, where no program can make a virtual device by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DeviceError
from .devices import DeviceInfo, Kind, of_best_host_api


@dataclass(frozen=True)
class _Cable:
    product: str
    ends: dict[str, tuple[str, ...]]  # by what we use it for: how the names begin, the best first
    install: str


#: With two cables there is one for each direction; one for both would bring what you say back to you.
_CABLES = {
    "darwin": _Cable(
        "BlackHole",
        {
            "virtual-mic": ("BlackHole 2ch", "BlackHole"),
            "virtual-speakers": ("BlackHole 16ch", "BlackHole 64ch", "BlackHole"),
        },
        "brew install --cask blackhole-2ch, or https://existential.audio/blackhole/",
    ),
    "win32": _Cable(
        "VB-CABLE",
        {
            "virtual-mic": ("CABLE Input", "CABLE-A Input", "CABLE-B Input"),
            "virtual-speakers": ("CABLE-B Output", "CABLE-A Output", "CABLE Output"),
        },
        "https://vb-audio.com/Cable/",
    ),
}


class CableMissingError(DeviceError):
    """There is no virtual cable.

    Attributes:
        advice: a second line: what to do after the installation.
    """

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


def find_cable(word: str, kind: Kind, devices: Sequence[DeviceInfo], system: str) -> DeviceInfo:
    """The end of a virtual cable that we open.

    Args:
        word: ``virtual-mic`` or ``virtual-speakers``.
        kind: how we open it.
        devices: what there is.
        system: ``darwin`` or ``win32``, as `sys.platform` has it.

    Raises:
        CableMissingError: none is installed; what to do is in the message.
        DeviceError: nobody knows how on this system.
    """
    cable = _CABLES.get(system)
    if cable is None:
        raise DeviceError(f"{word} is for Linux, macOS and Windows, and this is {system!r}; name a device instead")
    for beginning in cable.ends[word]:
        found = [device for device in devices if device.channels(kind) and device.name.startswith(beginning)]
        if found:
            return of_best_host_api(found)[0]
    raise CableMissingError(
        f"{word} needs {cable.product}, which is not installed: {cable.install}, then restart the computer",
        f"then run this again and choose {other_side(cable.ends[word][0])!r} in the call program",
    )


def is_cable(name: str) -> bool:
    """Whether a device is an end of a virtual cable that `find_cable` may take."""
    return name.startswith(("BlackHole", "CABLE Input", "CABLE Output", "CABLE-A ", "CABLE-B "))


def other_side(name: str) -> str:
    """What other programs have to choose where we opened this end."""
    if not name.startswith("CABLE"):
        return name  # BlackHole's ends have one name
    inwards = " Input" in name
    return name.replace(" Input", " Output") if inwards else name.replace(" Output", " Input")
