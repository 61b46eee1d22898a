"""From pairs of sounds to what the net sees and what it should say, and the two losses."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray

from rtdenoise.config import CONTEXT_TRANSFORM
from rtdenoise.context_stft import analyse_context_numpy, hann

from .config import ScaleConfig, UnetConfig

Float32 = NDArray[np.float32]

#: Magnitude of a full-scale sine.
FULL_SCALE = float(hann(CONTEXT_TRANSFORM).sum()) / 2
#: Attenuations are learnt up to this, in dB: what is gone is gone.
DEEPEST_DB = 40.0
COMPRESSION = 0.3
#: One over the square of the seed's scale: what turns squared decibels into the published losses.
SEED_SCALE = 1 / 82.0**2


def decibels(magnitudes: Float32, scale: ScaleConfig) -> Float32:
    """Of ``(batch, n_frames, n_bins)`` magnitudes, in dB, not below the floor."""
    reference: Float32 | float = FULL_SCALE
    if scale.reference == "maximum":
        reference = np.maximum(magnitudes.max(axis=(1, 2), keepdims=True), 1e-5)
    quietest = 10 ** (scale.floor_db / 20)
    return (20 * np.log10(np.maximum(magnitudes / reference, quietest))).astype(np.float32)


def examples(config: UnetConfig, noisy: Float32, clean: Float32) -> tuple[Float32, Float32]:
    """The net's pictures and their targets.

    Args:
        noisy, clean: ``(batch, context_length)``.

    Returns:
        ``(batch, n_frames, n_bins, 1)``, and ``(batch, n_frames, n_bins, k)``, to be read by ``loss_of``. The
        target's first channel is the noise's part of the decibels on the net's scale.
    """
    scale = config.scale
    noisy_spectra, clean_spectra = (analyse_context_numpy(s, CONTEXT_TRANSFORM) for s in (noisy, clean))
    noisy_magnitudes, clean_magnitudes = np.abs(noisy_spectra), np.abs(clean_spectra)
    heard = decibels(noisy_magnitudes, scale)
    part = heard - decibels(clean_magnitudes, scale)
    if config.recipe == "improved":
        part = np.clip(part, 0.0, DEEPEST_DB)
    channels = [(part - scale.out_centre) / scale.out_spread]
    if config.recipe == "improved":
        level = np.sqrt(np.mean(noisy_magnitudes**2, axis=(1, 2), keepdims=True)) + 1e-9
        product = np.maximum(noisy_magnitudes * clean_magnitudes, 1e-12)
        channels += [
            (noisy_magnitudes / level) ** COMPRESSION,
            (clean_magnitudes / level) ** COMPRESSION,
            (noisy_spectra * clean_spectra.conj()).real / product,
        ]
    return ((heard - scale.centre) / scale.spread)[..., None], np.stack(channels, axis=-1).astype(np.float32)


def loss_of(config: UnetConfig):
    """The loss that Keras is given: ``loss(target, output)``."""
    return _improved_loss(config.scale) if config.recipe == "improved" else _seed_loss


def _seed_loss(target, output):
    return ops.mean(ops.square(target - output))


def _improved_loss(scale: ScaleConfig):
    """Magnitudes to the power 0.3, alone and with the angle between noisy and clean; more for what is lost of speech;
    and the seed's loss, which alone counts what nobody hears."""

    def loss(target, output):
        output = output[..., 0]
        part, noisy, clean, cosine = (target[..., i] for i in range(4))
        attenuation_db = ops.maximum(scale.out_centre + scale.out_spread * output, 0.0)
        estimate = noisy * ops.exp(attenuation_db * (-COMPRESSION * np.log(10) / 20))
        error = estimate - clean
        magnitude = ops.mean(ops.square(error)) + 0.5 * ops.mean(ops.square(ops.maximum(-error, 0.0)))
        angle = ops.mean(ops.square(estimate) + ops.square(clean) - 2 * estimate * clean * cosine)
        seed = scale.out_spread**2 * SEED_SCALE * ops.mean(ops.square(part - output))
        return magnitude + 0.3 * angle + 0.5 * seed

    return loss


def seed_scale_loss(config: UnetConfig, target: Float32, output: Float32 | float) -> float:
    """Mean squared error of the noise's part in dB, on the scale of the published losses.

    Args:
        target: of ``examples``.
        output: the net's, ``(batch, n_frames, n_bins, 1)``, or one number for all.
    """
    return float(np.mean((target[..., :1] - output) ** 2) * config.scale.out_spread**2 * SEED_SCALE)
