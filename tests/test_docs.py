"""What is written agrees with what is there: help, commands and Python of README and guides, the recipe for calls."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import click
import numpy as np
import pytest
from real_server import needs_server, start_server

from rtdenoise import Model
from rtdenoise.cli import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


GUIDES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_help_texts_is_what_help_prints():
    """After a change of the command line: python tools/write_docs.py"""
    page = tool("write_docs").page()
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").split() == page.split()


def test_the_picture_of_the_panel_shows_what_is_shipped_and_measured():
    """After new weights or benchmarks: python tools/draw_panel.py"""
    words = re.findall(r">([^<>]+)</text>", (ROOT / "docs" / "panel.svg").read_text(encoding="utf-8"))
    model = Model.load("stream")
    assert f"{model.name} {model.version}" in words
    assert f"{100 * tool('draw_panel').load_p99():.1f} %" in words


def test_help_is_the_same_from_outside():
    for arguments in ([], ["demo"], ["devices"], ["models"]):
        done = subprocess.run([sys.executable, "-m", "rtdenoise", *arguments, "--help"], capture_output=True, text=True)
        assert done.returncode == 0
        name = " ".join(["rtdenoise", *arguments])
        page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
        written = re.search(rf"## {name}\n\n```text\n(.*?)```", page, re.DOTALL).group(1)
        assert done.stdout.split() == written.split()


def commands(*pages: str) -> list[list[str]]:
    """Every `rtdenoise ...` of some pages, taken out of its pipeline."""
    found = []
    for page in (re.sub(r"\\\n\s*", " ", page) for page in pages):
        for line in page.splitlines():
            for part in re.split(r"[|<>`]", line.split("#")[0]):
                words = part.split()
                if "rtdenoise" in words and len(words) > words.index("rtdenoise") + 1:
                    found.append(shlex.split(part)[words.index("rtdenoise") + 1 :])
    return [words for words in found if words[0].startswith("--") or words[0] in cli.commands]


def understood(words: list[str]) -> click.Context:
    """What the command line makes of a command, without running it."""
    context = cli.make_context("rtdenoise", list(words))
    if words[0] in cli.commands:
        return cli.commands[words[0]].make_context(words[0], words[1:], parent=context)
    return context


def test_every_command_in_the_readme_is_one_that_exists():
    found = commands(README, cli.help)
    assert len(found) >= 6
    for words in found:
        context = understood(words)
        assert words[0] in cli.commands or context.params["source"] is not None, words
    with pytest.raises(click.UsageError):
        cli.make_context("rtdenoise", ["--inputs", "mic"])


@pytest.mark.parametrize("name", sorted(GUIDES.keys() - {"command-line.md"}))
def test_every_command_in_the_guides_is_one_that_exists(name):
    for words in commands(GUIDES[name]):
        if "--version" not in words:
            understood(words)


def test_the_guides_have_commands():
    assert len(commands(*(GUIDES[name] for name in ("quick-start.md", "calls.md", "obs.md")))) >= 20


def test_the_two_commands_are_targets_of_the_makefile():
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("make ")]
    assert wanted == ["make demo", "make test"]
    for line in wanted:
        assert re.search(rf"^{line.split()[1]}:", make, re.MULTILINE)


def test_every_file_that_the_readme_names_is_there():
    names = re.findall(r"`([\w./-]+(?:/|\.py|\.md))`|\]\((?!http)([\w./-]+)\)|(docs/[\w.-]+)", README)
    for name in (next(filter(None, match)) for match in names):
        if name != "demo-output/":
            assert (ROOT / name).exists() or (ROOT / "rtdenoise" / name).exists(), name


def test_the_python_of_the_readme_runs(speechlike):
    (code,) = blocks("python")
    names = {"block": speechlike(48000, 48000)}
    exec(code, names)
    assert names["denoiser"].latency == 768
    assert len(names["clean"]) >= 48000


def test_the_python_of_the_guide_runs(speechlike):
    """But for sound devices: see the next test."""
    names = {"noisy": speechlike(48000, 48000), "ready": deque()}
    for code in blocks("python", GUIDES["python.md"]):
        if "Live(" not in code:
            exec(code, names)
    assert names["rest"].shape == (384,)  # one of two hops; the other was given ahead
    assert names["milder"].shape == names["noisy"].shape
    assert [len(block) for block in names["blocks"]] == [1664] * 4
    assert len(names["pcm"]) >= 2 * 48000
    block, out = np.zeros((480, 1), np.float32), np.ones((480, 1), np.float32)
    for _ in range(3):
        names["callback"](block, out, 480, None, None)
    assert not out.any()
    sent = asyncio.run(spoken(names["speak"], names["noisy"][:16000]))
    assert sum(map(len, sent)) == 16000 + 256


async def spoken(speak, samples):
    """What the guide's coroutine sends for samples that come in blocks."""
    sent = []

    async def incoming():
        for block in np.split(samples, 10):
            yield block

    async def send(block):
        sent.append(block)

    await speak(incoming(), send)
    return sent


@pytest.mark.live
@needs_server
def test_the_live_python_of_the_guide_runs(server):
    (code,) = (code for code in blocks("python", GUIDES["python.md"]) if "Live(" in code)
    done = subprocess.run([sys.executable, "-c", code], env=server.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    start, underruns = done.stdout.splitlines()
    assert "model stream" in start
    assert underruns.isdigit()


def test_latency_as_the_readme_says():
    from rtdenoise import Denoiser

    for rate in map(int, re.search(r"16 ms late at ([\d, and]+) kHz", README).group(1).replace(" and", ",").split(",")):
        assert Denoiser(rate * 1000).latency_seconds == 0.016


@pytest.mark.live
@needs_server
def test_the_recipe_for_call_programs(noise):
    """The README's own line on a real server; a recorder that listens to the virtual microphone hears something."""
    (line,) = next(block for block in blocks("sh") if "virtual-mic" in block).strip().splitlines()
    assert line.startswith("rtdenoise --input mic --output virtual-mic ")
    microphone = "--input 'fake microphone'"
    ours = line.replace("rtdenoise ", f"exec {sys.executable} -m rtdenoise -q --bypass ").replace(
        "--input mic", microphone
    )
    server = start_server()
    try:
        running = subprocess.Popen(["bash", "-c", ours], env=server.environment)
        server.start_playing(0.3 * noise(48000 * 12), "microphone")
        heard = np.zeros(0)
        for _ in range(20):
            if "rtdenoise_microphone " not in server.pactl("list", "short", "modules"):
                time.sleep(0.5)
                continue
            with server.recording("rtdenoise_microphone") as recorded:
                time.sleep(0.5)
            heard = recorded[0]
            if np.abs(heard).max(initial=0) > 0.1:
                break
        running.terminate()
        assert running.wait(timeout=10) == 130
        assert np.abs(heard).max(initial=0) > 0.1
    finally:
        server.stop()
