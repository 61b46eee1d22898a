"""Hazard: a kernel from the cache that is not the one in the source, or no kernel where the cache cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import rtdenoise

PACKAGE = Path(rtdenoise.__file__).parent
KERNEL_MODULES = ("__init__", "compiled", "config", "errors", "gain", "stft")

SOURCE = """
from helping import double
from rtdenoise.compiled import compiled
import numpy as np

@compiled("void(float64[::1])")
def kernel(values):
    for i in range(values.shape[0]):
        values[i] = double(values[i])

values = np.ones(3)
kernel(values)
print(values[0], sum(kernel.stats.cache_hits.values()))
"""
HELPER = """
from rtdenoise.compiled import helper
FACTOR = {factor}

@helper
def double(value):
    return value * FACTOR + {offset}
"""


def run(folder: Path, *arguments: str, **environment: str) -> str:
    paths = os.pathsep.join([str(folder), str(PACKAGE.parent)])
    result = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    return result.stdout.strip()


def test_a_changed_helper_or_constant_in_another_file_is_noticed(tmp_path):
    """Nothing in the kernel's own file changes, which is all that numba looks at."""
    kernel, helping, cache = (
        tmp_path / "kernels.py",
        tmp_path / "helping.py",
        {"NUMBA_CACHE_DIR": str(tmp_path / "cache")},
    )
    kernel.write_text(SOURCE)
    for factor, offset, expected in [
        (2.0, 0.0, "2.0 0"),
        (2.0, 0.0, "2.0 1"),
        (3.0, 0.0, "3.0 0"),
        (3.0, 1.0, "4.0 0"),
    ]:
        helping.write_text(HELPER.format(factor=factor, offset=offset))
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        assert run(tmp_path, str(kernel), **cache) == expected


def test_where_no_cache_can_be_written_the_kernels_still_run(tmp_path):
    package = tmp_path / "rtdenoise"
    package.mkdir()
    for name in KERNEL_MODULES:
        shutil.copy(PACKAGE / f"{name}.py", package)
    # A file where a folder is wanted stops even the administrator, whom permissions do not.
    (package / "__pycache__").write_text("")
    blocked = str(tmp_path / "blocked")
    Path(blocked).write_text("")
    script = (
        "import numpy, rtdenoise.stft as s; out = numpy.ones(4, 'float32');"
        "s.sanitise(numpy.full(4, numpy.nan, 'float32'), out); print(out.sum(), s.__file__)"
    )
    home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR"), blocked)
    assert run(tmp_path, "-c", script, **home) == f"0.0 {package / 'stft.py'}"


def test_kernels_are_compiled_when_their_module_is_imported():
    """Not at the first hop, when sound is already running."""
    from rtdenoise import stft

    for kernel in (stft.sanitise, stft.analyse_hop, stft.synthesise_hop):
        assert len(kernel.signatures) == 1
        kernel.disable_compile()
    stft.sanitise(np.zeros(3, np.float32), np.zeros(3, np.float32))
