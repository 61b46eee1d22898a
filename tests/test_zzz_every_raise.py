"""Every error that the product can raise on purpose was raised while the tests ran; so this file comes last.

What only a process of its own can raise is not seen, so such lines need a test inside this process too.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
import raised

from benchmarks import pulse

pytestmark = pytest.mark.alone


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
    config, in_parts = request.config, "RAISED" in os.environ
    ran = {item.path.name for item in request.session.items} | raised.collect()
    everything = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    if request.session.testsfailed:
        pytest.skip("a test that failed may be the one that reaches it")
    chosen = config.option.keyword or config.option.markexpr or hasattr(config, "workerinput")
    if ran != everything or (chosen and not in_parts):
        assert not (in_parts and os.environ.get("CI") == "true"), everything - ran
        pytest.skip("only a run of all tests can tell")
    if pulse.why_not() is not None and os.environ.get("CI") != "true":
        pytest.skip(f"tests with a sound server were left out: {pulse.why_not()}")
    missing = [
        f"{path.relative_to(raised.PACKAGE)}:{node.lineno}: {ast.unparse(node)[:90]}"
        for path in sorted(raised.PACKAGE.rglob("*.py"))
        for node in raises(path)
        if not any((str(path), line) in raised.seen for line in range(node.lineno, node.end_lineno + 1))
    ]
    assert not missing, "no test reaches these:\n" + "\n".join(missing)
