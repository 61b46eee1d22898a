"""Wheel and source distribution hold all that is needed and nothing else; they say of themselves what is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import rtdenoise

ROOT = Path(__file__).parent.parent


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a ``wheel`` or ``sdist`` of the sources."""
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (path,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("wheel", ROOT, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"rtdenoise-{rtdenoise.__version__}"


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
    for name in ("LICENSE", "NOTICE"):
        (inside,) = [path for path in names if path.endswith(f"licenses/{name}")]
        assert wheel.read(inside) == (ROOT / name).read_bytes()


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


def contents(archive: zipfile.ZipFile) -> dict[str, int]:
    return {info.filename: info.CRC for info in archive.infolist()}


def test_the_source_distribution_makes_the_same_wheel(sources, wheel, tmp_path):
    assert contents(zipfile.ZipFile(build("wheel", sources, tmp_path))) == contents(wheel)


def test_the_source_distribution_has_nothing_that_lies_about(sources):
    folders = {"rtdenoise", "train", "benchmarks", "tests", "tools", "docs"}
    files = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"}
    files |= {"BENCHMARKS.md", "Makefile", "Dockerfile", "mkdocs.yml", "PKG-INFO", ".gitignore"}
    assert {path.name for path in sources.iterdir()} == folders | files
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
        )
        assert listed.returncode == 0, listed.stderr
        known = {*listed.stdout.splitlines(), "PKG-INFO"}
        assert {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()} <= known


def test_docker_builds_from_what_it_copies(wheel, tmp_path):
    """Its daemon cannot run in tests: the same files, by the same backend."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert set(copied) == let_in
    source = tmp_path / "source"
    source.mkdir()
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    assert contents(zipfile.ZipFile(build("wheel", source, tmp_path / "dist"))) == contents(wheel)
    user = max(i for i, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user] != "USER root"
    assert lines.index('ENTRYPOINT ["rtdenoise"]') > user


USER_PROGRAM = """
from rtdenoise import Denoiser, Live, Model, ParameterError, available_models, denoise

denoiser = Denoiser(sample_rate=48000, model=Model.load("stream"))
reveal_type(denoiser.process([0.0]))
reveal_type(denoiser.latency_seconds)
reveal_type(denoise([0.0], 16000))
reveal_type(Live("mic", None).latency_parts)
reveal_type(available_models())
denoiser.attenuation_limit_db = "much"
Denoiser(samplerate=48000)
"""


def test_a_strictly_typed_program_sees_the_types_of_the_wheel(wheel, tmp_path):
    """As people have it: an environment of their own, the wheel in it, mypy --strict."""
    pytest.importorskip("mypy")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (python,) = [path for path in (tmp_path / "venv").glob("*/python*") if path.stem == "python"]
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    wheel.extractall(packages)
    import numpy

    (packages / "others.pth").write_text(str(Path(numpy.__file__).parent.parent), encoding="utf-8")
    (tmp_path / "program.py").write_text(USER_PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "program.py"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    found = [re.sub(r"^program.py:", "", line) for line in printed.splitlines() if line.startswith("program.py:")]
    notes = [line for line in found if "Revealed type" in line]
    errors = [line for line in found if " error: " in line]
    assert len(notes) == 5, printed
    assert "float32" in notes[0] + notes[2] or "floating[" in notes[0] + notes[2]
    assert "float" in notes[1]
    assert "dict[" in notes[3]
    assert all("Any" not in note.replace("tuple[Any, ...]", "") for note in notes), printed
    assert [line.split(":")[0] for line in errors] == ["10", "11"], printed


def test_numbers_of_versions_agree(metadata):
    """One version, and one range of interpreters, wherever they are written."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE).group(1) == rtdenoise.__version__
    interpreters = {"3.10", "3.11", "3.12", "3.13"}
    assert metadata["Requires-Python"] == "<3.14,>=3.10"
    classified = {line.split()[-1] for line in metadata.get_all("Classifier") if ":: Python :: 3." in line}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tried = set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow).group(1)))
    assert classified == tried == interpreters


def test_the_workflow_names_tests_that_exist():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    names = re.search(r"EVERYWHERE: >-\n((?: {8}.*\n)+)", workflow).group(1).split()
    assert len(names) >= 15
    for name in names:
        page = (ROOT / "tests" / f"test_{name}.py").read_text(encoding="utf-8")
        assert not re.search(r"needs_server|^import (resource|pty|fcntl)", page, re.MULTILINE), name


def test_whoever_made_the_recordings_is_named():
    """Every set of the model card's table."""
    card = (ROOT / "rtdenoise" / "weights" / "MODEL_CARD.md").read_text(encoding="utf-8")
    rows = re.search(r"\*\*Data\.\*\*.*?\n\n(.*?)\n\n", card, re.DOTALL).group(1).splitlines()[2:]
    assert len(rows) >= 13
    notice = re.sub(r"\s", "", (ROOT / "NOTICE").read_text(encoding="utf-8")).casefold()
    for row in rows:
        sets, _, licence = (cell.strip() for cell in row.strip("|").split("|"))
        for word in re.findall(r"[A-Z][A-Za-z]+", sets) + re.findall(r"CC0|CC BY-SA|CC BY [34]|Apache-2.0", licence):
            assert word.replace(" ", "").casefold() in notice, (word, row)
