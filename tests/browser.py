"""A real browser before the page: Debian's Chromium without a screen, its microphone a file."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

try:
    from playwright import sync_api
except ModuleNotFoundError as error:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip(f"{error.name} is not installed: pip install 'rtdenoise[test]'", allow_module_level=True)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true", reason="no browser: apt-get install chromium"
)


@contextmanager
def browser(microphone: Path | None = None, *, audible: bool = False) -> Iterator[Any]:
    """Chromium.

    Args:
        microphone: a WAV file that takes its place.
        audible: whether it plays to the sound server, not to nobody.
    """
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}")
    assert CHROMIUM is not None, "no Chromium is installed"
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, ignore_default_args=["--mute-audio"] if audible else None
        )
        try:
            yield chromium
        finally:
            chromium.close()


class Tab:
    """A page that was opened, and what went wrong or was asked for in it."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1180, "height": 900}} | options)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def close(self) -> None:
        self.context.close()

    def until(self, look: Callable[[], Any], seconds: float = 20.0) -> Any:
        """What ``look`` returns as soon as it is true; the page's own policy forbids Playwright's way of waiting."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"{self.text('body')}\n{self.errors}"
            self.page.wait_for_timeout(40)
        return found

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def has(self, selector: str) -> bool:
        return self.page.is_visible(selector)

    def mark(self, name: str) -> list[float]:
        """When something happened, in ms."""
        return self.page.evaluate(f"performance.getEntriesByName('{name}').map((mark) => mark.startTime)")

    def place(self) -> float:
        """Where it plays, in seconds."""
        minutes, seconds = self.text("#now").split(":")
        return 60 * int(minutes) + float(seconds)

    @property
    def turned_down(self) -> float:
        """By how much one side is turned down to be as loud as the other, in dB."""
        words = self.text("#matched").split()
        return -float(words[1].replace("\u2212", "-")) if words else 0.0

    def brightness(self, selector: str, left: float, top: float, right: float, bottom: float) -> tuple[float, int]:
        """Mean of a part of a canvas, from 0 to 255, and how many colours are there; edges are shares of the whole."""
        return tuple(self.page.eval_on_selector(selector, _BRIGHTNESS, [left, top, right, bottom]))


_BRIGHTNESS = """(canvas, [left, top, right, bottom]) => {
  const [x, right_x] = [left, right].map((share) => Math.round(share * canvas.width));
  const [y, bottom_y] = [top, bottom].map((share) => Math.round(share * canvas.height));
  const part = canvas.getContext("2d").getImageData(x, y, right_x - x, bottom_y - y);
  const pixels = new Uint32Array(part.data.buffer);
  let sum = 0;
  for (const pixel of pixels) sum += (pixel & 255) + ((pixel >> 8) & 255) + ((pixel >> 16) & 255);
  return [sum / 3 / pixels.length, new Set(pixels).size];
}"""
