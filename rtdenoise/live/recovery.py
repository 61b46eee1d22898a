"""A device has gone: everything is closed, and opened again when it is back, in a thread that may wait for drivers."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..errors import DeviceError
from .devices import refresh_devices
from .realtime import Faults
from .route import Route

_POLL_SECONDS = 0.3


class Recovery:
    """Takes a route down and lays a new one as soon as it can.

    Closing, asking and opening may each hang for as long as a sound server hangs; so nobody else waits for them.

    Args:
        route: the old one.
        lay: lays and starts a new one; raises DeviceError while a device is not there.
        uses_portaudio: whether its list of devices has to be refreshed.
        faults: keeps anything else that ``lay`` raises.

    Attributes:
        route: the new one, once it runs.
    """

    def __init__(self, route: Route, lay: Callable[[], Route], *, uses_portaudio: bool, faults: Faults) -> None:
        self.route: Route | None = None
        self._old, self._lay, self._uses_portaudio, self._faults = route, lay, uses_portaudio, faults
        self._given_up = threading.Event()
        self._lock = threading.Lock()  # between a route that is ready and giving up
        self._thread = threading.Thread(target=self._run, name="rtdenoise recovery", daemon=True)
        self._thread.start()

    def give_up(self, timeout_seconds: float) -> None:
        """Look no further, and leave nothing running; a thread that hangs in a driver is left to itself."""
        self._given_up.set()
        with self._lock:
            if self.route is not None:
                self.route.stop()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._old.stop(timeout_seconds=None)
            while not self._given_up.is_set():
                try:
                    if self._uses_portaudio:
                        refresh_devices()
                    route = self._lay()
                except DeviceError:
                    self._given_up.wait(_POLL_SECONDS)
                else:
                    self._hand_over(route)
                    return
        except BaseException as error:
            self._faults.keep(error)

    def _hand_over(self, route: Route) -> None:
        with self._lock:
            if self._given_up.is_set():
                route.stop()
            else:
                self.route = route
