"""What goes wrong in a callback or in the worker reaches the main thread, once, and everything is put back."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rtdenoise.errors import AudioFileError, DeviceError, ParameterError
from rtdenoise.live.clock import Flags, SimulatedDevice
from rtdenoise.live.priority import promote_thread
from rtdenoise.live.realtime import Alarm, lock_memory, quiet_interpreter
from rtdenoise.live.session import Live

pytestmark = pytest.mark.alone

RATE = 16000


class FullDisk:
    """A writer that takes a fifth of a second and no more."""

    sample_rate, channels = RATE, 1

    def __init__(self):
        self.room = RATE // 5
        self.is_full = threading.Event()

    def write(self, samples):
        self.room -= len(samples)
        if self.room < 0:
            self.is_full.set()
            raise AudioFileError("the disk is full")

    def close(self): ...

    def abort(self): ...


class StuckPipe:
    """A reader whose other end says nothing."""

    sample_rate, channels, frames = RATE, 1, None

    def __init__(self):
        self.speak = threading.Event()

    def read(self, n):
        self.speak.wait()
        return np.zeros((0, 1), np.float32)

    def check_end(self): ...

    def close(self): ...


@pytest.fixture(autouse=True)
def everything_is_put_back():
    """No thread, no disabled collector, no switch interval outlives a stream, however it ended."""
    before = gc.isenabled(), sys.getswitchinterval(), threading.active_count()
    yield
    assert (gc.isenabled(), sys.getswitchinterval(), threading.active_count()) == before


def test_an_exception_in_the_worker_is_raised_by_wait_and_not_again_by_stop(identity):
    live = Live(SimulatedDevice(RATE), FullDisk(), model=identity)
    live.start()
    with pytest.raises(AudioFileError, match="the disk is full"):
        live.wait(10)
    live.stop()


def test_an_exception_that_nobody_waited_for_is_raised_by_stop(identity):
    disk = FullDisk()
    live = Live(SimulatedDevice(RATE), disk, model=identity)
    live.start()
    assert disk.is_full.wait(10)
    with pytest.raises(AudioFileError, match="the disk is full"):
        live.stop()


def test_an_exception_of_the_with_block_is_not_covered_up(identity):
    disk = FullDisk()

    def use():
        with Live(SimulatedDevice(RATE), disk, model=identity):
            assert disk.is_full.wait(10)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        use()


@pytest.mark.parametrize("direction", ["input", "output"])
def test_an_exception_in_a_callback_is_raised_by_wait_and_silence_is_played(identity, direction):
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    with Live(device, device, model=identity) as live:
        device.step(20)
        wrong = np.ones((1000, 2), np.float32)  # a driver that does not keep to the block length
        (device._capture if direction == "input" else device._play)(wrong, 1000, None, Flags())
        if direction == "output":
            assert not wrong.any()
        with pytest.raises(ValueError, match=r"shape|broadcast"):
            live.wait(1)


def test_wait_ends_in_time_and_says_that_the_source_has_not(identity):
    with Live(SimulatedDevice(RATE), None, model=identity) as live:
        begun = time.monotonic()
        assert live.wait(0.2) is False
        assert 0.2 <= time.monotonic() - begun < 2
    assert live.wait() is True  # nothing runs any more


def test_a_start_that_fails_puts_everything_back_and_can_be_tried_again(identity, monkeypatch):
    device = SimulatedDevice(RATE, np.ones(RATE), paced=False)
    live = Live(device, device, model=identity)

    def refuse(*_):
        raise DeviceError("in use")

    with monkeypatch.context() as patched:
        patched.setattr(device, "open_output", refuse)
        with pytest.raises(DeviceError, match="in use"):
            live.start()
    assert gc.isenabled()
    with live:
        device.step(100)
    assert device.heard.any()


def test_a_worker_that_is_stuck_in_a_pipe_does_not_hold_up_the_end(identity):
    pipe = StuckPipe()
    live = Live(pipe, SimulatedDevice(RATE), model=identity)
    live.start()
    begun = time.monotonic()
    live.stop()
    assert time.monotonic() - begun < 1
    pipe.speak.set()
    for thread in threading.enumerate():
        if thread.name == "rtdenoise worker":
            thread.join()


def test_two_streams_side_by_side_share_the_quiet_interpreter(identity):
    first, second = (Live(SimulatedDevice(RATE), None, model=identity) for _ in range(2))
    first.start()
    second.start()
    first.stop()
    assert not gc.isenabled()
    second.stop()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with quiet_interpreter():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_alarm_wakes_at_once_before_or_during_sleep_and_only_once():
    alarm = Alarm()
    alarm.ring()
    alarm.ring()
    begun = time.monotonic()
    alarm.sleep(10)
    assert time.monotonic() - begun < 5
    alarm.sleep(0.01)  # nobody rang again
    sleeper = threading.Thread(target=alarm.sleep, args=(10,))
    sleeper.start()
    alarm.ring()
    sleeper.join(5)
    assert not sleeper.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that gives up its rights")
def test_a_thread_without_the_right_to_priority_goes_on_without():
    resource = pytest.importorskip("resource")
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
        os.setuid(65534)
        os._exit(0 if promote_thread(10) is False else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is locked on Linux only")
def test_memory_is_locked_only_where_there_is_no_limit_to_it():
    resource = pytest.importorskip("resource")
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
        os.setuid(65534)
        refused = lock_memory() is False
        os._exit(0 if refused and bytearray(1 << 24) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    if os.geteuid() == 0:
        child = os.fork()
        if child == 0:
            locked = lock_memory()
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmLck"))
            os._exit(0 if not locked or kilobytes > 1000 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "SCHED_FIFO") or os.geteuid() != 0, reason="only root may for sure")
def test_a_thread_with_the_right_to_priority_gets_it_alone():
    seen = []

    def promoted():
        seen.append(promote_thread(7))
        seen.append(os.sched_getscheduler(0) & ~getattr(os, "SCHED_RESET_ON_FORK", 0))
        seen.append(os.sched_getparam(0).sched_priority)

    thread = threading.Thread(target=promoted)
    thread.start()
    thread.join()
    assert seen == [True, os.SCHED_FIFO, 7]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize("latency", ["lowest", 0, 2001, float("nan"), None, ""])
def test_a_latency_that_is_none_is_refused(identity, latency):
    with pytest.raises(ParameterError, match=r"latency=.*give low, high, or milliseconds from 1 to 2000"):
        Live(SimulatedDevice(RATE), None, model=identity, latency=latency)
