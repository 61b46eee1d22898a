"""What tests on a real sound server share: where none can run they are left out, but never where CI=true."""

from __future__ import annotations

import os

import pytest

from benchmarks import pulse

REASON = pulse.why_not()
needs_server = pytest.mark.skipif(
    REASON is not None and os.environ.get("CI") != "true", reason=f"no sound server: {REASON}"
)


def start_server(sample_rate: int = 48000) -> pulse.Server:
    """A server of the test's own; to be stopped by it."""
    assert REASON is None, REASON
    return pulse.Server(sample_rate)
