"""Hazard: ONNX Runtime, which reports to its makers unless told not to, leaves traces or speaks to somebody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Where it finds any of these it keeps quiet by itself, and nothing would be tested.
_HUSH = (
    "CI",
    "GITHUB_ACTIONS",
    "TF_BUILD",
    "ORT_DISABLE_TELEMETRY",
    "ORT_TELEMETRY_DISABLED",
    "ORT_RUNNING_UNIT_TESTS",
)


def run(code: str, home, **more: str) -> str:
    """Run Python in a home of its own, as a user outside of CI would; what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", *_HUSH))}
    environment |= {"HOME": str(home), **more}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a home is another thing there")
def test_denoising_leaves_nothing_at_home(tmp_path):
    run("import rtdenoise; rtdenoise.denoise([0.1] * 4000, 16000)", tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "rtdenoise" not in str(path)] == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_no_thread_waits_to_send_something(tmp_path):
    code = "import os, rtdenoise; rtdenoise.denoise([0.1] * 4000, 16000); print(len(os.listdir('/proc/self/task')))"
    assert run(code, tmp_path) == run(code, tmp_path, CI="true")


def test_who_loaded_onnx_runtime_first_is_covered_too(tmp_path):
    code = (
        "import onnxruntime; told = []; onnxruntime.disable_telemetry_events = lambda: told.append(1)\n"
        "import rtdenoise.model; print(len(told))"
    )
    assert run(code, tmp_path, ORT_DISABLE_TELEMETRY="1") == "1\n"


def test_the_promise_holds_whatever_was_set_before(tmp_path):
    code = "import os, rtdenoise; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run(code, tmp_path, ORT_DISABLE_TELEMETRY="0") == "1\n"
