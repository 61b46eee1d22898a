"""Devices that programs choose as if they were real: a microphone that we feed, loudspeakers that we listen to."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ..errors import DeviceError
from .cable import find_cable, is_cable, other_side
from .devices import DeviceInfo, Kind, find_device, list_devices
from .sound_server import OWN_PREFIX, connect, gone, server_devices
from .virtual_modules import VirtualPlan, VirtualState, look, make, unload

_LOCK_SECONDS = 5.0
_GOODBYE_SECONDS = 2.0  # a sound server that hangs keeps nobody from ending


class VirtualDevice:
    """A virtual device, there as long as this is open; the last who uses it removes it.

        with VirtualDevice(MICROPHONE) as microphone, Live("mic", microphone) as live:
            live.wait()

    On macOS and Windows it is a cable that somebody installed: see `cable.find_cable`.

    Args:
        plan: `MICROPHONE` or `SPEAKERS`.

    Attributes:
        choose: the name to choose in the other program; after `find`.
    """

    def __init__(self, plan: VirtualPlan) -> None:
        self.plan = plan
        self.choose = plan.title
        self._holding: Any = None
        self._lock = threading.Lock()

    def find(self) -> DeviceInfo:
        """The device to open, made if it is not there: at first, and when the server has forgotten it.

        Raises:
            DeviceError: it can be neither found nor made; the message says what to do.
        """
        if not sys.platform.startswith("linux"):
            found = find_cable(self.plan.word, self.plan.kind, list_devices(), sys.platform)
            self.choose = other_side(found.name)
            return found
        with self._lock, _alone():
            if self._holding is None:
                self._holding = _connect(self.plan.word)
            try:
                with _spoken_to():
                    make(self._holding, self.plan)
            except DeviceError:
                self._let_go()
                raise
        return _as_device(self.plan)

    def close(self) -> None:
        """Remove it, unless somebody else uses it or wants it kept. Done at once if the server is."""
        if self._holding is not None:
            goodbye = threading.Thread(target=self._leave, name="rtdenoise goodbye", daemon=True)
            goodbye.start()
            try:
                goodbye.join(_GOODBYE_SECONDS)
            except KeyboardInterrupt:  # the second Ctrl+C of the impatient
                goodbye.join(_GOODBYE_SECONDS)
                raise

    def _leave(self) -> None:
        with contextlib.suppress(DeviceError), self._lock, _alone():
            self._let_go()

    def _let_go(self) -> None:
        try:
            with contextlib.suppress(DeviceError), _spoken_to():
                state = look(self._holding, self.plan)
                if state.there and not state.kept and len(state.users) <= 1:
                    unload(self._holding, self.plan)
        finally:
            self._holding.close()
            self._holding = None

    def __enter__(self) -> VirtualDevice:
        try:
            self.find()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def create(plan: VirtualPlan) -> bool:
    """Make a virtual device that stays until `remove`; whether there was none of that kind.

    Raises:
        DeviceError: it cannot be made, or is there for as long as some process lives.
    """
    with _alone(), _server() as connection:
        state = look(connection, plan)
        if state.kept:
            return make(connection, plan, keep=True)  # a half of it may have gone
        if state.users:
            raise DeviceError(
                f"{plan.title!r} is there as long as process {', '.join(state.users)} runs, which made it; end that "
                "first, then create one that stays"
            )
        if state.there:
            unload(connection, plan)
        return make(connection, plan, keep=True)


def remove(plan: VirtualPlan) -> bool:
    """Remove a virtual device, also one that a crash left behind; whether there was one.

    Raises:
        DeviceError: a process of ours uses it.
    """
    with _alone(), _server() as connection:
        state = look(connection, plan)
        if state.users:
            raise DeviceError(
                f"{plan.title!r} is in use by process {', '.join(state.users)}; end that first (Ctrl+C, or kill)"
            )
        if state.there:
            unload(connection, plan)
        return state.there


def status(plan: VirtualPlan) -> VirtualState:
    """How it stands with a virtual device. Raises DeviceError where there is no sound server."""
    with _server() as connection:
        return look(connection, plan)


def not_ours(word: str, kind: Kind) -> str:
    """What ``mic`` or ``speakers`` means beside a virtual device.

    Args:
        word: ``mic`` or ``speakers``.
        kind: ``"input"`` or ``"output"``.

    Returns:
        The word itself, unless the default device is one of ours, which would hear itself: then the server's name of
        another one, hardware first.

    Raises:
        DeviceError: there is no other, or the default is a cable, beside which nobody can tell the right one.
    """
    if not sys.platform.startswith("linux"):
        default = find_device(word, kind)
        if is_cable(default.name):
            raise DeviceError(
                f"{word} is {default.name!r}, the virtual cable itself, which would hear itself: name the real device, "
                "see `rtdenoise devices`"
            )
        return word
    _, devices = server_devices()
    there = [device for device in devices if device.kind == kind]
    if not any(device.is_default and device.name.startswith(OWN_PREFIX) for device in there):
        return word
    others = [device for device in there if not device.name.startswith(OWN_PREFIX)]
    others.sort(key=lambda device: (device.nature == "virtual", device.name.endswith(".monitor")))
    if not others:
        raise DeviceError(
            f"the default {kind} is rtdenoise's own virtual device, and there is no other for {word!r}; plug one in"
        )
    return others[0].name


def _as_device(plan: VirtualPlan) -> DeviceInfo:
    found = [device for device in list_devices() if device.server_name == plan.opened]
    if not found:
        raise DeviceError(
            f"{plan.title!r} is there, but PortAudio cannot open devices of the sound server here; install the plugin "
            "that does it (Debian, Ubuntu: sudo apt install libasound2-plugins)"
        )
    return found[0]


@contextlib.contextmanager
def _server() -> Iterator[Any]:
    with contextlib.closing(_connect("virtual devices")) as connection, _spoken_to():
        yield connection


def _connect(purpose: str) -> Any:
    connection = connect(purpose)
    if connection is None:
        raise DeviceError(_why_not_connected())
    return connection


def _why_not_connected() -> str:
    if not sys.platform.startswith("linux"):
        return "virtual devices are made on Linux only; macOS has BlackHole, Windows VB-CABLE"
    try:
        import pulsectl  # noqa: F401
    except ImportError:
        return "virtual devices need the Python package pulsectl, which is not installed: pip install pulsectl"
    except OSError:
        return "virtual devices need PulseAudio's library, which is not installed: sudo apt install libpulse0"
    return (
        "no PulseAudio or PipeWire answers here, and virtual devices are theirs; start one: systemctl --user start "
        "pipewire-pulse, or pulseaudio --start"
    )


@contextlib.contextmanager
def _spoken_to() -> Iterator[None]:
    """What pulsectl raises when a server goes becomes an error for people."""
    try:
        yield
    except gone() as error:
        raise DeviceError(
            f"the sound server has gone while it was asked for a virtual device ({type(error).__name__}); try again"
        ) from None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: two that load the same sink would get two, and the last one removes what another found.

    Raises:
        DeviceError: somebody else is at it for seconds.
    """
    import fcntl

    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = os.path.join(folder, f"rtdenoise-{os.getuid()}.lock")
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DeviceError(
                        f"another rtdenoise has been changing virtual devices for {_LOCK_SECONDS:g} s; is it stopped? "
                        f"End it, or see who holds {path}"
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)
