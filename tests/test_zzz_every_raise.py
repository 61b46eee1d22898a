"""Every error that the product can raise on purpose was raised while the tests ran; so this file comes last.

Importing it, which pytest does before the first test, makes the project's exceptions note where they come from. What
only a process of its own can raise is not seen, so such lines need a test inside this process too.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

import rtdenoise
from benchmarks import pulse
from rtdenoise.errors import RtdenoiseError

PACKAGE = Path(rtdenoise.__file__).parent
seen: set[tuple[str, int]] = set()


def _note_origin(self: RtdenoiseError, *arguments: object) -> None:
    Exception.__init__(self, *arguments)
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(str(PACKAGE)):
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back


RtdenoiseError.__init__ = _note_origin


def raises(path: Path) -> list[ast.Raise]:
    """The statements that raise an error of the project, or what a function of the project makes of one."""
    foreign = {"AttributeError", "BrokenPipeError", "OSError", "BadParameter", "UsageError"}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            called = node.exc.func
            name = called.id if isinstance(called, ast.Name) else called.attr
            if name not in foreign:
                found.append(node)
    return found


def test_every_raise_was_reached(request):
    collected = {item.path.name for item in request.session.items}
    everything = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    options = request.config.option
    if collected != everything or options.keyword or options.markexpr or request.session.testsfailed:
        pytest.skip("only a run of all tests can tell")
    if pulse.why_not() is not None and os.environ.get("CI") != "true":
        pytest.skip(f"tests with a sound server were left out: {pulse.why_not()}")
    missing = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)[:90]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in raises(path)
        if not any((str(path), line) in seen for line in range(node.lineno, node.end_lineno + 1))
    ]
    assert not missing, "no test reaches these:\n" + "\n".join(missing)
