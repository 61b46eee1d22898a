"""Real-time streaming speech denoiser.

    import rtdenoise
    denoiser = rtdenoise.Denoiser(sample_rate=16000)
    clean = denoiser.process(block)         # any number of samples, again and again

Importing this package is quick: what needs numba, ONNX Runtime or a sound server is imported when first asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .errors import AudioFileError, DeviceError, MissingPackageError, ModelError, ParameterError, RtdenoiseError

if TYPE_CHECKING:
    from .engine import Denoiser, denoise
    from .live.session import Live
    from .model import Model, available_models

__version__ = "0.1.0"

__all__ = [
    "AudioFileError",
    "Denoiser",
    "DeviceError",
    "Live",
    "MissingPackageError",
    "Model",
    "ModelError",
    "ParameterError",
    "RtdenoiseError",
    "__version__",
    "available_models",
    "denoise",
]

# ONNX Runtime from 1.29 on would report to its makers what runs here. It looks at this once, when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_HOMES = {
    "Denoiser": "engine",
    "denoise": "engine",
    "Live": "live.session",
    "Model": "model",
    "available_models": "model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
