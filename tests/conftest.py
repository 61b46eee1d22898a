"""What many tests share: tiny models whose effect is known, the real one, and signals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import raised
import tiny_models
from real_server import start_server

from rtdenoise.model import Model


@pytest.fixture(scope="session", autouse=True)
def no_settings(tmp_path_factory):
    """Whoever runs the tests may have settings; they do not count here, nor in processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session", autouse=True)
def raised_errors(request):
    """Where the tests run in parts, the last one has to know what the others raised."""
    yield
    if not (request.session.testsfailed or request.config.option.keyword):
        raised.leave({item.path.name for item in request.session.items})


@pytest.fixture(scope="session")
def identity(tmp_path_factory) -> Model:
    """Leaves everything as it is."""
    return Model.load(tiny_models.save_constant(tmp_path_factory.mktemp("model") / "identity.onnx"))


@pytest.fixture(scope="session")
def constant(tmp_path_factory) -> Callable[[complex], Model]:
    """``constant(gain)``: the same gain in every bin."""
    folder = tmp_path_factory.mktemp("model")
    return lambda gain: Model.load(tiny_models.save_constant(folder / f"constant{gain}.onnx", gain))


@pytest.fixture(scope="session")
def leaky(tmp_path_factory) -> Model:
    """A crude denoiser whose mask depends on all that it heard."""
    return Model.load(tiny_models.save_leaky(tmp_path_factory.mktemp("model") / "leaky.onnx"))


@pytest.fixture(scope="session")
def frame_delay(tmp_path_factory) -> Model:
    """Gives out the previous frame."""
    return Model.load(tiny_models.save_delay(tmp_path_factory.mktemp("model") / "delay.onnx"))


@pytest.fixture(scope="session", params=["leaky", "stream"])
def stateful(request) -> Model:
    """Models with a state: a tiny one, and the one that is shipped."""
    return Model.load("stream") if request.param == "stream" else request.getfixturevalue("leaky")


@pytest.fixture(scope="module")
def server():
    """A real sound server at 48 kHz."""
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """``noise(n)``: n samples of uniform noise at full scale, the same in every run."""
    return lambda n, seed=0: np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)


@pytest.fixture
def speechlike() -> Callable[..., np.ndarray]:
    """``speechlike(n, sample_rate)``: harmonics with a pitch that glides, in syllables, and a little noise."""

    def make(n: int, sample_rate: int = 16000, seed: int = 0) -> np.ndarray:
        time = np.arange(n) / sample_rate
        phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / sample_rate
        voice = sum(np.cos(k * phase) / k for k in range(1, 20)) * np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
        hiss = np.random.default_rng(seed).standard_normal(n)
        return (0.15 * voice + 0.02 * hiss).astype(np.float32)

    return make


def snr_db(reference: np.ndarray, signal: np.ndarray) -> float:
    """How far ``signal - reference`` lies below ``reference``."""
    reference, signal = reference.astype(np.float64), signal.astype(np.float64)
    return float(10 * np.log10(np.sum(reference**2) / max(np.sum((signal - reference) ** 2), 1e-300)))
