"""The transform as matrix products, and the loss on what comes out of it."""

from __future__ import annotations

import numpy as np
from keras import ops

from rtdenoise.config import TransformConfig
from rtdenoise.stft import design_windows

from .compiled import exact_products
from .config import LossConfig


class Transform:
    """The engine's transform over whole signals; products with fixed matrices, which every backend differentiates."""

    def __init__(self, transform: TransformConfig) -> None:
        window, hop = transform.window_length, transform.hop_length
        analysis, synthesis = design_windows(transform)
        self.window, self.hop, self.n_bins = window, hop, transform.n_bins
        self.forward = real_dft(window, analysis)
        self.loss_forward = real_dft(window, np.hanning(window + 1)[:-1])
        # Inverse of the real DFT: bins between the edges stand for two.
        weights = np.full(self.n_bins, 2.0)
        weights[[0, -1]] = 1.0
        inverse = (
            real_dft(window, np.ones(window)).T.reshape(self.n_bins, 2, window) * weights[:, None, None]
        ) / window
        self.inverse = (inverse[:, :, -2 * hop :] * synthesis).reshape(2 * self.n_bins, 2 * hop).astype(np.float32)
        self.forward, self.loss_forward = self.forward.astype(np.float32), self.loss_forward.astype(np.float32)
        self.thirds, self.barks = third_octave_bands(self.n_bins), bark_bands(self.n_bins)

    def frames(self, samples):
        """``(batch, hops * hop_length)`` to ``(batch, hops, n_bins, 2)``: the frame that ends with each hop."""
        hops = samples.shape[1] // self.hop
        padded = ops.pad(samples, [[0, 0], [self.window - self.hop, 0]])
        return self._spectrum(padded, self.hop, hops, self.forward)

    def loss_frames(self, samples):
        """``(batch, samples)`` to Hann-windowed frames, two hops apart, ``(batch, frames, n_bins, 2)``."""
        step = 2 * self.hop
        count = (samples.shape[1] - self.window) // step + 1
        return self._spectrum(samples, step, count, self.loss_forward)

    def _spectrum(self, samples, step: int, count: int, matrix):
        parts = self.window // step
        pieces = ops.reshape(samples[:, : (count + parts - 1) * step], (-1, count + parts - 1, step))
        frames = ops.concatenate([pieces[:, i : i + count] for i in range(parts)], axis=-1)
        with exact_products():
            return ops.reshape(ops.matmul(frames, matrix), (-1, count, self.n_bins, 2))

    def samples(self, frames):
        """``(batch, hops, n_bins, 2)`` to samples of all hops but the last, ``(batch, (hops - 1) * hop_length)``."""
        count = frames.shape[1]
        with exact_products():
            pieces = ops.matmul(ops.reshape(frames, (-1, count, 2 * self.n_bins)), self.inverse)
        return ops.reshape(pieces[:, 1:, : self.hop] + pieces[:, :-1, self.hop :], (-1, (count - 1) * self.hop))


def real_dft(length: int, window: np.ndarray) -> np.ndarray:
    """``(length, 2 * n_bins)``: real and imaginary part of each bin side by side."""
    spectrum = np.fft.rfft(np.eye(length) * window, axis=1)
    return np.stack([spectrum.real, spectrum.imag], axis=-1).reshape(length, -1)


def third_octave_bands(n_bins: int, rate: int = 16000) -> np.ndarray:
    """``(n_bins, 15)``: 1 where a bin lies in a third of an octave around 150, 189, ... 3810 Hz (Taal et al. 2011)."""
    frequency = np.linspace(0, rate / 2, n_bins)[:, None]
    centre = 150 * 2 ** (np.arange(15) / 3)
    return ((frequency >= centre * 2 ** (-1 / 6)) & (frequency < centre * 2 ** (1 / 6))).astype(np.float32)


def bark_bands(n_bins: int, rate: int = 16000, bands: int = 32) -> np.ndarray:
    """``(n_bins, bands)``: means over the bins of bands of equal width on the Bark scale (Traunmueller 1990)."""
    frequency = np.linspace(0, rate / 2, n_bins)
    bark = 26.81 * frequency / (1960 + frequency) - 0.53
    place = np.clip((bark - bark[1]) / (bark[-1] - bark[1]) * bands, 0, bands - 1e-6).astype(int)
    member = place[:, None] == np.unique(place)  # low bands narrower than a bin hold none and fall away
    return (member / member.sum(axis=0)).astype(np.float32)


def complex_product(a, b):
    """Product of two complex arrays whose last axis is (real, imaginary)."""
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    return ops.stack([real, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], axis=-1)


def compressed(frames, exponent: float = 0.3):
    """Magnitude ``(..., n_bins)`` and complex parts ``(..., n_bins, 2)``, the magnitude to the power ``exponent``."""
    square = ops.sum(ops.square(frames), axis=-1) + 1e-9
    magnitude = ops.power(square, 0.5 * exponent)
    return magnitude, frames * (magnitude / ops.sqrt(square))[..., None]


def spectral_loss(config: LossConfig, estimate, target):
    """Compressed magnitude and complex error (Braun and Tashev 2021); too little magnitude costs extra."""
    magnitude, parts = compressed(estimate)
    wanted_magnitude, wanted_parts = compressed(target)
    error = wanted_magnitude - magnitude
    return (
        config.magnitude * ops.mean(ops.square(error))
        + config.over_attenuation * ops.mean(ops.square(ops.relu(error)))
        + config.complex_parts * ops.mean(ops.sum(ops.square(parts - wanted_parts), axis=-1))
    )


def waveform_loss(estimate, target, noisy):
    """Logarithm of the error's share of the target (SNR), soft below 30 dB and finite where the target is silent."""
    error = ops.mean(ops.square(estimate - target), axis=1)
    signal, mixture = ops.mean(ops.square(target), axis=1), ops.mean(ops.square(noisy), axis=1)
    share = (error + 1e-3 * signal + 1e-5 * mixture + 1e-10) / (signal + 1e-2 * mixture + 1e-10)
    return ops.mean(ops.log(share)) / float(np.log(10))


def loudness_loss(transform: Transform, estimate, target):
    """Squared error of the loudness of Bark bands, power to 0.23 (Zwicker), as both kinds of frames ``(...)`` hear it:
    every band counts alike, so the lower half of the spectrum counts for most."""
    heard, wanted = (
        ops.power(ops.matmul(ops.sum(ops.square(frames), axis=-1), transform.barks) + 1e-7, 0.23)
        for frames in (estimate, target)
    )
    return ops.mean(ops.square(heard - wanted))


def intelligibility_loss(transform: Transform, estimate, target):
    """One minus ESTOI (Jensen and Taal 2016) of frames 16 ms apart, over the segments of 384 ms in which one speaks.

    Bands are summed at 16 kHz, and no frames are taken out, unlike the measure's own definition. What is shorter is one
    segment.
    """
    frames = min(24, target.shape[1])

    def segments(spectra):
        envelope = ops.sqrt(ops.matmul(ops.sum(ops.square(spectra), axis=-1), transform.thirds) + 1e-8)
        count = envelope.shape[1] - frames + 1
        pieces = ops.stack([envelope[:, i : i + count] for i in range(frames)], axis=2)
        return normalised(normalised(pieces, 2), 3), ops.sum(ops.square(pieces), axis=(2, 3))

    def normalised(x, axis: int):
        x = x - ops.mean(x, axis=axis, keepdims=True)
        return x / ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True) + 1e-8)

    (heard, _), (wanted, energy) = segments(estimate), segments(target)
    agreement = ops.sum(heard * wanted, axis=(2, 3)) / frames
    spoken = ops.cast(energy > 1e-3 * ops.max(energy, axis=1, keepdims=True) + 1e-3, "float32")
    return ops.sum(spoken * (1 - agreement)) / (ops.sum(spoken) + 1e-8)


def scale_to_mixture(noisy):
    """``(batch, 1)``: what brings every mixture to the same level."""
    return 0.06 / ops.sqrt(ops.mean(ops.square(noisy), axis=1, keepdims=True) + 1e-8)


def denoising_loss(config: LossConfig, transform: Transform, masked, noisy, clean):
    """Loss of masked frames ``(batch, hops, n_bins, 2)`` for ``noisy`` and ``clean`` ``(batch, samples)``.

    Every example is scaled to the same level of its mixture first, so that quiet ones count as much as loud ones.
    """
    scale = scale_to_mixture(noisy)
    noisy, clean, masked = noisy * scale, clean * scale, masked * scale[:, :, None, None]
    estimate = transform.samples(masked)
    clean_part, noisy_part = clean[:, : estimate.shape[1]], noisy[:, : estimate.shape[1]]
    heard, wanted = transform.loss_frames(estimate), transform.loss_frames(clean_part)
    return (
        spectral_loss(config, heard, wanted)
        + config.masked_frames * spectral_loss(config, masked, transform.frames(clean))
        + config.waveform * waveform_loss(estimate, clean_part, noisy_part)
        + config.loudness * loudness_loss(transform, heard, wanted)
        + config.intelligibility * intelligibility_loss(transform, heard, wanted)
    )
