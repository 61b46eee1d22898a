"""A real browser before the page, a real sound server behind it: what is clicked is what is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

pytest.importorskip("uvicorn")
from browser import Tab, browser, needs_browser
from real_server import needs_server
from web_client import sound

from rtdenoise.commands.demo import load_sample
from rtdenoise.web.server import PageServer

pytestmark = [pytest.mark.alone, needs_browser, needs_server, pytest.mark.timeout(180)]
RATE = 48000
LOUD = 0.1 / np.sqrt(3)


@pytest.fixture(scope="module")
def tab_of(server, tmp_path_factory):
    """``tab_of()``: the page in a browser that plays to the server, as the live sound does."""
    folder = tmp_path_factory.mktemp("page")
    hiss = np.random.default_rng(0).uniform(-0.1, 0.1, 80 * RATE).astype(np.float32)
    server.start_playing(hiss, "microphone")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
        patch.chdir(folder)
        with PageServer() as page_server, browser(audible=True) as chromium:
            yield lambda **options: Tab(chromium, page_server.address, **options)


def level(server, tab, seconds: float = 0.5) -> float:
    """RMS of what the loudspeakers play from now on."""
    with server.recording("speakers.monitor") as recorded:
        tab.page.wait_for_timeout(1000 * seconds)
    return float(np.sqrt(np.mean(recorded[0] ** 2)))


def test_live_sound_is_steered(server, tab_of):
    tab = tab_of(color_scheme="dark")
    tab.page.click("#tab-live")
    tab.until(lambda: "fake speakers" in (tab.page.text_content("#output") or ""))
    tab.page.select_option("#input", "fake microphone")
    tab.page.select_option("#output", "fake speakers")
    tab.page.click("#start")
    tab.until(lambda: tab.text("#ends") == "fake microphone → fake speakers")
    tab.until(lambda: tab.text("#live-facts").startswith("0:02"))
    assert tab.page.is_visible("#live-lamp")
    tab.until(lambda: tab.text("#latency-now").endswith(" ms"))
    assert 20 < float(tab.text("#latency-now").split()[0]) < 200
    assert float(tab.text("#load").split()[0]) > 0
    tab.until(lambda: float(tab.text("#reduction").split()[0]) > 10)
    tab.until(lambda: level(server, tab) < 0.5 * LOUD)
    seen = {end: float(tab.page.get_attribute(f"#level-{end}", "aria-valuenow")) for end in ("in", "out")}
    assert seen["in"] == pytest.approx(20 * np.log10(LOUD), abs=1.5)
    assert seen["out"] < seen["in"] - 6
    newest = (0.85, 0.1, 0.98, 0.4), (0.85, 0.55, 0.98, 0.85)
    noisy, clean = (tab.brightness("#scope", *part)[0] for part in newest)
    assert noisy > clean + 20

    for key in "bmr":
        tab.page.keyboard.press(key)
    tab.until(
        lambda: all(tab.page.get_attribute(f"#{id}", "aria-pressed") == "true" for id in ("bypass", "mute", "rec"))
    )
    tab.until(lambda: level(server, tab) == 0)  # what was on its way when the key was pressed is heard before
    tab.page.click("#mute")
    tab.until(lambda: tab.page.get_attribute("#mute", "aria-pressed") == "false")
    tab.until(lambda: level(server, tab) == pytest.approx(LOUD, rel=0.1))
    tab.page.click("#bypass")
    tab.page.fill("#live-limit", "6")
    tab.page.keyboard.press("Tab")
    tab.until(lambda: 4 < float(tab.text("#reduction").split()[0]) < 7.5)
    other = tab_of()
    other.page.click("#tab-live")
    other.until(lambda: other.text("#live-limit-text") == "6 dB")  # another page shows the same
    other.close()
    assert "recording to rtdenoise-" in tab.text("#messages")
    tab.page.keyboard.press("s")
    tab.until(lambda: tab.has("#told"))
    assert "recording ended" in tab.text("#told")
    assert tab.has("#setup")
    assert not tab.page.is_visible("#live-lamp")
    assert len(list(Path().glob("rtdenoise-*.flac"))) == 2
    assert tab.errors == []
    tab.close()


def test_a_device_that_is_not_there_is_told(tab_of):
    tab = tab_of()
    tab.page.click("#tab-live")
    tab.until(lambda: "fake speakers" in (tab.page.text_content("#output") or ""))
    tab.page.evaluate("document.querySelector('#input').add(new Option('gone', 'gone', true, true))")
    tab.page.click("#start")
    tab.until(lambda: tab.has("#told") and "input device is called 'gone'" in tab.text("#told"))
    assert "failed" in tab.page.get_attribute("#told", "class")
    tab.close()


def test_before_and_after_are_heard(server, tab_of):
    """Noise alone: Before lets it through, After does not, and a click is all that is between them."""
    hiss = np.random.default_rng(1).uniform(-0.1, 0.1, 20 * RATE)
    tab = tab_of()
    tab.page.set_input_files("#choose", {"name": "hiss.wav", "mimeType": "audio/wav", "buffer": sound(hiss, RATE)})
    tab.until(lambda: tab.mark("sounded"))
    tab.page.uncheck("#match", force=True)
    tab.until(lambda: tab.place() > 1)
    after = level(server, tab)
    tab.page.keyboard.press("x")
    before = level(server, tab, 0.8)
    assert before == pytest.approx(LOUD, rel=0.35)  # a busy machine has gaps
    assert after < 0.4 * before
    tab.close()


def test_speech_is_as_loud_before_as_after(server, tab_of):
    sample = load_sample()
    noisy = soxr.resample(sample.noisy, sample.sample_rate, RATE)
    tab = tab_of()
    tab.page.set_input_files("#choose", {"name": "talk.wav", "mimeType": "audio/wav", "buffer": sound(noisy, RATE)})
    tab.until(lambda: tab.turned_down)
    assert 0.5 < tab.turned_down < 6
    tab.close()
