"""What the page on virtual devices tells people to copy does what it says."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest
from command_line import run
from real_server import needs_server, start_server

from rtdenoise.cli import cli

pytestmark = pytest.mark.live

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "virtual-devices.md").read_text(encoding="utf-8")


def test_every_command_on_the_page_exists():
    lines = [
        line.split("#")[0] for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    ]
    assert len(lines) == 5
    for line in lines:
        name, *words = shlex.split(line)
        assert name == "rtdenoise"
        context = cli.make_context("rtdenoise", list(words))
        if words[0] in cli.commands:
            cli.commands[words[0]].make_context(words[0], words[1:], parent=context)


def test_the_unit_runs_a_command_that_exists():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(DOCS / "rtdenoise.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program == "%h/.local/bin/rtdenoise"
    assert cli.make_context("rtdenoise", words).params["target"] == "virtual-mic"
    assert unit["Service"]["SuccessExitStatus"] == "130"
    assert unit["Install"]["WantedBy"] == "default.target"


@needs_server
def test_the_lines_for_pulseaudio_make_a_device_that_is_ours_and_stays():
    lines = re.findall(r"^load-module .*$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    server = start_server()
    try:
        for line in lines:
            server.pactl(*re.match(r"(\S+) (\S+) (.*)", line).groups())
        listed = run("virtual-mic", "status", env=server.environment)
        assert "Denoised microphone: there, stays until it is removed" in listed.out.decode()
        assert "is there already" in run("virtual-mic", "create", env=server.environment).err
    finally:
        server.stop()
