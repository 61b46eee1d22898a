"""Hazard: what the panel draws is wrong or does not fit its terminal, and a key does not arrive."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rtdenoise.panel.app import PanelApp
from rtdenoise.panel.drawing import bar, blend, clock, curve, scale, top_of
from rtdenoise.panel.parts import State
from rtdenoise.panel.readings import MESSAGE_BYTES, Board, Key, Readings, packed

ROOT = Path(__file__).parent.parent


def readings(**changes) -> Readings:
    now = Readings()
    now.source, now.sink, now.model = b"Blue Yeti", b"Denoised microphone", b"stream 2"
    now.sample_rate, now.seconds = 48000, 754.2
    now.input_rms_db, now.input_peak_db, now.output_rms_db, now.output_peak_db = -22.3, -11.0, -27.9, -13.0
    now.load, now.latency_ms, now.drift_ppm, now.attenuation_limit_db = 0.058, 48.1, 12.4, math.nan
    now.messages[0].value = "14:02:11 recording to café.flac, which is a long story for a line of so few cells".encode()
    now.message_count = 1
    for name, value in changes.items():
        setattr(now, name, value)
    return now


class Audience:
    """The other side: what is read, sound that flows, and what was sent, beats apart."""

    def __init__(self, **changes):
        self.now, self.sent, self.listens = readings(**changes), [], True

    def read(self):
        if self.now is not None:
            self.now.seconds += 0.001
            self.now.input_energy += 48 * 10**-2.0
            self.now.output_energy += 48 * 10**-2.56
        return self.now and Readings.from_buffer_copy(self.now)

    def send(self, key):
        if key != Key.BEAT:
            self.sent.append(key)
        return self.listens


def screen(app) -> str:
    lines = [[] for _ in range(app.size.height)]
    for line, strip in zip(lines, app.screen._compositor.render_strips(), strict=True):
        line.extend(segment.text for segment in strip)
    return "\n".join("".join(line) for line in lines)


def piloted(size, scene, **changes):
    """Run a scene, ``scene(app, pilot, audience)``, on a terminal of (columns, lines)."""

    async def run():
        audience = Audience(**changes)
        app = PanelApp(audience.read, audience.send)
        async with app.run_test(size=size) as pilot:
            await pilot.pause(0.15)
            await scene(app, pilot, audience)

    asyncio.run(run())


@pytest.mark.parametrize("size", [(40, 8), (80, 24), (100, 30), (200, 60), (300, 8), (20, 5)])
def test_everything_has_its_place(size):
    async def scene(app, pilot, audience):
        text = screen(app)
        assert all(len(line) == size[0] for line in text.split("\n"))
        if size[0] < 40:
            return
        numbers = ["-22.3 dB", "-27.9 dB", "5.8 %", "48 ms", "+12 ppm", "underruns"]
        for wanted in (*numbers, "rtdenoise", "0:12:34", "14:02:11 recording", "bypass", "mute", "rec", "quit"):
            assert wanted in text

    piloted(size, scene)


def test_from_large_to_small_and_back():
    async def scene(app, pilot, audience):
        large = screen(app)
        assert "╭" in large
        await pilot.resize_terminal(40, 8)
        await pilot.pause(0.15)
        assert "╭" not in screen(app)
        assert "b bypass -+ ∞ dB m mute r rec q quit" in screen(app)
        await pilot.resize_terminal(100, 30)
        await pilot.pause(0.15)
        assert screen(app).split("\n")[:8] == large.split("\n")[:8]

    piloted((100, 30), scene)


def test_keys_are_sent_once_and_in_order():
    async def scene(app, pilot, audience):
        keys = ["b", "plus", "equals_sign", "minus", "m", "r", "x", "tab", "enter", "q", "ctrl+q", "ctrl+c"]
        await pilot.press(*keys)
        assert b"".join(audience.sent) == b"b++-mrqq\x03"
        assert app.is_running  # it is the other side that ends

    piloted((80, 24), scene)


def test_what_is_on_is_lit():
    async def scene(app, pilot, audience):
        assert "no limit" in screen(app)
        audience.now = readings(bypass=True, recording=True, attenuation_limit_db=12)
        await pilot.pause(0.25)
        assert "limit 12 dB" in screen(app)
        assert "● rec" in screen(app)
        assert "bypassed" in screen(app)
        audience.now = readings(muted=True, underruns=3, load=1.2)
        await pilot.pause(0.25)
        assert "silent" in screen(app)
        assert "muted" in screen(app)
        assert "120.0 %" in screen(app)

    piloted((80, 24), scene)


def test_it_ends_when_nobody_listens():
    async def scene(app, pilot, audience):
        audience.listens = False
        await pilot.pause(0.3)
        assert not app.is_running

    piloted((80, 24), scene)


def test_a_block_that_is_just_written_is_left_out():
    async def scene(app, pilot, audience):
        audience.now = None
        await pilot.pause(0.25)
        assert "-22.3 dB" in screen(app)

    piloted((80, 24), scene)


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene(app, pilot, audience):
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor):
                    assert colour is None or len({*colour.get_truecolor()}) == 1, segment

    piloted((80, 24), scene)


class Sound:
    """Readings of a sound, a tenth of a second each."""

    def __init__(self):
        self.now = readings(input_energy=0, output_energy=0, seconds=0)
        self.state = State(self.now)

    def go_on(self, input_power, output_power, count=2, seconds=0.1, **changes):
        for _ in range(count):
            self.now = readings(
                seconds=self.now.seconds + seconds,
                input_energy=self.now.input_energy + input_power * seconds * 48000,
                output_energy=self.now.output_energy + output_power * seconds * 48000,
                **changes,
            )
            self.state.update(self.now, self.state.readings.seconds)
        return self.state.reductions[-1]


def test_the_history():
    sound = Sound()
    assert sound.go_on(1e-2, 1e-4, 20) == pytest.approx(20)
    assert 9 <= len(sound.state.reductions) <= 11
    assert sound.state.reduction_db == pytest.approx(20)
    assert math.isnan(sound.go_on(1e-2, 0, muted=True))
    assert sound.go_on(1e-2, 0, 4) == pytest.approx(60)
    assert sound.go_on(1e-10, 0, 4) == 0  # silence
    assert sound.go_on(1e-2, 2e-2, 4) == 0
    assert not sound.state.frozen
    for now in (10, 11):
        sound.state.update(sound.now, now)
    assert sound.state.frozen
    assert math.isnan(sound.state.reductions[-1])


def test_a_beginning_is_no_reduction():
    """The output is some ms behind: where sound begins, the input is loud first."""
    sound = Sound()
    sound.go_on(0, 0, 4)
    sound.go_on(1e-2, 1e-8, 1)
    sound.go_on(1e-2, 1e-2, 5)
    assert max(sound.state.reductions) == pytest.approx(0)


def test_bars_curves_and_scales():
    assert bar(0, 0, 40).plain == "█" * 40
    assert bar(-30, -200, 40).plain.count("█") == 20
    assert bar(-200, -200, 40).plain == " " * 40
    assert bar(-30, -15, 40).plain[30] == "▎"
    assert scale(60).plain.split() == ["-60", "-48", "-36", "-24", "-12", "0"]
    assert len(scale(20).plain) == 20
    full, half = curve([24.0] * 8, 4, 2), curve([12.0, 24.0] * 4, 4, 2)
    assert [line.plain for line in full] == ["⣿" * 4] * 2
    assert [line.plain for line in half] == ["⢸" * 4, "⣿" * 4]
    assert curve([1.0], 3, 1)[0].plain == "  ⢀"  # the newest on the right
    assert curve([math.nan] * 4, 2, 1)[0].plain == "  "
    assert [top_of(values) for values in ([], [math.nan], [3], [12.1], [30])] == [12, 12, 12, 18, 30]
    assert blend([(0.0, "#000000"), (1.0, "#ff8000")], 0.5) == "#804000"
    assert blend([(0.0, "#000000"), (1.0, "#ff8000")], 7) == "#ff8000"
    assert clock(3725.9) == "1:02:05"


def test_the_board():
    """What one side writes the other reads, whole or not at all; a file that is gone is nobody's trouble."""
    ours = Board()
    theirs = Board(ours.path)
    assert theirs.read() is None
    now = readings()
    ours.write(now)
    seen = theirs.read()
    assert (seen.count, seen.sample_rate, seen.source) == (1, 48000, b"Blue Yeti")
    ours._shared.memory[0] += 1  # half of the next one
    assert theirs.read() is None
    ours.write(now)
    assert theirs.read().count == 2
    theirs.remove()
    ours.remove()
    with pytest.raises(FileNotFoundError):
        Board(ours.path)


def test_a_text_is_cut_between_letters():
    assert packed("café", 5) == b"caf"
    assert packed("café", 6) == "café".encode()
    assert len(packed("é" * 1000, MESSAGE_BYTES)) == MESSAGE_BYTES - 2


def test_the_picture_can_be_drawn_again():
    spec = importlib.util.spec_from_file_location("draw_panel", ROOT / "tools" / "draw_panel.py")
    draw_panel = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw_panel)
    for picture in (draw_panel.page(asyncio.run(draw_panel.draw(draw_panel.listen(2)))), draw_panel.TARGET.read_text()):
        words = " ".join(element.text for element in ElementTree.fromstring(picture).iter() if element.text)
        for word in ("rtdenoise", "Built-in microphone → Denoised microphone", "reduction", "load p99", "bypass"):
            assert word in words
