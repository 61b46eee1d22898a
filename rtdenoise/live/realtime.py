"""What Python needs to keep a deadline: an interpreter that does not tidy up meanwhile, and nobody who has to wait."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator

_SWITCH_INTERVAL_SECONDS = 0.0005  # a callback waits this long at most for a thread that computes in Python
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4

_quiet_count, _quiet_lock = 0, threading.Lock()
_before: tuple[bool, float] = (True, 0.005)


@contextlib.contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No garbage collection, and quick hand-over between threads, until the last of those who asked has left.

    A collection stops every thread for as long as it takes: with objects of a whole program, several hops.
    """
    global _quiet_count, _before
    with _quiet_lock:
        _quiet_count += 1
        if _quiet_count == 1:
            _before = gc.isenabled(), sys.getswitchinterval()
            gc.collect()
            gc.freeze()
            gc.disable()
            sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_count -= 1
            if _quiet_count == 0:
                sys.setswitchinterval(_before[1])
                gc.unfreeze()
                if _before[0]:
                    gc.enable()


def lock_memory() -> bool:
    """Keep in memory what this process has used and will use, if it may lock as much as it likes (Linux).

    Pages are locked as they are touched, so nothing is read in that nobody uses. Under a limit nothing is done: past it
    every allocation would fail.

    Returns:
        Whether it worked; where it did not, a page may have to be read back while a callback waits.
    """
    if not sys.platform.startswith("linux"):
        return False
    import resource

    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and os.geteuid() != 0:
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)
    return False


class Alarm:
    """Wakes one sleeping thread from a callback, which must never wait: a lock used as a flag.

    A `threading.Event` has a lock inside that a sleeping thread holds now and then; this one has none.
    """

    def __init__(self) -> None:
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def ring(self) -> None:
        """Wake the sleeper, or let its next sleep end at once; never blocks, from any thread."""
        if self._asleep.locked():
            with contextlib.suppress(RuntimeError):  # somebody else rang in between
                self._asleep.release()

    def sleep(self, timeout_seconds: float) -> None:
        """Return after a `ring`, one that came before included, or after the timeout."""
        self._asleep.acquire(timeout=timeout_seconds)


class Faults:
    """The first exception of any audio thread, kept for the main thread to raise."""

    def __init__(self) -> None:
        self.first: BaseException | None = None
        self._raised = False

    def keep(self, error: BaseException) -> None:
        """Keep ``error`` if it is the first; later ones are mostly its consequences."""
        if self.first is None:
            self.first = error

    def check(self) -> None:
        """Raise what was kept, once."""
        if self.first is not None and not self._raised:
            self._raised = True
            raise self.first
