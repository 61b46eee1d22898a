"""Where a virtual device is a cable that people install: which end is taken, and what is said when there is none."""

from __future__ import annotations

import sys

import pytest

from rtdenoise.commands import virtual as command
from rtdenoise.commands.reporter import Reporter
from rtdenoise.errors import DeviceError
from rtdenoise.live import virtual
from rtdenoise.live.cable import CableMissingError, find_cable, other_side
from rtdenoise.live.devices import DeviceInfo
from rtdenoise.live.virtual import VirtualDevice
from rtdenoise.live.virtual_modules import MICROPHONE, SPEAKERS


def device(index, name, inputs, outputs, host_api="Core Audio", **more):
    return DeviceInfo(index, name, host_api, inputs, outputs, 48000, **more)


MAC = [
    device(0, "MacBook Pro Microphone", 1, 0, is_default_input=True),
    device(1, "MacBook Pro Speakers", 0, 2, is_default_output=True),
    device(2, "BlackHole 16ch", 16, 16),
    device(3, "BlackHole 2ch", 2, 2),
]
WINDOWS = [
    device(0, "CABLE Output (VB-Audio Virtual ", 2, 0, "MME", is_default_input=True),  # MME cuts names
    device(1, "CABLE Input (VB-Audio Virtual C", 0, 2, "MME"),
    device(2, "Speakers (Realtek(R) Audio)", 0, 2, "Windows WASAPI", is_default_output=True),
    device(3, "CABLE Input (VB-Audio Virtual Cable)", 0, 2, "Windows WASAPI"),
    device(4, "CABLE Output (VB-Audio Virtual Cable)", 2, 0, "Windows WASAPI"),
]


@pytest.mark.parametrize(
    ("system", "devices", "plan", "opened", "choose"),
    [
        ("darwin", MAC, MICROPHONE, 3, "BlackHole 2ch"),
        ("darwin", MAC, SPEAKERS, 2, "BlackHole 16ch"),
        ("darwin", MAC[2:3], MICROPHONE, 2, "BlackHole 16ch"),
        ("darwin", MAC[3:], SPEAKERS, 3, "BlackHole 2ch"),
        ("win32", WINDOWS, MICROPHONE, 3, "CABLE Output (VB-Audio Virtual Cable)"),
        ("win32", WINDOWS, SPEAKERS, 4, "CABLE Input (VB-Audio Virtual Cable)"),
    ],
)
def test_the_end_that_is_opened_and_the_one_to_choose(monkeypatch, system, devices, plan, opened, choose):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(virtual, "list_devices", lambda: devices)
    with VirtualDevice(plan) as found:
        assert found.find().index == opened
        assert found.choose == choose


@pytest.mark.parametrize(("system", "product"), [("darwin", "BlackHole"), ("win32", "VB-CABLE")])
def test_what_to_install_is_said_in_two_lines(system, product, capsys):
    with pytest.raises(CableMissingError, match=rf"needs {product}, which is not installed") as caught:
        find_cable("virtual-mic", "output", MAC[:2], system)
    Reporter().error(str(caught.value), caught.value)
    first, second = capsys.readouterr().err.splitlines()
    assert "https://" in first
    assert second.startswith("rtdenoise: then run this again and choose ")
    assert repr(other_side("BlackHole 2ch" if system == "darwin" else "CABLE Input")) in second


def test_other_systems_are_told_apart():
    with pytest.raises(DeviceError, match=r"this is 'freebsd14'; name a device instead"):
        find_cable("virtual-mic", "output", MAC, "freebsd14")


def test_a_default_that_is_the_cable_itself_would_hear_itself(monkeypatch):
    for system, devices in (("win32", WINDOWS), ("darwin", MAC)):
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(virtual, "find_device", lambda word, kind, devices=devices: devices[0])
        if system == "darwin":
            assert virtual.not_ours("mic", "input") == "mic"
        else:
            with pytest.raises(DeviceError, match=r"'CABLE Output .*the virtual cable itself"):
                virtual.not_ours("mic", "input")


@pytest.mark.parametrize(
    ("devices", "action", "answer", "said", "fine"),
    [
        (MAC, "status", "there, choose 'BlackHole 2ch' as the microphone", "", True),
        (MAC, "create", "", "there, choose 'BlackHole 2ch' as the microphone", True),
        (MAC, "remove", "", "'BlackHole 2ch' is removed as it was installed", True),
        (MAC[:2], "status", "not there", "", False),
        (MAC[:2], "remove", "", "no virtual cable: nothing to remove", True),
    ],
)
def test_the_commands_make_and_remove_no_cable(monkeypatch, capsys, devices, action, answer, said, fine):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(command, "list_devices", lambda: devices)
    got, ok = command.run_virtual("virtual-mic", action, Reporter())
    assert ok is fine
    assert answer in got
    assert said in capsys.readouterr().err


def test_a_cable_that_is_missing_cannot_be_created(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(command, "list_devices", list)
    with pytest.raises(CableMissingError):
        command.run_virtual("virtual-mic", "create", Reporter())
