"""Keys that are typed on a real terminal, and what a real sound server's loudspeakers play then."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import COMMAND
from real_server import needs_server, start_server
from terminal import Terminal, children

pytestmark = [
    pytest.mark.live,
    needs_server,
    pytest.mark.timeout(120),
]
RATE = 48000
LOUDEST = 0.1  # of the noise for the microphone


@pytest.fixture(scope="module")
def server():
    server = start_server(RATE)
    hiss = np.random.default_rng(0).uniform(-LOUDEST, LOUDEST, 80 * RATE)
    server.start_playing(hiss.astype(np.float32), "microphone")
    yield server
    server.stop()


@pytest.fixture
def start(server, tmp_path):
    """``start(*arguments)``: rtdenoise between two devices on a terminal."""

    def start(*arguments, **options):
        ends = ["--input", "fake microphone", "--output", "fake speakers", "--stats", str(tmp_path / "stats.json")]
        options = {"env": server.environment | {"PYTHONPATH": str(Path(__file__).parent.parent)}} | options
        return Terminal([*COMMAND, *ends, *arguments], cwd=tmp_path, **options)

    return start


class Ear:
    """What the loudspeakers play, as far as it has been recorded."""

    def __init__(self, server):
        self._path = server.folder / "speakers.monitor.recording"

    @property
    def heard(self) -> int:
        """Samples up to now."""
        return self._path.stat().st_size // 4

    def gaps(self, begin: int, end: int) -> int:
        """Silences between two samples of what was played, which was noise."""
        sound = np.flatnonzero(np.fromfile(self._path, np.float32)[begin:end])
        return int(np.count_nonzero(np.diff(sound, prepend=-1, append=end - begin) > 16))

    def wait_for(self, terminal: Terminal, least: float, most: float) -> None:
        """Return as soon as three tenths of a second of RMS between two bounds are heard."""
        for _ in range(12):
            begin = self.heard
            terminal.pass_time(0.3)
            heard = np.fromfile(self._path, np.float32)[begin:]
            level = float(np.sqrt(np.mean(heard**2)))
            if least <= level <= most:
                return
        raise AssertionError(f"the level is {level:.4f}, not from {least:.4f} to {most:.4f}")


def test_every_key_does_what_it_says(server, start, tmp_path):
    """Noise for a microphone: the model takes it away, keys bring it back."""
    loud = LOUDEST / np.sqrt(3)
    with start() as terminal, server.recording("speakers.monitor"):
        ear = Ear(server)
        terminal.wait_for("fake microphone → fake speakers")
        ear.wait_for(terminal, 0, 0.5 * loud)

        terminal.type("b")
        terminal.wait_for("bypassed")
        ear.wait_for(terminal, 0.98 * loud, 1.02 * loud)
        terminal.type("b")
        terminal.wait_for("reduction [0-9]")
        ear.wait_for(terminal, 0, 0.5 * loud)

        terminal.type("-" * 11)
        terminal.wait_for("limit 0 dB")
        ear.wait_for(terminal, 0.8 * loud, 1.1 * loud)
        terminal.type("++")
        terminal.wait_for("limit 6 dB")
        ear.wait_for(terminal, 0.45 * loud, 0.6 * loud)

        terminal.type("m")
        terminal.wait_for("silent")
        ear.wait_for(terminal, 0, 0)
        terminal.type("m")
        terminal.wait_for("reduction [0-9]")
        ear.wait_for(terminal, 0.45 * loud, 0.6 * loud)

        terminal.type("r")
        terminal.wait_for("● rec")
        terminal.wait_for("recording to rtdenoise-")
        terminal.pass_time(1.0)
        terminal.type("r")
        terminal.wait_for("recording ended: 1")
        recorded = [soundfile.info(path).duration for path in tmp_path.glob("rtdenoise-*.flac")]
        assert len(recorded) == 2
        assert all(duration > 0.8 for duration in recorded)

        terminal.type("q")
        assert terminal.wait() == 0
        end = terminal.wait_for("drift .*corrections")
        assert "recording ended" in end
        assert "done after" in end
        assert terminal.is_as_found
    assert json.loads((tmp_path / "stats.json").read_text())["hops"] > 0


def test_a_panel_that_is_killed_costs_no_sample(server, start):
    """A busy machine has gaps of its own: there are no more than before, and on a quiet one there are none."""
    for _ in range(5):
        with server.recording("speakers.monitor"), start("--latency", "60", "--bypass") as terminal:
            ear = Ear(server)
            terminal.wait_for("underruns")
            ear.wait_for(terminal, 0.05, 0.06)
            begin = ear.heard
            terminal.pass_time(0.8)
            middle = ear.heard
            (panel,) = children(terminal.process.pid)
            os.kill(panel, signal.SIGKILL)
            terminal.wait_for("the panel has ended")
            assert terminal.is_as_found
            terminal.pass_time(0.6)
            before, after = ear.gaps(begin, middle), ear.gaps(middle, ear.heard)
            terminal.type("\x03")
            assert terminal.wait() == 130
        if after <= before:
            break
    assert after <= before


def test_sound_on_standard_output_and_the_panel_beside_it(start, tmp_path):
    with (tmp_path / "out.raw").open("wb") as out, start("--output", "-", "--bypass", stdout=out) as terminal:
        terminal.wait_for("fake microphone → standard output")
        terminal.pass_time(1.0)
        terminal.type("q")
        assert terminal.wait() == 0
        assert terminal.is_as_found
    data = (tmp_path / "out.raw").read_bytes()
    assert data[:4] == b"RIFF"
    assert b"\x1b[" not in data[:44]
    assert np.abs(np.frombuffer(data[44 : 44 + len(data[44:]) // 2 * 2], np.int16)).max() > 2000


def test_a_lost_device_is_told_in_the_panel(start, server):
    with start() as terminal:
        terminal.wait_for("load p99")
        server.send_signal(signal.SIGSTOP)
        try:
            terminal.wait_for("sound device 'fake .*has gone")
            terminal.wait_for("no sound")
        finally:
            server.send_signal(signal.SIGCONT)
        terminal.wait_for("it is back")
        assert "╭" in terminal.screen
        terminal.type("q")
        assert terminal.wait() == 0
        assert "has gone" in terminal.wait_for("done after")


def test_lines_instead_of_it(start):
    with start("--no-panel", "--duration", "1") as terminal:
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.raw
        assert "done after" in terminal.wait_for("underruns")
