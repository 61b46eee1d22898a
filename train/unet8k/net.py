"""The net's shape: 1,941,093 parameters, whatever it is trained on."""

from __future__ import annotations

import keras
from keras import layers

from rtdenoise.config import CONTEXT_TRANSFORM

#: Channels of the encoder's levels; each halves both sides of the picture, the last one has no level below it.
CHANNELS = (16, 32, 64, 128, 256)
SLOPE = 0.3  #: of LeakyReLU below zero


def build_net(dropout: float = 0.0) -> keras.Model:
    """The U-Net of Ronneberger et al. 2015 (arXiv 1505.04597) in the seed's size.

    Args:
        dropout: share of the two deepest levels' values that training leaves out.

    Returns:
        ``(batch, n_frames, n_bins, 1)`` scaled decibels to the same shape in -1..1.
    """
    side = (CONTEXT_TRANSFORM.n_frames, CONTEXT_TRANSFORM.n_bins, 1)
    x = picture = keras.Input(side, name="decibels")
    levels = []
    for depth, channels in enumerate(CHANNELS):
        x = _convolutions(x if depth == 0 else _pooled(x, dropout), channels)
        levels.append(x)
    x = _dropped(x, dropout)
    for skip, channels in zip(levels[-2::-1], CHANNELS[-2::-1], strict=True):
        x = _convolution(layers.UpSampling2D(2)(x), channels, 2)
        x = _convolutions(layers.Concatenate()([skip, x]), channels)
    x = _convolution(x, 2, 3)
    x = layers.Conv2D(1, 1, name="out")(x)
    return keras.Model(picture, layers.Activation("tanh", dtype="float32")(x), name="unet8k")


def _pooled(x, dropout: float):
    """Dropped out after the pooling, not before: the largest of values some of which are doubled and some zero is
    larger than the largest of the values, so the net would be another one without dropout (its validation jumped from
    epoch to epoch by a factor of five)."""
    x = layers.MaxPooling2D(2)(x)
    return _dropped(x, dropout) if x.shape[-1] >= 128 else x


def _dropped(x, dropout: float):
    return layers.Dropout(dropout)(x) if dropout > 0 else x


def _convolutions(x, channels: int):
    return _convolution(_convolution(x, channels, 3), channels, 3)


def _convolution(x, channels: int, kernel: int):
    x = layers.Conv2D(channels, kernel, padding="same", kernel_initializer="he_normal")(x)
    return layers.LeakyReLU(negative_slope=SLOPE)(x)
