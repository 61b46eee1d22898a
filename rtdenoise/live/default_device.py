"""Whether the system's default device is still the one that was opened.

On Linux the sound server moves streams by itself. On macOS and Windows PortAudio knows the default device of the moment
when it was started, and its streams stay where they are; there the system is asked, once a second, and PortAudio is
started anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from .devices import Kind

_ASK_SECONDS = 1.0

#: macOS: the system itself as an audio object, and the selectors of its properties, four letters each.
_SYSTEM_OBJECT, _GLOBAL_SCOPE, _MAIN_ELEMENT = 1, int.from_bytes(b"glob", "big"), 0
_SELECTORS = {"input": int.from_bytes(b"dIn ", "big"), "output": int.from_bytes(b"dOut", "big")}

#: Windows: the class and the interface of what knows endpoints, places of its methods, and their arguments.
_ENUMERATOR = UUID("bcde0395-e52f-467c-8e3d-c4579291692e")
_ENUMERATOR_FACE = UUID("a95664d2-9614-4f35-a746-de8db63617e6")
_ANY_CONTEXT, _ONE_THREAD, _CONSOLE = 23, 2, 0
_FLOWS = {"input": 1, "output": 0}  # eCapture, eRender
_RELEASE, _GET_DEFAULT_ENDPOINT, _GET_ID = 2, 4, 5


class DefaultWatch:
    """Notices that the default device has changed.

    Args:
        kinds: for which it is followed.
    """

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = list(kinds)
        self._known, self._asked = self._ask(), time.monotonic()

    def changed(self) -> bool:
        """Whether it has since the last time that this was True, or the beginning; to be asked now and then."""
        if not self._kinds or time.monotonic() - self._asked < _ASK_SECONDS:
            return False
        before, now = self._known, self._ask()
        # Where there is none for a moment, as between two devices, the old one still counts.
        self._known = [old if new is None else new for old, new in zip(before, now, strict=True)]
        self._asked = time.monotonic()
        return any(old not in (None, new) for old, new in zip(before, self._known, strict=True))

    def _ask(self) -> list[Any]:
        return [system_default(kind) for kind in self._kinds]


def system_default(kind: Kind) -> int | str | None:
    """What the system calls its default device now; None where it has none, or where nobody needs to know."""
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "darwin":
            return _on_macos(kind)
        if sys.platform == "win32":
            return _on_windows(kind)
    return None


class _PropertyAddress(ctypes.Structure):
    _fields_ = (("selector", ctypes.c_uint32), ("scope", ctypes.c_uint32), ("element", ctypes.c_uint32))


def _on_macos(kind: Kind) -> int | None:
    audio: Any = ctypes.CDLL("/System/Library/Frameworks/CoreAudio.framework/CoreAudio")
    address = _PropertyAddress(_SELECTORS[kind], _GLOBAL_SCOPE, _MAIN_ELEMENT)
    device, size = ctypes.c_uint32(0), ctypes.c_uint32(4)
    failed = audio.AudioObjectGetPropertyData(
        _SYSTEM_OBJECT, ctypes.byref(address), 0, None, ctypes.byref(size), ctypes.byref(device)
    )
    return device.value if not failed and device.value else None


def _on_windows(kind: Kind) -> str | None:
    ole: Any = ctypes.WinDLL("ole32")  # type: ignore[attr-defined,unused-ignore]
    ole.CoTaskMemFree.argtypes = [ctypes.c_void_p]
    enumerator, endpoint, name = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    maker, made = ((ctypes.c_ubyte * 16).from_buffer_copy(guid.bytes_le) for guid in (_ENUMERATOR, _ENUMERATOR_FACE))
    with contextlib.ExitStack() as cleanup:
        if ole.CoInitializeEx(None, _ONE_THREAD) >= 0:  # as PortAudio does
            cleanup.callback(ole.CoUninitialize)
        if ole.CoCreateInstance(maker, None, _ANY_CONTEXT, made, ctypes.byref(enumerator)):
            return None
        cleanup.callback(_method(enumerator, _RELEASE), enumerator)
        if _method(enumerator, _GET_DEFAULT_ENDPOINT)(enumerator, _FLOWS[kind], _CONSOLE, ctypes.byref(endpoint)):
            return None  # there is no device
        cleanup.callback(_method(endpoint, _RELEASE), endpoint)
        if _method(endpoint, _GET_ID)(endpoint, ctypes.byref(name)) or name.value is None:
            return None
        cleanup.callback(ole.CoTaskMemFree, name)
        return ctypes.wstring_at(name.value)


def _method(thing: ctypes.c_void_p, place: int) -> Any:
    """A method of a COM object, by its place in the table that the object begins with a pointer to."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    return ctypes.CFUNCTYPE(ctypes.c_long)(table[place] or 0)
