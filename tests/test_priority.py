"""Threads that go first on systems that this test may not run on: what is asked of them, and that nobody else is."""

from __future__ import annotations

import ctypes
import os
import sys

import pytest

from rtdenoise.live import priority
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live


class Function:
    """Of a C library: notes how it is called."""

    def __init__(self, calls, name, result):
        self.calls, self.name, self.result = calls, name, result

    def __call__(self, *arguments):
        self.calls.append((self.name, *arguments))
        return self.result(*arguments) if callable(self.result) else self.result


class Library:
    def __init__(self, calls, **functions):
        for name, result in functions.items():
            setattr(self, name, Function(calls, name, result))


def policy():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


@pytest.mark.skipif(not hasattr(os, "SCHED_FIFO") or os.geteuid() != 0, reason="only root may for sure")
def test_who_waits_goes_first_meanwhile_and_not_for_longer(identity, monkeypatch):
    seen = []
    with Live(SimulatedDevice(16000), None, model=identity) as live:
        monkeypatch.setattr(live, "_look_after", lambda route: seen.append((policy(), os.sched_getparam(0))))
        live.wait(0.01)
    assert seen[0] == (os.SCHED_FIFO, os.sched_param(priority.SUPERVISOR_PRIORITY))
    assert policy() == os.SCHED_OTHER
    with priority.supervising(), priority.supervising():  # the inner one finds that it has been decided
        assert policy() == os.SCHED_FIFO
    assert policy() == os.SCHED_OTHER


def test_where_it_is_not_allowed_waiting_works_as_well(monkeypatch):
    monkeypatch.setattr(priority, "promote_thread", lambda level: False)
    with priority.supervising():
        pass
    monkeypatch.delattr(os, "sched_getscheduler", raising=False)
    with priority.supervising():
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux")
def test_on_linux_no_other_system_is_asked(monkeypatch):
    for name in ("_promote_on_windows", "_promote_on_macos"):
        monkeypatch.setattr(priority, name, lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(priority, "promote_thread", lambda level: level == priority.WORKER_PRIORITY)
    assert priority.promote_worker(0.008) is True


@pytest.mark.parametrize("handle", [0, 4711])
def test_on_windows_the_worker_joins_the_class_of_audio_threads(monkeypatch, handle):
    calls = []
    library = Library(calls, AvSetMmThreadCharacteristicsW=handle)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: library if name == "avrt" else None, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert priority.promote_worker(0.008) is bool(handle)
    assert calls[0][:2] == ("AvSetMmThreadCharacteristicsW", "Pro Audio")


@pytest.mark.parametrize("status", [0, 46])
def test_on_macos_the_worker_gets_half_of_each_hop(monkeypatch, status):
    calls, seen = [], []

    def say_timebase(reference):
        reference._obj.numerator, reference._obj.denominator = 125, 3  # of Apple's processors
        return 0

    def take(thread, flavor, reference, count):
        policy = reference._obj
        seen.append((thread, flavor, policy.period, policy.computation, policy.constraint, policy.preemptible, count))
        return status

    library = Library(
        calls, mach_timebase_info=say_timebase, pthread_self=1, pthread_mach_thread_np=99, thread_policy_set=take
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert priority.promote_worker(0.008) is (status == 0)
    assert seen == [(99, 2, 192_000, 96_000, 192_000, 1, 4)]


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_where_the_system_knows_nothing_of_it_the_thread_goes_on(monkeypatch, platform):
    for loader in ("WinDLL", "CDLL"):
        monkeypatch.setattr(ctypes, loader, lambda name: object(), raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert priority.promote_worker(0.008) is False
