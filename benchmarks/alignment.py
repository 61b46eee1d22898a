"""``python -m benchmarks.alignment``: reconstruction, latency and exactness of the engine, measured on its output."""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from rtdenoise import Denoiser, Model, denoise
from rtdenoise.commands.demo import load_sample
from rtdenoise.config import NATIVE_RATES


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


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alignment", description=__doc__)
    parser.add_argument("--model", default="stream")
    model = Model.load(parser.parse_args().model)
    print("| rate | reconstruction dB | stated latency | measured (impulse) |\n|---|---|---|---|")
    for rate in (*NATIVE_RATES, 11025, 22050, 24000, 44100, 96000):
        denoiser = Denoiser(rate, model)
        stated = f"{denoiser.latency} samples, {1000 * denoiser.latency_seconds:.2f} ms"
        reconstruction = f"{reconstruction_db(rate, model):.1f}" if rate in NATIVE_RATES else "-"
        print(f"| {rate} | {reconstruction} | {stated} | {impulse_latency(rate, model)} samples |")
    print(f"\nspeech at 16 kHz, by cross-correlation: {correlation_latency(model)} samples")
    noisy, rate = load_sample().noisy, 16000
    whole = denoise(noisy, rate, model)
    differing = 0
    for block in (1, 7, 127, 128, 129, 509, 8193):
        denoiser = Denoiser(rate, model)
        differing += int(np.sum(stream(denoiser, noisy, block)[denoiser.latency :] != whole))
    print(f"streamed against one-shot, blocks of 1, 7, 127, 128, 129, 509, 8193: {differing} samples differ")


if __name__ == "__main__":
    main()
