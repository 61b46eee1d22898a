"""``python -m benchmarks.alignment``: reconstruction, latency and exactness of the engine, measured on its output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtdenoise import Denoiser, Model, RtdenoiseError, denoise
from rtdenoise.commands.demo import load_sample
from rtdenoise.config import NATIVE_RATES

from .figures import Figure
from .provenance import write_document
from .tables import table

OTHER_RATES = (11025, 12000, 22050, 44100, 96000)
BLOCKS = (1, 7, 127, 128, 129, 509, 8193)


def stream(denoiser: Denoiser, samples: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """All output for ``samples`` given block by block, flushed."""
    parts = [denoiser.process(samples[i : i + block]) for i in range(0, len(samples), block)]
    return np.concatenate([*parts, denoiser.flush()])


def reconstruction_db(rate: int, model: Model) -> float:
    """SNR of a second of white noise through transform and inverse transform, in dB."""
    noise = np.random.default_rng(0).uniform(-1, 1, rate).astype(np.float32)
    denoiser = Denoiser(rate, model, bypass=True)
    out = stream(denoiser, noise, 1000)[denoiser.latency :]
    return float(10 * np.log10(np.sum(noise**2) / np.sum((out - noise).astype(np.float64) ** 2)))


def impulse_latency(rate: int, model: Model) -> int:
    """Samples by which an impulse comes out later, dry."""
    impulse = np.zeros(rate // 2, np.float32)
    impulse[rate // 4] = 1.0
    return int(np.argmax(np.abs(stream(Denoiser(rate, model, bypass=True), impulse, 77)))) - rate // 4


def correlation_latency(model: Model) -> int:
    """Samples at 16 kHz by which denoised speech lags behind the noisy one: the peak of their cross-correlation."""
    sample = load_sample()
    noisy = sample.noisy
    out = stream(Denoiser(sample.sample_rate, model), noisy, 160)
    n = 1 << (len(out) + len(noisy)).bit_length()
    return int(np.argmax(np.fft.irfft(np.fft.rfft(out, n) * np.conj(np.fft.rfft(noisy, n)), n)[: n // 2]))


def measure(model: Model) -> dict[str, Any]:
    """All of it, at every native rate and some others."""
    rows = []
    for rate in (*NATIVE_RATES, *OTHER_RATES):
        denoiser = Denoiser(rate, model)
        row = {"rate": rate, "stated": denoiser.latency, "measured": impulse_latency(rate, model)}
        rows.append(row | {"reconstruction_db": reconstruction_db(rate, model) if rate in NATIVE_RATES else None})
    noisy, rate = load_sample().noisy, 16000
    whole, differing = denoise(noisy, rate, model), 0
    for block in BLOCKS:
        denoiser = Denoiser(rate, model)
        differing += int(np.sum(stream(denoiser, noisy, block)[denoiser.latency :] != whole))
    return {"model": model.name, "rows": rows, "speech": correlation_latency(model), "differing": differing}


def as_text(found: dict[str, Any]) -> str:
    """A table and two sentences in Markdown."""
    lines = []
    for row in found["rows"]:
        decibels = "-" if row["reconstruction_db"] is None else f"{row['reconstruction_db']:.1f}"
        milliseconds = f"{1000 * row['stated'] / row['rate']:.2f}"
        lines.append([f"{row['rate']} Hz", decibels, f"{row['stated']}", milliseconds, f"{row['measured']}"])
    return "\n\n".join(
        [
            f"Latency of the engine alone with `{found['model']}`, as stated and as an impulse shows it, in samples; "
            "what noise loses that goes through transform and inverse transform.",
            table(["", "reconstruction dB", "stated", "ms", "measured"], lines),
            f"Denoised speech at 16 kHz lags by {found['speech']} samples, by cross-correlation. Streamed in blocks of "
            f"{', '.join(map(str, BLOCKS))} samples against in one go: {found['differing']} samples differ.",
        ]
    )


def figures(found: dict[str, Any]) -> dict[str, Figure]:
    """What `report --compare` holds against an older run."""
    return {f"latency of the engine at {row['rate']} Hz, samples": Figure([row["measured"]]) for row in found["rows"]}


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code: 1 where something is not as it is stated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alignment", description=__doc__)
    parser.add_argument("--model", default="stream", help="name or ONNX file (stream)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    try:
        found = measure(Model.load(given.model))
    except RtdenoiseError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(as_text(found))
    write_document(given.json, "alignment", found)
    return int(found["differing"] > 0 or any(row["stated"] != row["measured"] for row in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
