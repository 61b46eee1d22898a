"""`rtdenoise web`: the page, until Ctrl+C."""

from __future__ import annotations

import os
import sys
import webbrowser
from importlib import util

import click

from ..errors import MissingPackageError
from .reporter import Reporter

_NEEDED = ("starlette", "uvicorn", "websockets")


def run_web(reporter: Reporter, *, port: int, browser: bool) -> None:
    """Serve the page until somebody interrupts.

    Args:
        reporter: for what people read meanwhile.
        port: on 127.0.0.1; 0 for any that is free.
        browser: open the page there.

    Raises:
        MissingPackageError: the extra is not installed.
        WebError: the port is taken or forbidden.
        KeyboardInterrupt: Ctrl+C, the only way to end it.
    """
    missing = [name for name in _NEEDED if util.find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"the page needs {', '.join(missing)}, not installed here: pip install 'rtdenoise[web]'"
        )
    from ..web.server import PageServer

    with PageServer(port) as server:
        reporter.say("rtdenoise: the page is here until Ctrl+C; whoever has this address may use it:")
        click.echo(server.address)
        if browser and _has_screen():
            webbrowser.open(server.address)
        server.wait()


def _has_screen() -> bool:
    """Whether a browser would open a window, not take the terminal."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
