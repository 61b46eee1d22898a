"""Hazard: the guide for folders shows commands or options that are not there, or leaves some out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rtdenoise.cli import cli
from rtdenoise.files.suffixes import FORMAT_BY_SUFFIX

PAGE = (Path(__file__).parent.parent / "docs" / "batch.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^rtdenoise batch (.*?)(?:#.*)?$", PAGE, re.MULTILINE) + re.findall(
    r"`rtdenoise batch ([^`]*)`", PAGE
)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_guide_is_one_that_exists(line):
    parent = cli.make_context("rtdenoise", ["batch"])
    cli.commands["batch"].make_context("batch", shlex.split(line), parent=parent)


def test_every_option_is_in_the_guide():
    assert len(COMMANDS) >= 5
    options = {option.opts[0] for option in cli.commands["batch"].params if option.opts[0].startswith("--")}
    assert {option for option in options if not re.search(rf"`[^`\n]*{option}\b", PAGE)} == set()
    for suffix in re.search(r"that rtdenoise can write \(`(.*?)`", PAGE).group(1).split():
        assert suffix in FORMAT_BY_SUFFIX
