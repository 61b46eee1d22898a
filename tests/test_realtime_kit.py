"""RealtimeKit: asked where the system refuses, never waited for, and given back before the kernel kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import bus
import pytest

from rtdenoise.live import realtime_kit

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RealtimeKit is for Linux")
in_ci = os.environ.get("CI") == "true"  # where nothing is left out for want of a package
needs_a_bus = pytest.mark.skipif(bus.DAEMON is None and not in_ci, reason="no dbus-daemon here")
pytestmark = [pytest.mark.alone, linux_only]

KIT = "org.freedesktop.RealtimeKit1"
DAEMON = Path("/usr/libexec/rtkit-daemon")

ASK = """
import json, os, resource, threading, time
from rtdenoise.live.priority import promote_thread
from rtdenoise.live.realtime_kit import ask_realtime_kit
own, me, begun = promote_thread(15), threading.get_native_id(), time.monotonic()
got = ask_realtime_kit({me: 21, me + 1: 15}) if os.environ.get("TWO") else ask_realtime_kit({me: 15})
print(json.dumps({
    "own": own, "got": me in got, "count": len(got), "seconds": time.monotonic() - begun,
    "policy": os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK,
    "priority": os.sched_getparam(0).sched_priority, "limit": resource.getrlimit(resource.RLIMIT_RTTIME),
}))
"""


def ask(address, before=(), **environment):
    """What a process of its own, which may have lost some rights, sees."""
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address} | environment
    command = [*before, sys.executable, "-c", ASK]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout)


def properties(arguments):
    return "v", ({"MaxRealtimePriority": ("i", 19), "RTTimeUSecMax": ("x", 150_000)}[arguments[1]],)


@pytest.fixture
def address(tmp_path):
    with bus.running(tmp_path) as address:
        yield address


@needs_a_bus
def test_all_threads_are_asked_for_in_the_same_order_and_under_its_limit(address):
    def answer(method, arguments):
        return properties(arguments) if method == "Get" else ("", ())

    with bus.service(address, KIT, answer) as asked:
        seen = ask(address, TWO="1")
    assert seen["count"] == 2
    assert seen["limit"] == [75_000, 150_000]
    assert [(method, priority) for method, (_, priority) in asked[2:]] == [
        ("MakeThreadRealtime", 19),
        ("MakeThreadRealtime", 13),
    ]


@needs_a_bus
def test_who_refuses_is_left_in_peace(address):
    with bus.service(address, KIT, lambda method, arguments: properties(arguments) if method == "Get" else None):
        assert ask(address)["got"] is False


@needs_a_bus
def test_who_does_not_answer_keeps_nobody_waiting(address):
    with bus.service(address, KIT, lambda method, arguments: 1 / 0):
        seen = ask(address)
    assert seen["got"] is False
    assert seen["seconds"] < 5  # half a second, and a machine that does other things besides


@needs_a_bus
def test_where_there_is_none_it_goes_on_without(address, tmp_path):
    assert ask(address)["got"] is False
    assert ask(f"unix:path={tmp_path}/nobody")["got"] is False


def test_without_the_library_it_goes_on_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "jeepney.io.blocking", None)
    assert realtime_kit.ask_realtime_kit({1: 15}) == set()


def test_elsewhere_nobody_is_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert realtime_kit.ask_realtime_kit({1: 15}) == set()


def test_at_the_kernel_s_warning_all_priority_is_given_back(monkeypatch):
    given_back = []
    monkeypatch.setattr(realtime_kit, "_granted", {7, 8})
    monkeypatch.setattr(os, "sched_setscheduler", lambda thread, policy, _: given_back.append((thread, policy)))
    before = signal.signal(signal.SIGXCPU, realtime_kit._give_back)
    try:
        os.kill(os.getpid(), signal.SIGXCPU)
        deadline = time.monotonic() + 10
        while len(given_back) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGXCPU, before)
    assert sorted(given_back) == [(7, os.SCHED_OTHER), (8, os.SCHED_OTHER)]


@needs_a_bus
@pytest.mark.skipif(
    not in_ci and (not DAEMON.exists() or shutil.which("setpriv") is None or os.geteuid() != 0),
    reason="needs rtkit-daemon and root",
)
def test_the_real_daemon_grants_what_the_system_refused(address):
    """A stand-in says yes in place of PolicyKit, which asks who sits at the screen."""
    with bus.service(address, "org.freedesktop.PolicyKit1", lambda *_: ("(bba{ss})", ((True, False, {}),))):
        options = ["--no-chroot", "--no-drop-privileges", "--no-limit-resources", "--no-canary"]
        daemon = subprocess.Popen(
            [DAEMON, *options], env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address}, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 10
            while True:
                seen = ask(address, ["setpriv", "--bounding-set=-sys_nice"])
                if seen["got"] or time.monotonic() > deadline:
                    break
        finally:
            daemon.kill()
            daemon.wait()
    assert seen["own"] is False
    assert seen["got"] is True
    assert (seen["policy"], seen["priority"]) == (os.SCHED_RR, 14)
    assert seen["limit"] == [100_000, 200_000]
