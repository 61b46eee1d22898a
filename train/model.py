"""The default model ``stream``: a causal U-Net along frequency with a recurrent core along time."""

from __future__ import annotations

import keras
from keras import ops

from rtdenoise.features import POWER_FLOOR

from .config import NetConfig
from .layers import FrequencyConv, FrequencyMixer, TimeGRU


class StreamNet(keras.Model):
    """Complex spectrum in, complex mask out, any number of frames at a time.

    Shape: ``frames (batch, time, n_bins, 2)`` float32, real and imaginary part, and one state per recurrent layer,
    ``(batch, bins, channels)``, to ``mask (batch, time, n_bins, 2)``, each part within -1..1, and the next states.
    """

    def __init__(self, config: NetConfig, n_bins: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config, self.n_bins = config, n_bins
        first, *deeper = config.channels
        self.encoder = [FrequencyConv(first, kernel=8, stride=4, name="encoder_0")]
        self.encoder += [
            FrequencyConv(channels, kernel=config.kernel, stride=2, name=f"encoder_{i}")
            for i, channels in enumerate(deeper, 1)
        ]
        self.recurrent = [TimeGRU(name=f"recurrent_{i}") for i in range(config.core_blocks)]
        self.mixers = [FrequencyMixer(config.mixer_hidden, name=f"mixer_{i}") for i in range(config.core_blocks)]
        self.decoder = [
            FrequencyConv(channels, kernel=config.kernel, upsample=2, name=f"decoder_{i}")
            for i, channels in reversed(list(enumerate(config.channels[:-1])))
        ]
        self.head = FrequencyConv(2, kernel=config.kernel, upsample=4, activate=False, name="head")
        self.core_bins = (n_bins - 1) // 4 // 2 ** len(deeper)
        self.core_channels = config.channels[-1]

    def state_shapes(self) -> list[tuple[int, int]]:
        """``(bins, channels)`` of each state, in the order of the call."""
        return [(self.core_bins, self.core_channels)] * self.config.core_blocks

    def features(self, frames):
        """Real part, imaginary part and magnitude, compressed to ``config.compression``, without the topmost bin."""
        frames = frames[:, :, : self.n_bins - 1, :]
        power = ops.sum(ops.square(frames), axis=-1, keepdims=True) + POWER_FLOOR
        scale = ops.power(power, 0.5 * (self.config.compression - 1.0))
        return ops.concatenate([frames * scale, ops.power(power, 0.5 * self.config.compression)], axis=-1)

    def call(self, inputs, training: bool = False):
        """``[frames, *states]`` to ``[mask, *next_states]``."""
        frames, *states = inputs
        x = self.features(frames)
        skips = []
        for layer in self.encoder:
            x = layer(x, training=training)
            skips.append(x)
        x, next_states = ops.transpose(x, (1, 2, 0, 3)), []  # the order in which the core has nothing to turn
        for recurrent, mixer, state in zip(self.recurrent, self.mixers, states, strict=True):
            x, state = recurrent(x, ops.transpose(state, (1, 0, 2)), training=training)
            next_states.append(ops.transpose(state, (1, 0, 2)))
            x = mixer(x, training=training)
        x = ops.transpose(x, (2, 0, 1, 3))
        for layer in self.decoder:
            x = layer(x + skips.pop(), training=training)
        mask = ops.tanh(self.head(x + skips.pop()))
        return [ops.concatenate([mask, mask[:, :, -1:, :]], axis=2), *next_states]
