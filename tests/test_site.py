"""Hazard: the site warns, leads nowhere, fetches something from elsewhere, or shows what the engine no longer does."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

import rtdenoise

ROOT = Path(__file__).parent.parent
DRAWINGS = ("windows.svg", "data-path.svg")


class Page(HTMLParser):
    """What a page links to, what it fetches, and the places in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.places: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.places.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "src" in given or (tag == "link" and given.get("rel") not in ("canonical", "prev", "next")):
            self.fetched.append(given.get("src") or given.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("pip install 'rtdenoise[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


def test_nothing_is_fetched_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert page.fetched
        for address in page.fetched:
            assert not address.startswith(("http:", "https:", "//")), (path, address)
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not any(f"{word}{quote}http" in text for word in ("url(", "@import ") for quote in ("", '"', "'")), path


def test_every_link_and_picture_is_there(pages):
    checked = 0
    for path, page in pages.items():
        for address in page.links + page.fetched:
            target, _, place = unquote(address).partition("#")
            target = target.partition("?")[0]
            if not address or target.startswith(("http:", "https:", "mailto:", "javascript:", "data:")):
                continue
            aim = (path.parent / target).resolve() if target else path
            assert aim.is_file(), (path.name, address)
            if place and aim.suffix == ".html":
                assert place in pages[aim].places, (path.name, address)
            checked += 1
    assert checked > 1000


def test_every_page_can_be_found_by_the_search(site, pages):
    entries = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    assert {entry["location"].partition("#")[0] for entry in entries} == {
        path.relative_to(site).as_posix() for path in pages
    }
    assert any("PortAudio" in entry["text"] and entry["location"].startswith("troubleshooting") for entry in entries)
    assert (site / "search" / "search_index.js").is_file()  # opened as files, it is all there is


def test_all_that_the_package_exports_is_in_the_reference(pages):
    places = set().union(*(page.places for path, page in pages.items() if path.parent.name == "api"))
    missing = [name for name in rtdenoise.__all__ if f"rtdenoise.{name}" not in places and name != "__version__"]
    assert [name for name in missing if f"rtdenoise.errors.{name}" not in places] == []


def test_what_is_heard_is_what_the_engine_does(site):
    noisy, rate = soundfile.read(site / "assets" / "before.flac", dtype="float32")
    heard, rate_after = soundfile.read(io.BytesIO((site / "assets" / "after.flac").read_bytes()), dtype="float32")
    assert rate_after == rate
    assert np.abs(heard - rtdenoise.denoise(noisy, rate)).max() < 1e-4
    assert (site / "assets" / "before-after.png").read_bytes().startswith(b"\x89PNG")


def test_pages_from_elsewhere_are_whole(site):
    for page, words in (
        ("benchmarks.html", "Promised and measured"),
        ("model-card.html", "220,424 parameters"),
        ("training.html", "python -m train"),
        ("notice.html", "LibriSpeech"),
    ):
        assert words in (site / page).read_text(encoding="utf-8")
    assert list((site / "assets" / "benchmarks" / "results").glob("*.png"))


def test_drawings_stand_in_the_page_and_take_its_colours(site):
    html = (site / "how-it-works.html").read_text(encoding="utf-8")
    assert html.count('<svg xmlns="http://www.w3.org/2000/svg" class="d-ink"') == len(DRAWINGS)
    assert "var(--md-default-fg-color" in html


def test_the_drawings_show_the_windows_that_the_engine_uses():
    """After a change of them: python tools/draw_diagrams.py"""
    spec = importlib.util.spec_from_file_location("draw_diagrams", ROOT / "tools" / "draw_diagrams.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert set(tool.DRAWINGS) == set(DRAWINGS)
    for name, draw in tool.DRAWINGS.items():
        assert (ROOT / "docs" / "assets" / name).read_text(encoding="utf-8") == draw(), name
