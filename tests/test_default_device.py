"""Another default device: noticed where the sound system does not follow it by itself, and gone over to."""

from __future__ import annotations

import ctypes
import sys
import time

import pytest
from real_server import needs_server, start_server

from rtdenoise.live import default_device, devices
from rtdenoise.live.default_device import DefaultWatch, system_default
from rtdenoise.live.session import Live


class Library:
    """Of C functions; to those that are not given it says that all went well."""

    def __init__(self, **functions):
        self.__dict__.update(functions)

    def __getattr__(self, name):
        function = self.__dict__[name] = lambda *_: 0
        return function


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(default_device, "_ASK_SECONDS", 0.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux")
def test_on_linux_the_sound_server_follows_and_nobody_is_asked(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("asked"))
    assert system_default("input") is None
    assert not DefaultWatch(["input", "output"]).changed()


@pytest.mark.parametrize(("status", "device", "found"), [(0, 42, 42), (0, 0, None), (560947818, 42, None)])
def test_macos_is_asked_for_its_default_device(monkeypatch, status, device, found):
    asked = []

    def get(thing, address, _, __, size, into):
        asked.append((thing, address._obj.selector, address._obj.scope, address._obj.element, size._obj.value))
        into._obj.value = device
        return status

    monkeypatch.setattr(ctypes, "CDLL", lambda path: Library(AudioObjectGetPropertyData=get))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert system_default("output") == found
    assert asked == [(1, 0x644F7574, 0x676C6F62, 0, 4)]


class Component:
    """A COM object in memory: a pointer to a table of functions, of which two are there."""

    def __init__(self, place, arguments, method):
        self.released = 0
        self.functions = {2: self._function(1, self._release), place: self._function(arguments, method)}
        self.table = (ctypes.c_void_p * 8)()
        for number, function in self.functions.items():
            self.table[number] = ctypes.cast(function, ctypes.c_void_p).value
        self.memory = ctypes.c_void_p(ctypes.addressof(self.table))
        self.address = ctypes.addressof(self.memory)

    def _function(self, arguments, method):
        return ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_void_p] * arguments)(method)

    def _release(self, this):
        assert this == self.address
        self.released += 1
        return 0


def put(where, value):
    ctypes.cast(where, ctypes.POINTER(ctypes.c_void_p))[0] = value


@pytest.mark.parametrize("fails", ["", "create", "endpoint", "name"])
def test_windows_is_asked_for_its_default_device_and_all_is_given_back(monkeypatch, fails):
    text, asked, freed = ctypes.create_unicode_buffer("{0.0.1.00000000}.{headset}"), [], []

    def get_id(this, into):
        put(into, ctypes.addressof(text))
        return -1 if fails == "name" else 0

    def get_endpoint(this, flow, role, into):
        asked.append((flow or 0, role or 0))
        put(into, endpoint.address)
        return -1 if fails == "endpoint" else 0

    endpoint, enumerator = Component(5, 2, get_id), Component(4, 4, get_endpoint)

    def create(maker, _, __, made, into):
        assert bytes(maker).hex() == "9503debc2fe57c468e3dc4579291692e"
        assert bytes(made).hex() == "d26456a91496354fa746de8db63617e6"
        into._obj.value = enumerator.address
        return -1 if fails == "create" else 0

    ole = Library(CoCreateInstance=create)
    ole.CoTaskMemFree = lambda name: freed.append(name.value)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: ole, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert system_default("input") == (None if fails else text.value)
    assert asked == ([] if fails == "create" else [(1, 0)])
    assert enumerator.released == (fails != "create")
    assert endpoint.released == (fails in ("", "name"))
    assert freed == ([] if fails else [ctypes.addressof(text)])


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_a_system_that_cannot_be_asked_has_no_default(monkeypatch, platform):
    def absent(name):
        raise OSError(name)

    for loader in ("WinDLL", "CDLL"):
        monkeypatch.setattr(ctypes, loader, absent, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert system_default("input") is None


def test_a_change_is_noticed_once_and_a_moment_without_any_device_is_none(monkeypatch, patience):
    answers = iter(["a", "a", None, "b", "c", "c"])
    monkeypatch.setattr(default_device, "system_default", lambda kind: next(answers))
    watch = DefaultWatch(["input"])
    assert [watch.changed() for _ in range(5)] == [False, False, True, True, False]


def test_the_system_is_not_asked_all_the_time(monkeypatch):
    asked = []
    monkeypatch.setattr(default_device, "system_default", asked.append)
    watch = DefaultWatch(["input"])
    for _ in range(100):
        watch.changed()
    assert len(asked) < 50  # of a second on a machine that does other things besides
    assert not DefaultWatch([]).changed()


@pytest.mark.live
@needs_server
@pytest.mark.parametrize(("source", "follows"), [("mic", True), ("fake microphone", False)])
def test_who_asked_for_the_default_goes_over_to_the_new_one(monkeypatch, patience, identity, source, follows):
    server, now, told = start_server(), ["a"], []
    try:
        for name in ("XDG_RUNTIME_DIR", "PULSE_SERVER", "ALSA_CONFIG_PATH"):
            monkeypatch.setenv(name, server.environment[name])
        devices.refresh_devices()
        monkeypatch.setattr(default_device, "system_default", lambda kind: now[0])
        with Live(source, "fake speakers", model=identity, tell=told.append) as live:
            live.wait(0.2)
            route, now[0] = live._route, "b"
            deadline = time.monotonic() + (10 if follows else 0.5)
            while live._route is route and time.monotonic() < deadline:
                live.wait(0.05)
            assert (live._route is not route) == follows
            played = live.stats.samples_out
            live.wait(0.5)
            assert live.stats.samples_out > played
            assert live.stats.device_losses == 0
        if follows:
            assert told[0] == "another device is the system's default now: going over to it"
            assert told[1].startswith("it is back: ")
        else:
            assert not told
    finally:
        server.stop()
        monkeypatch.undo()
        devices.refresh_devices()
