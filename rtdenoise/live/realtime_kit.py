"""RealtimeKit: what grants desktop programs a priority on Linux that the system itself keeps for root.

It is asked over D-Bus, is never needed, and keeps nobody waiting. It grants real-time priority only to a process that
has a limit to how long its threads may compute without a pause. The kernel warns who reaches half of that, and kills
who exceeds it; at the warning all priority is given back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from .priority import CLIENT_PRIORITY

_NAME, _PATH = "org.freedesktop.RealtimeKit1", "/org/freedesktop/RealtimeKit1"
_ANSWER_SECONDS = 0.5

_granted: set[int] = set()


def ask_realtime_kit(threads: Mapping[int, int]) -> set[int]:
    """Ask for real-time priority; the main thread has to be the first to do so.

    Args:
        threads: of this process, by the system's numbers, and the priority that each is to have.

    Returns:
        Those that got it; none where there is no such service, or it refuses, or does not answer in half a second.
    """
    if not sys.platform.startswith("linux"):
        return set()
    try:
        from jeepney.io.blocking import open_dbus_connection
    except ImportError:
        return set()
    granted: set[int] = set()
    # What can go wrong in a library that talks to a service that talks to another one is not worth telling apart.
    with contextlib.suppress(Exception):
        if signal.getsignal(signal.SIGXCPU) is not _give_back:
            signal.signal(signal.SIGXCPU, _give_back)
        connection = open_dbus_connection("SYSTEM", auth_timeout=_ANSWER_SECONDS)
        with contextlib.closing(connection):
            highest = _property(connection, "MaxRealtimePriority")
            _limit_work(_property(connection, "RTTimeUSecMax"))
            for thread, priority in threads.items():
                allowed = max(1, priority - max(0, CLIENT_PRIORITY - highest))  # in the same order
                _call(connection, _NAME, "MakeThreadRealtime", "tu", (thread, allowed))
                granted.add(thread)
    _granted.update(granted)
    return granted


def _give_back(number: int, frame: Any) -> None:
    while _granted:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.sched_setscheduler(_granted.pop(), os.SCHED_OTHER, os.sched_param(0))


def _limit_work(most_microseconds: int) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    if hard == resource.RLIM_INFINITY or hard > most_microseconds:
        resource.setrlimit(resource.RLIMIT_RTTIME, (most_microseconds // 2, most_microseconds))


def _property(connection: Any, name: str) -> int:
    ((_, value),) = _call(connection, "org.freedesktop.DBus.Properties", "Get", "ss", (_NAME, name))
    return int(value)


def _call(connection: Any, interface: str, method: str, signature: str, arguments: tuple[Any, ...]) -> Any:
    from jeepney import DBusAddress, new_method_call
    from jeepney.wrappers import unwrap_msg

    message = new_method_call(DBusAddress(_PATH, _NAME, interface), method, signature, arguments)
    return unwrap_msg(connection.send_and_get_reply(message, timeout=_ANSWER_SECONDS))
