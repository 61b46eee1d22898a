"""The wheel holds all that the product needs and nothing else; what comes from afar is what the project promised."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import rtdenoise

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_weights_sample_and_licence_are_in_the_wheel(wheel):
    names = set(wheel.namelist())
    for name in (
        "weights/stream.onnx",
        "weights/unet8k.onnx",
        "weights/MODEL_CARD.md",
        "samples/demo_clean.flac",
        "samples/demo_noisy.flac",
        "web/static/index.html",
        "web/static/main.js",
        "web/static/style.css",
        "py.typed",
    ):
        assert f"rtdenoise/{name}" in names
        assert wheel.read(f"rtdenoise/{name}") == (ROOT / "rtdenoise" / name).read_bytes()
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_module_and_nothing_else_is_in_the_wheel(wheel):
    ours = {path.name for path in (ROOT / "rtdenoise").glob("*.py")}
    assert {name.split("/")[1] for name in wheel.namelist() if name.count("/") == 1 and name.endswith(".py")} == ours
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "rtdenoise",
        f"rtdenoise-{rtdenoise.__version__}.dist-info",
    }


def test_small_enough_to_install_without_a_thought(wheel):
    sizes = {info.filename: info.file_size for info in wheel.infolist()}
    assert sum(size for name, size in sizes.items() if name.startswith("rtdenoise/samples/")) < 300_000
    assert sum(sizes.values()) < 10_000_000


def test_run_time_needs_are_the_promised_ones(metadata):
    lines = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    needs = {re.match(r"[\w-]+", line).group() for line in lines}
    promised = "numpy numba rocket-fft onnxruntime soundfile soxr sounddevice click rich textual platformdirs tomli"
    assert needs == {*promised.split(), "pulsectl", "jeepney"}
    for name in ("pulsectl", "jeepney"):  # what they speak to is there only
        (line,) = [line for line in lines if line.startswith(name)]
        assert re.search("sys_platform == .linux", line)
    (tomli,) = [line for line in lines if line.startswith("tomli")]
    assert re.search("python_version < .3.11", tomli)  # later ones bring it along
    assert metadata["Version"] == rtdenoise.__version__


def test_the_command_is_installed(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "rtdenoise = rtdenoise.cli:main" in wheel.read(name).decode()
