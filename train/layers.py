"""Layers that see time only through an explicit state, so that one frame at a time equals the whole sequence.

Every layer here is called with any number of frames; a sequence cut anywhere, with the state carried over, gives the
same result. The one-frame graph that is exported is the same call with one frame.
"""

from __future__ import annotations

import keras
from keras import ops


class FrequencyConv(keras.layers.Layer):
    """Convolution along frequency of each frame by itself, batch norm, LeakyReLU.

    Shape: ``(batch, time, bins, channels_in)`` to ``(batch, time, bins / stride * upsample, channels)``. With
    ``upsample`` the channels of each output bin become neighbouring bins (sub-pixel upsampling, Shi et al. 2016).
    """

    def __init__(
        self,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        upsample: int = 1,
        activate: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.upsample = channels, upsample
        self.conv = keras.layers.Conv2D(
            channels * upsample,
            (1, kernel),
            strides=(1, stride),
            padding="same",
            use_bias=not activate,
            kernel_initializer="he_normal" if activate else "glorot_uniform",
            name="conv",
        )
        self.norm = keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-4, name="norm") if activate else None

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        self.conv.build(shape)
        if self.norm is not None:
            self.norm.build(self.conv.compute_output_shape(shape))
        self.built = True

    def call(self, x, training: bool = False):
        """Apply to ``(batch, time, bins, channels)``."""
        x = self.conv(x)
        if self.norm is not None:
            x = ops.leaky_relu(self.norm(x, training=training), 0.1)
        if self.upsample > 1:
            _, time, bins, _ = x.shape
            x = ops.reshape(x, (-1, time, bins * self.upsample, self.channels))
        return x


class GRUCell(keras.layers.Layer):
    """One frame of a gated recurrent unit whose input has already been multiplied by its weights.

    Shape: ``product (rows, 3 * channels)`` and ``[state (rows, channels)]`` to the new state, twice, as Keras wants.
    Equations: Cho et al. 2014, with the reset gate applied after the recurrent product (the cuDNN form).
    """

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.state_size = self.output_size = self.channels = channels

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        c = self.channels
        self.recurrent = self.add_weight(shape=(c, 3 * c), initializer="orthogonal", name="recurrent")
        self.bias = self.add_weight(shape=(c,), initializer="zeros", name="bias")
        self.built = True

    def call(self, product, states, training: bool = False):
        """Advance by one frame."""
        c, (state,) = self.channels, states
        h = ops.matmul(state, self.recurrent)
        gates = ops.sigmoid(product[:, : 2 * c] + h[:, : 2 * c])
        update, reset = gates[:, :c], gates[:, c:]
        candidate = ops.tanh(product[:, 2 * c :] + reset * (h[:, 2 * c :] + self.bias))
        new = candidate + update * (state - candidate)
        return new, [new]


class TimeGRU(keras.layers.Layer):
    """A gated recurrent unit over time, one and the same for every bin; adds its projection to its input.

    Shape: ``x (batch, time, bins, channels)`` and ``state (batch, bins, channels)`` to the same two.
    """

    def build(self, x_shape: tuple, state_shape: tuple) -> None:
        """Make the weights."""
        channels = x_shape[-1]
        self.input_product = keras.layers.Dense(3 * channels, name="input")
        self.input_product.build(x_shape)
        self.cell = GRUCell(channels, name="cell")
        self.cell.build((None, 3 * channels))
        self.over_time = keras.layers.RNN(self.cell, return_sequences=True, return_state=True, name="over_time")
        self.project = keras.layers.Dense(channels, use_bias=False, name="project")
        self.project.build(x_shape)
        self.norm = keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-4, name="norm")
        self.norm.build(x_shape)
        self.built = True

    def call(self, x, state, training: bool = False):
        """Run over time from ``state``; returns the output and the state after the last frame."""
        _, time, bins, c = x.shape
        product = self.input_product(x)
        state = ops.reshape(state, (-1, c))
        if time == 1:
            state, _ = self.cell(ops.reshape(product, (-1, 3 * c)), [state])
            hidden = ops.reshape(state, (-1, 1, bins, c))
        else:
            rows = ops.reshape(ops.transpose(product, (0, 2, 1, 3)), (-1, time, 3 * c))
            hidden, state = self.over_time(rows, initial_state=[state])
            hidden = ops.transpose(ops.reshape(hidden, (-1, bins, time, c)), (0, 2, 1, 3))
        out = x + self.norm(self.project(hidden), training=training)
        return out, ops.reshape(state, (-1, bins, c))


class FrequencyMixer(keras.layers.Layer):
    """Lets every bin of a frame see every other: two products along frequency, the same for each channel.

    Shape: ``(batch, time, bins, channels)`` to the same; adds its output to its input (the token mixing of MLP-Mixer,
    Tolstikhin et al. 2021: bins have fixed meanings, so fixed weights between them do).
    """

    def __init__(self, hidden: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        bins = shape[2]
        self.spread = self.add_weight(shape=(bins, self.hidden), initializer="he_normal", name="spread")
        self.spread_bias = self.add_weight(shape=(self.hidden,), initializer="zeros", name="spread_bias")
        self.gather = self.add_weight(shape=(self.hidden, bins), initializer="glorot_uniform", name="gather")
        self.norm = keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-4, name="norm")
        self.norm.build(shape)
        self.built = True

    def call(self, x, training: bool = False):
        """Apply to ``(batch, time, bins, channels)``."""
        turned = ops.transpose(x, (0, 1, 3, 2))
        turned = ops.leaky_relu(ops.matmul(turned, self.spread) + self.spread_bias, 0.1)
        turned = ops.transpose(ops.matmul(turned, self.gather), (0, 1, 3, 2))
        return x + self.norm(turned, training=training)
