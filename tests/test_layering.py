"""Hazard: a layer reaches upwards, or a plain import drags in what is slow or not there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rtdenoise
from rtdenoise import errors

PACKAGE = Path(rtdenoise.__file__).parent
MODULES = sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))

#: What the lower layers may import of the package; everything above them may import them.
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "compiled": set(),
    "gain": {"compiled"},
    "stft": {"compiled", "config", "errors", "gain"},
    "resample": set(),
    "live/ring_buffer": {"compiled", "errors"},
    "features": {"compiled"},
    "agreement": {"config", "errors"},
    "model": {"agreement", "config", "errors", "features"},
    "comb_net": {"compiled"},
    "pitch_filter": {"comb_net", "compiled", "config"},
    "spectral": {"config", "gain", "model", "pitch_filter", "stft"},
    "context_stft": {"compiled", "config"},
    "context": {"config", "context_stft", "model", "stft"},
    "engine": {"config", "context", "errors", "gain", "model", "resample", "spectral", "stft"},
}
#: Folders above them, and which of the others each may know.
FOLDERS = {
    "files": set(),
    "batch": {"files"},
    "panel": set(),
    "live": {"files"},
    "integrations": {"files"},
    "serve": {"files"},
    "web": {"files", "panel"},
    "commands": {"batch", "live", "files", "panel", "serve", "web"},
}
THIRD_PARTY = {
    "errors": set(),
    "config": set(),
    "compiled": {"numba", "rocket_fft"},
    "gain": {"numpy"},
    "stft": {"numpy", "rocket_fft"},
    "comb_net": {"numpy"},
    "pitch_filter": {"numpy", "rocket_fft"},
    "resample": {"numpy", "soxr"},
    "live/ring_buffer": {"numpy", "numba"},
    "features": {"numpy"},
    "agreement": {"numpy", "onnxruntime"},
    "model": {"numpy", "onnxruntime"},
    "spectral": {"numpy"},
    "context_stft": {"numpy", "rocket_fft"},
    "context": {"numpy"},
    "engine": {"numpy"},
}
FORBIDDEN = {"tensorflow", "keras", "torch", "jax", "train", "librosa", "onnx", "tf2onnx"}


def imports(module: str) -> tuple[set[str], set[str], set[str]]:
    """What a module imports anywhere in it: modules beside it, modules of the package above its folder, packages from
    elsewhere. What only type checkers read does not count."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    beside, above, outside = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            (beside if node.level == 1 else above).update(names)
        elif isinstance(node, ast.ImportFrom):
            outside.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
    return beside, above, outside


@pytest.mark.parametrize("module", ALLOWED)
def test_imports_point_one_way(module):
    beside, above, outside = imports(module)
    inside = above if "/" in module else beside
    assert inside <= ALLOWED[module], "a lower layer knows a higher one"
    assert outside - set(sys.stdlib_module_names) <= THIRD_PARTY[module]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_that_only_training_needs(module):
    beside, above, outside = imports(module)
    assert not (beside | above | outside) & FORBIDDEN
    assert "rtdenoise" not in outside, "inside the package imports are relative"


@pytest.mark.parametrize("module", [module for module in MODULES if "/" in module])
def test_folders_know_the_engine_and_what_is_below_them_only(module):
    _, above, _ = imports(module)
    assert above & {*FOLDERS, "cli"} <= FOLDERS[module.split("/")[0]]


def modules_after(statement: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"]
    root = str(PACKAGE.parent)
    return set(subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.split())


def test_a_plain_import_is_light():
    loaded = modules_after("import rtdenoise; dir(rtdenoise); rtdenoise.__version__")
    assert "rtdenoise" in loaded
    assert not loaded & {"numba", "rocket_fft", "sounddevice", "onnxruntime", "soundfile", "soxr", "scipy", *FORBIDDEN}


def test_what_models_say_of_themselves_needs_no_numba():
    loaded = modules_after("import rtdenoise; rtdenoise.available_models()")
    assert "onnxruntime" in loaded
    assert not loaded & {"numba", "rocket_fft"}


def test_denoising_needs_no_sound_server():
    loaded = modules_after("import rtdenoise; rtdenoise.denoise([0.1] * 1000, 44100)")
    assert {"numba", "onnxruntime", "soxr"} <= loaded
    assert not loaded & {"sounddevice", "soundfile", "click", "rich", *FORBIDDEN}


def test_denoising_needs_no_scipy():
    """Where it is installed rocket-fft imports it; where it is not, nothing may miss it."""
    without = "sys.modules['scipy'] = None; import rtdenoise; rtdenoise.denoise([0.1] * 1000, 44100)"
    assert "rocket_fft" in modules_after(without)


def test_all_that_is_promised_is_there():
    for name in rtdenoise.__all__:
        assert getattr(rtdenoise, name) is not None
    assert dir(rtdenoise) == rtdenoise.__all__
    assert {name for name, kind in vars(errors).items() if isinstance(kind, type)} <= set(rtdenoise.__all__)
    with pytest.raises(AttributeError, match=r"has no attribute 'Denoyser'; it has .*Denoiser"):
        rtdenoise.Denoyser  # noqa: B018


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
