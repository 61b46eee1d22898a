"""Hazard: the death of the panel, or of what it shows, costs sound, or leaves a terminal that nobody can type into.

The demo on its simulated device is what runs: the whole path but for a driver.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from command_line import COMMAND
from terminal import Terminal, children

from rtdenoise.commands.attend import attend, next_limit, panel_for, press
from rtdenoise.commands.reporter import Reporter
from rtdenoise.live.clock import SimulatedDevice
from rtdenoise.live.session import Live
from rtdenoise.panel.process import Panel
from rtdenoise.panel.readings import Key
from rtdenoise.panel.terminal import can_draw

pytestmark = pytest.mark.alone

ENDED = "the panel has ended; the sound goes on"


@pytest.fixture
def demo(tmp_path):
    """``demo(*arguments)``: the demo on a terminal, its panel up or not."""

    def start(*arguments, **options):
        command = [*COMMAND, "demo", "--no-play", "--output-dir", str(tmp_path), *arguments]
        environment = options.pop("env", os.environ) | {"COLUMNS": "70", "LINES": "20"}  # of another window
        return Terminal([*options.pop("under", []), *command], env=environment, **options)

    return start


def gone(number: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{number}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{number}").exists()


def boards() -> set[Path]:
    return {path for folder in (tempfile.gettempdir(), "/dev/shm") for path in Path(folder).glob("rtdenoise-*.panel")}


def test_the_whole_demo_with_keys_and_sizes(demo, tmp_path):
    """Drawn, pressed, resized; in the end the terminal is as it was and the report is printed on it."""
    before = boards()
    with demo("--seconds", "4") as terminal:
        terminal.wait_for("simulated device → simulated device")
        assert "╭" in terminal.wait_for("load p99")
        terminal.type("--")
        terminal.wait_for("limit 27 dB")
        terminal.type("\x1a+++b")  # Ctrl+Z would stop two processes, half way through the screen
        terminal.wait_for("no limit.*\n?")
        terminal.wait_for("bypassed")
        terminal.resize(40, 8)
        terminal.wait_for("b bypass -\\+ ∞ dB")
        assert terminal.wait() == 0
        end = terminal.wait_for("listen and look")
        assert terminal.is_as_found
        assert b"\x1b[?1049l" in terminal.raw
    assert "underruns" in end
    assert (tmp_path / "after.wav").exists()
    assert boards() <= before


@pytest.mark.parametrize(("keys", "code", "said"), [("q", 0, "stopped before the end"), ("\x03", 130, "")])
def test_it_can_be_ended(demo, keys, code, said):
    with demo() as terminal:
        terminal.wait_for("load p99")
        (panel,) = children(terminal.process.pid)
        terminal.type(keys)
        assert terminal.wait() == code
        assert said in terminal.screen
        assert "Traceback" not in terminal.screen
        assert terminal.is_as_found
        assert gone(panel)


def test_a_panel_that_is_killed_leaves_the_sound_and_a_terminal_in_order(demo):
    with demo() as terminal:
        terminal.wait_for("load p99")
        (panel,) = children(terminal.process.pid)
        os.kill(panel, signal.SIGKILL)
        terminal.wait_for(ENDED)
        assert terminal.is_as_found
        terminal.pass_time(0.5)
        assert terminal.process.poll() is None
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.screen.count(ENDED) == 1


def test_a_panel_that_hangs_is_not_waited_for(demo):
    """Ctrl+C does not go through it."""
    with demo() as terminal:
        terminal.wait_for("load p99")
        (panel,) = children(terminal.process.pid)
        os.kill(panel, signal.SIGSTOP)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.is_as_found
        assert gone(panel)


def test_a_panel_whose_sound_was_killed_ends_and_tidies_up(demo):
    before = boards()
    # A shell stays on the terminal; what it says while the panel is still there goes with the panel's screen.
    script = '"$@"; code=$?; for i in 1 2 3 4 5 6 7 8; do echo "code $code"; sleep 1; done'
    with demo(under=["sh", "-c", script, "sh"]) as terminal:
        terminal.wait_for("load p99")
        (sound,) = children(terminal.process.pid)
        (panel,) = children(sound)
        os.kill(sound, signal.SIGKILL)
        assert gone(panel)
        terminal.wait_for("code 137")
        assert terminal.is_as_found
        assert b"\x1b[?1049l" in terminal.raw
    assert boards() <= before


def test_a_terminal_that_is_closed_under_nohup(demo):
    """The sound goes on; the panel does not."""
    with demo(under=["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]) as terminal:
        terminal.wait_for("load p99")
        (panel,) = children(terminal.process.pid)
        terminal.hang_up()
        assert gone(panel)
        time.sleep(0.5)
        assert terminal.process.poll() is None


@pytest.mark.parametrize("but", ["", "dumb", "stdin", "closed", "latin", "background"])
def test_where_it_is_drawn(monkeypatch, but):
    """On a terminal with a keyboard that is listened to, and letters beyond ASCII."""
    ours, theirs = os.openpty()
    with open(theirs, encoding="latin-1" if but == "latin" else "utf-8", closefd=False) as terminal:
        monkeypatch.setenv("TERM", "dumb" if but == "dumb" else "xterm")
        monkeypatch.setattr(sys, "stderr", terminal)
        with open(os.devnull) as nothing:
            monkeypatch.setattr(sys, "stdin", {"stdin": nothing, "closed": None}.get(but, terminal))
            if but == "background":
                monkeypatch.setattr(os, "tcgetpgrp", lambda number: os.getpgrp() + 1)
            assert can_draw() == (but == "")
            assert Reporter().on_terminal
            assert not Reporter(-1).on_terminal
    os.close(ours)
    os.close(theirs)


def test_lines_are_kept_while_the_panel_has_the_terminal(capsys):
    reporter = Reporter()
    reporter.say("before")
    reporter.hold()
    reporter.hold()
    reporter.say("meanwhile")
    assert capsys.readouterr().err == "before\n"
    assert [text for _, text in reporter.said] == ["before", "meanwhile"]
    reporter.release()
    reporter.say("after")
    assert capsys.readouterr().err == "meanwhile\nafter\n"
    assert reporter.count == 3


def test_steps_of_the_limit():
    limits, limit = [], None
    for _ in range(12):
        limit = next_limit(limit, up=False)
        limits.append(limit)
    assert limits == [30, 27, 24, 21, 18, 15, 12, 9, 6, 3, 0, 0]
    assert [next_limit(value, up=True) for value in (0, 12.5, 27, 28, 45, None)] == [3, 15.5, 30, None, None, None]


def test_what_keys_do(leaky, noise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    device = SimulatedDevice(16000, noise(16000), paced=False)
    reporter = Reporter(-1)
    with Live(device, device, model=leaky) as live:
        for key, look in ((Key.BYPASS, "bypass"), (Key.MUTE, "muted"), (Key.RECORD, "recording")):
            for wanted in (True, False):
                press(key, live, reporter)
                assert getattr(live, look) is wanted
        press(Key.LESS, live, reporter)
        assert live.attenuation_limit_db == 30
        press(Key.MORE, live, reporter)
        assert live.attenuation_limit_db is None
        with pytest.raises(KeyboardInterrupt):
            press(Key.INTERRUPT, live, reporter)


def test_no_terminal_no_panel(leaky, monkeypatch):
    assert not can_draw()  # pytest has taken it
    with panel_for(Reporter()) as panel:
        assert panel is None
    device = SimulatedDevice(16000)
    with Live(device, device, model=leaky) as live:
        begun = time.monotonic()
        assert attend(live, None, Reporter(), 0.2) is False
        assert 0.15 < time.monotonic() - begun < 2


def test_a_panel_that_cannot_be_started_is_told_and_done_without(leaky, monkeypatch, capsys):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    device = SimulatedDevice(16000)
    with Panel() as panel, Live(device, device, model=leaky) as live:
        assert not panel.alive
        assert panel.pressed() == []
        attend(live, panel, Reporter(), 0.1)
    assert ENDED in capsys.readouterr().err


def test_what_goes_wrong_at_the_start_is_told_on_a_plain_terminal(tmp_path):
    nobody = {"PULSE_SERVER": f"unix:{tmp_path}/nobody", "PIPEWIRE_REMOTE": f"{tmp_path}/nobody"}
    command = [*COMMAND, "--input", "no such microphone", "--output", "none"]
    with Terminal(command, env=os.environ | nobody) as terminal:
        assert terminal.wait() == 1
        terminal.wait_for("rtdenoise: there is no (sound device|input)")
        assert b"\x1b" not in terminal.raw
        assert terminal.is_as_found


def test_where_textual_is_missing(demo, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['textual'] = None\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent)])
    with demo(env=os.environ | {"PYTHONPATH": path}) as terminal:
        terminal.wait_for("the panel failed: .*textual")
        terminal.wait_for(ENDED)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.screen


def test_its_process_does_not_slow_down_the_start():
    """What draws is imported there only."""
    script = "import sys, rtdenoise.commands.attend; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split())
    assert "rtdenoise" in loaded
    assert not loaded & {"textual", "rich"}
