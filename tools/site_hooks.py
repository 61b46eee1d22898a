"""What mkdocs.yml asks for beyond the pages in docs/: pages that live elsewhere, the demo to be heard, drawings.

A page from elsewhere keeps its place and its links: those that lead to another page of the site are turned towards it,
pictures come along, and the rest, which leads into the sources, stays as words.
"""

from __future__ import annotations

import io
import posixpath
import re
from pathlib import Path
from typing import Any

import soundfile
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from rtdenoise import denoise
from rtdenoise.commands.spectrogram import draw_before_after

ROOT = Path(__file__).parent.parent

#: Pages of the site that are files elsewhere in the project.
PAGES = {
    "benchmarks.md": "BENCHMARKS.md",
    "benchmarks-how.md": "benchmarks/README.md",
    "speed.md": "benchmarks/NOTES.md",
    "model-card.md": "rtdenoise/weights/MODEL_CARD.md",
    "training.md": "train/README.md",
    "experiments.md": "train/EXPERIMENTS.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "notice.md": "NOTICE",
}
URIS = {source: uri for uri, source in PAGES.items()}
#: Those with tables that need the room of the table of contents.
WIDE = {"benchmarks.md"}
SAMPLES = ROOT / "rtdenoise" / "samples"

_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?\)")
_DRAWING = re.compile(r'<img [^>]*src="[^"]*assets/(windows|data-path)\.svg"[^>]*>')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not in docs/."""
    taken: set[str] = set()

    def add(uri: str, content: str | bytes) -> None:
        if uri not in taken:
            taken.add(uri)
            files.append(File.generated(config, uri, content=content))

    for uri, path in PAGES.items():
        text, pictures = page_from(path)
        add(uri, f"---\nhide: [toc]\n---\n{text}" if uri in WIDE else text)
        for picture in pictures:
            add(f"assets/{picture}", (ROOT / picture).read_bytes())
    for name, content in demonstration().items():
        add(f"assets/{name}", content)
    return files


def page_from(path: str) -> tuple[str, list[str]]:
    """A page of the project as a page of the site, and the pictures in it.

    Args:
        path: from the root of the project.
    """
    pictures: list[str] = []

    def turned(found: re.Match[str]) -> str:
        mark, words, target, place = found.groups()
        source = beside(path, target)
        if mark:
            pictures.append(source)
            return f"![{words}](assets/{source})"
        if source.startswith("docs/"):
            return f"[{words}]({source.removeprefix('docs/')}{place or ''})"
        return f"[{words}]({URIS[source]}{place or ''})" if source in URIS else words

    return _LINK.sub(turned, (ROOT / path).read_text(encoding="utf-8")), pictures


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links that lead out of docs/, as they do for who reads the files, towards the pages of the site."""
    path = f"docs/{page.file.src_uri}"

    def turned(found: re.Match[str]) -> str:
        mark, words, target, place = found.groups()
        source = beside(path, target)
        if mark or source.startswith("docs/"):
            return found[0]
        up = "../" * page.file.src_uri.count("/")
        return f"[{words}]({up}{URIS[source]}{place or ''})" if source in URIS else words

    return markdown if page.file.src_uri in PAGES else _LINK.sub(turned, markdown)


def beside(path: str, target: str) -> str:
    """What a link of a page leads to, from the root of the project."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def demonstration() -> dict[str, bytes]:
    """The packaged sample before and after, as FLAC, and both as a picture."""
    noisy, rate = soundfile.read(SAMPLES / "demo_noisy.flac", dtype="float32")
    clean = denoise(noisy, rate)
    after = io.BytesIO()
    soundfile.write(after, clean, rate, format="FLAC", subtype="PCM_16")
    return {
        "before.flac": (SAMPLES / "demo_noisy.flac").read_bytes(),
        "after.flac": after.getvalue(),
        "before-after.png": draw_before_after(noisy, clean, rate),
    }


def on_page_content(html: str, **_: Any) -> str:
    """Put drawings into the page itself, where they take its colours."""
    return _DRAWING.sub(lambda found: (ROOT / f"docs/assets/{found[1]}.svg").read_text(encoding="utf-8"), html)
