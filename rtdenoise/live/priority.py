"""Threads that go first: by the system's own call where it allows that, else where somebody grants it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Priorities of the audio threads where the system grants them. The driver's callbacks go before the worker, whose
#: hop may take longer than a callback can wait. The supervisor looks after them, and holds Python's lock meanwhile.
CLIENT_PRIORITY, CALLBACK_PRIORITY, WORKER_PRIORITY, SUPERVISOR_PRIORITY = 21, 20, 15, 10

_CLIENT_THREADS = {"threaded-ml", "data-loop.0", "pw-data-loop"}

_THREAD_TIME_CONSTRAINT_POLICY, _ITS_FIELDS = 2, 4  # of macOS
_WORKING_SHARE = 0.5  # of a hop that the worker may compute


def promote_thread(priority: int, thread: int = 0) -> bool:
    """Run a thread before all ordinary ones, if Linux lets us (root, or a limit for rtprio).

    Args:
        priority: 1 to 99, higher goes first.
        thread: the system's number of it; 0 is the calling one.

    Returns:
        Whether it worked; where it did not, the thread goes on as it was.
    """
    if not hasattr(os, "sched_setscheduler"):
        return False  # Windows and macOS: PortAudio has raised its threads itself
    policy = os.SCHED_FIFO | getattr(os, "SCHED_RESET_ON_FORK", 0)
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
    except OSError:
        return False
    return True


def promote_worker(hop_seconds: float) -> bool:
    """Do the same for the calling thread, on any system.

    Args:
        hop_seconds: how often it has something to do.
    """
    if sys.platform == "win32":
        return _promote_on_windows()
    if sys.platform == "darwin":
        return _promote_on_macos(hop_seconds)
    return promote_thread(WORKER_PRIORITY)


@contextlib.contextmanager
def supervising() -> Iterator[None]:
    """Let the calling thread go first as well while it looks after the audio threads.

    An ordinary one that has to wait for the processor just when it has Python's lock lets all of them wait: beside
    programs that compute on every core an underrun every minute or so.
    """
    if not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield  # another system, or somebody has decided for this thread already
        return
    promoted = promote_thread(SUPERVISOR_PRIORITY)
    try:
        yield
    finally:
        if promoted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def promote_sound_client() -> list[int]:
    """Do the same for the threads through which PulseAudio's client library talks to its server, or PipeWire to it.

    They are neither the driver's nor ours, but stand between: where they wait for the processor, callbacks come late.

    Returns:
        The system's numbers of those that could not be promoted.
    """
    refused = []
    for task in Path("/proc/self/task").glob("*"):  # Linux only; elsewhere there is nothing
        with contextlib.suppress(OSError):
            named = (task / "comm").read_text().strip() in _CLIENT_THREADS
            if named and not promote_thread(CLIENT_PRIORITY, int(task.name)):
                refused.append(int(task.name))
    return refused


def _promote_on_windows() -> bool:
    """The class of threads for which Windows' multimedia scheduler keeps time; PortAudio asks for the same one."""
    try:
        library: Any = ctypes.WinDLL("avrt")  # type: ignore[attr-defined,unused-ignore]
        library.AvSetMmThreadCharacteristicsW.restype = ctypes.c_void_p
        return bool(library.AvSetMmThreadCharacteristicsW("Pro Audio", ctypes.byref(ctypes.c_ulong(0))))
    except (AttributeError, OSError):  # a Windows without it
        return False


class _Timebase(ctypes.Structure):
    _fields_ = (("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32))


class _TimeConstraint(ctypes.Structure):
    _fields_ = (
        ("period", ctypes.c_uint32),
        ("computation", ctypes.c_uint32),
        ("constraint", ctypes.c_uint32),
        ("preemptible", ctypes.c_int),
    )


def _promote_on_macos(hop_seconds: float) -> bool:
    """The policy of CoreAudio's own threads: so much work in each period, done within it."""
    try:
        system: Any = ctypes.CDLL(None)
        timebase = _Timebase()
        system.mach_timebase_info(ctypes.byref(timebase))
        period = round(hop_seconds * 1e9 * timebase.denominator / timebase.numerator)
        policy = _TimeConstraint(period, round(_WORKING_SHARE * period), period, 1)
        system.pthread_self.restype = ctypes.c_void_p
        system.pthread_mach_thread_np.argtypes = [ctypes.c_void_p]
        thread = system.pthread_mach_thread_np(system.pthread_self())
        done = system.thread_policy_set(thread, _THREAD_TIME_CONSTRAINT_POLICY, ctypes.byref(policy), _ITS_FIELDS)
        return bool(done == 0)
    except (AttributeError, OSError):
        return False
