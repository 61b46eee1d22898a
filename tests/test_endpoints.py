"""What a name given as input or output means."""

from __future__ import annotations

import pytest

from rtdenoise.commands.endpoints import Endpoint, parse_source, parse_target
from rtdenoise.errors import ParameterError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("parse", [parse_source, parse_target])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-", Endpoint("pipe", "-")),
        ("take.wav", Endpoint("file", "take.wav")),
        ("TAKE.FLAC", Endpoint("file", "TAKE.FLAC")),
        ("some/where", Endpoint("file", "some/where")),
        ("talk.m4a", Endpoint("file", "talk.m4a")),
        ("3", Endpoint("device", "3")),
        ("alsa_input.pci-0000_00_1f.3.analog-stereo", Endpoint("device", "alsa_input.pci-0000_00_1f.3.analog-stereo")),
        ("USB Audio 2.0", Endpoint("device", "USB Audio 2.0")),
        ("USB Headset", Endpoint("device", "USB Headset")),
        ("file:USB Headset", Endpoint("file", "USB Headset")),
        ("device:take.wav", Endpoint("device", "take.wav")),
    ],
)
def test_names(folder, parse, text, expected):
    assert parse(text) == expected


def test_words(folder):
    assert parse_source("mic") == Endpoint("device", "mic")
    assert parse_target("speakers") == Endpoint("device", "speakers")
    assert parse_target("none") == Endpoint("none", "none")


def test_an_existing_file_is_a_file_whatever_its_name(folder):
    (folder / "USB Headset").write_bytes(b"x")
    assert parse_source("USB Headset").kind == "file"
    assert parse_source("device:USB Headset").kind == "device"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_source, "speakers"),
        (parse_source, "none"),
        (parse_target, "mic"),
        (parse_source, ""),
        (parse_target, ""),
        (parse_source, "file:"),
        (parse_target, "device:"),
    ],
)
def test_names_that_cannot_be_meant(folder, parse, text):
    with pytest.raises(ParameterError, match=r"take|write") as caught:
        parse(text)
    assert "\n" not in str(caught.value)
