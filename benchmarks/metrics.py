"""How good denoised speech is, by the measures that papers quote. All take (n,) arrays at 16 kHz, aligned."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soxr
from numpy.typing import NDArray

from train.metrics import si_sdr_db

from .dataset import RATE, Float32

Float64 = NDArray[np.float64]


def pesq_wide(clean: Float64, estimate: Float64) -> float:
    """ITU-T P.862.2, 1.04 to 4.64."""
    from pesq import pesq

    return float(pesq(RATE, clean, estimate, "wb"))


def pesq_narrow(clean: Float64, estimate: Float64) -> float:
    """ITU-T P.862.1 at 8 kHz, 1.02 to 4.55."""
    from pesq import pesq

    clean, estimate = (soxr.resample(samples, RATE, 8000, quality="VHQ") for samples in (clean, estimate))
    return float(pesq(8000, clean, estimate, "nb"))


def stoi(clean: Float64, estimate: Float64) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    return _stoi(clean, estimate, extended=False)


def estoi(clean: Float64, estimate: Float64) -> float:
    """Extended STOI (Jensen and Taal 2016), 0 to 1."""
    return _stoi(clean, estimate, extended=True)


def _stoi(clean: Float64, estimate: Float64, extended: bool) -> float:
    from pystoi import stoi

    with warnings.catch_warnings():
        # Where there is too little speech pystoi warns and gives 1e-5.
        warnings.simplefilter("error", RuntimeWarning)
        return float(stoi(clean, estimate, RATE, extended=extended))


def si_sdr(clean: Float64, estimate: Float64) -> float:
    """Scale-invariant SDR in dB (Le Roux et al. 2019)."""
    if not estimate.any():
        raise ValueError("the output is silent")
    return float(si_sdr_db(estimate, clean))


def dnsmos(clean: Float64, estimate: Float64) -> dict[str, float]:
    """DNSMOS P.835 (Reddy et al. 2022), 1 to 5, without the clean version: signal, background, overall."""
    opinion = _dnsmos()(estimate.clip(-1, 1), RATE, False)
    return {key: float(opinion[f"{key.lower()}_mos"]) for key in ("SIG", "BAK", "OVRL")}


@functools.cache
def _dnsmos() -> Callable[..., dict[str, float]]:
    """What speechmos makes of an array at a rate; on one thread, for recordings are measured side by side.

    Without its P.808 score, which costs a sixth of the time and is no column here.
    """
    import onnxruntime
    from speechmos import dnsmos

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    dnsmos.ort = SimpleNamespace(InferenceSession=functools.partial(onnxruntime.InferenceSession, sess_options=options))
    models = Path(dnsmos.__file__).with_name("dnsmos_models")
    scorer = dnsmos.DNSMOS(str(models / "sig_bak_ovr.onnx"), str(models / "model_v8.onnx"))
    scorer.audio_melspec = lambda audio: np.zeros((1, 1))
    scorer.p808_onnx_sess = SimpleNamespace(run=lambda names, features: np.zeros((1, 1, 1)))
    return scorer


#: Columns in their order, with the number of decimals that means something.
DECIMALS = {"PESQ-WB": 2, "PESQ-NB": 2, "STOI": 3, "ESTOI": 3, "SI-SDR": 1, "SIG": 2, "BAK": 2, "OVRL": 2}
_MEASURES: dict[str, Callable[[Float64, Float64], float]] = {
    "PESQ-WB": pesq_wide, "PESQ-NB": pesq_narrow, "STOI": stoi, "ESTOI": estoi, "SI-SDR": si_sdr,
}  # fmt: skip


def measure(
    clean: Float32, estimate: Float32, wanted: Collection[str] = tuple(DECIMALS)
) -> tuple[dict[str, float], dict[str, str]]:
    """The ``wanted`` measures of one recording, and for each that cannot be had, why: what one refuses, another can
    still say."""
    pair = clean.astype(np.float64), estimate.astype(np.float64)
    scores: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name in [name for name in _MEASURES if name in wanted]:
        try:
            scores[name] = _finite(_MEASURES[name](*pair))
        except Exception as error:  # each library has its own for silence, short files and the like
            missing[name] = _reason(error)
    if "OVRL" in wanted:
        try:
            scores |= {name: _finite(score) for name, score in dnsmos(*pair).items()}
        except Exception as error:
            missing["DNSMOS"] = _reason(error)
    return scores, missing


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise ValueError(f"the measure gave {score}")
    return score


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install 'rtdenoise[evaluate]' librosa"
    text = error.args[0] if error.args else ""
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return f"{type(error).__name__}: {' '.join(text.split())[:100]}"
