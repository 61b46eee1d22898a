"""Draw docs/web-file.png and docs/web-live.png: the page itself in a browser, before the sample that is shipped.

The live view is fed by the sample in a sound server of its own. Needs PulseAudio, Chromium and the extras web and test.

python tools/draw_page.py
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import soxr
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import Tab, browser  # noqa: E402
from real_server import start_server  # noqa: E402

from rtdenoise.commands.demo import load_sample  # noqa: E402
from rtdenoise.web.server import PageServer  # noqa: E402

RATE = 48000
WIDTH = 900
LARGEST_BYTES = 150_000


def keep(tab: Tab, name: str, height: int, colours: int) -> None:
    """Write what is seen, with few enough colours for a page that is read over the network."""
    tab.page.set_viewport_size({"width": WIDTH, "height": height})
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.evaluate("document.documentElement.style.setProperty('--shadow', 'none')")  # costs many colours
    tab.page.wait_for_timeout(700)
    picture = Image.open(io.BytesIO(tab.page.screenshot())).convert("RGB")
    path = ROOT / "docs" / name
    picture.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    assert size <= LARGEST_BYTES, f"{path} has {size} bytes, more than {LARGEST_BYTES}"
    print(path, size)


def draw_file(tab: Tab) -> None:
    """The first view, three seconds after the sample began."""
    tab.page.click("#sample")
    tab.until(lambda: tab.place() > 3)
    tab.page.click("#play")
    tab.until(lambda: tab.text("#matched"))
    keep(tab, "web-file.png", 930, 64)


def draw_live(tab: Tab) -> None:
    """The second view, when its spectrograms are full."""
    tab.page.click("#tab-live")
    tab.until(lambda: "fake speakers" in (tab.page.text_content("#output") or ""))
    tab.page.select_option("#input", "fake microphone")
    tab.page.select_option("#output", "fake speakers")
    tab.page.click("#start")
    tab.until(lambda: tab.text("#live-facts").startswith("0:13"), 60)
    keep(tab, "web-live.png", 1000, 160)
    tab.page.click("#stop")


def main() -> None:
    """Both pictures."""
    sample = load_sample()
    noisy = soxr.resample(sample.noisy, sample.sample_rate, RATE)
    sound_server = start_server(RATE)
    try:
        os.environ.update(sound_server.environment)
        sound_server.start_playing(np.tile(noisy, 7), "microphone")
        with PageServer() as server, browser() as chromium:
            draw_live(Tab(chromium, server.address, color_scheme="dark"))
            draw_file(Tab(chromium, server.address, color_scheme="light"))
    finally:
        sound_server.stop()


if __name__ == "__main__":
    main()
