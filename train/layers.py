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
        if self.norm is None:
            x = self.conv(x)
        elif training:
            x = ops.leaky_relu(self.norm(self.conv(x), training=True), 0.1)
        else:
            scale, shift = at_rest(self.norm)
            x = ops.conv(x, self.conv.kernel * scale, self.conv.strides, "same") + shift
            x = ops.leaky_relu(x, 0.1)
        if self.upsample > 1:
            _, time, bins, _ = x.shape
            x = ops.reshape(x, (-1, time, bins * self.upsample, self.channels))
        return x


def at_rest(norm):
    """A batch norm that no longer moves, as ``x * scale + shift``, so that it can be part of a product before it."""
    scale = norm.gamma / ops.sqrt(norm.moving_variance + norm.epsilon)
    return scale, norm.beta - norm.moving_mean * scale


@ops.custom_gradient
def gru_over_time(product, state, recurrent, bias):
    """A gated recurrent unit over a sequence whose input has already been multiplied by its weights.

    Shape: ``product (time, rows, 3 * channels)`` (update, reset, candidate), ``state (rows, channels)``,
    ``recurrent (channels, 3 * channels)``, ``bias (channels,)`` to ``hidden (time, rows, channels)``. Equations: Cho et
    al. 2014, with the reset gate applied after the recurrent product (the cuDNN form).

    The gradient is written out because the loop is where training spends its time: all that does not depend on the
    next step's gradient is computed for the whole sequence at once, and weights collect theirs in one product.
    """
    channels = state.shape[-1]
    _, hidden = ops.scan(lambda h, p: (advance(h, p, recurrent, bias),) * 2, state, product)

    def gradient(*args, upstream=None):
        d_hidden = args[0] if upstream is None else upstream
        before = ops.concatenate([state[None], hidden[:-1]], axis=0)
        update, reset, inner, candidate = gates(before, product, recurrent, bias)
        to_candidate = (1 - update) * (1 - ops.square(candidate))
        to_update = (before - candidate) * update * (1 - update)
        to_reset = to_candidate * inner * reset * (1 - reset)
        factors = ops.stack([to_update, to_reset, to_candidate * reset], axis=2)
        turned = ops.transpose(recurrent)

        def back(carried, step):
            own, factor, kept = step
            d = carried + own
            return d * kept + ops.matmul(ops.reshape(d[:, None] * factor, (-1, 3 * channels)), turned), d

        d_state, d = ops.scan(back, ops.zeros_like(state), (d_hidden, factors, update), reverse=True)
        d_recurrent_product = ops.reshape(d[:, :, None] * factors, (-1, 3 * channels))
        d_product = ops.concatenate([d * to_update, d * to_reset, d * to_candidate], axis=-1)
        d_recurrent = ops.matmul(ops.transpose(ops.reshape(before, (-1, channels))), d_recurrent_product)
        return d_product, d_state, d_recurrent, ops.sum(d_recurrent_product[:, 2 * channels :], axis=0)

    return hidden, gradient


def gates(state, product, recurrent, bias):
    """Update gate, reset gate, the candidate's recurrent part and the candidate, each ``(..., rows, channels)``."""
    c = state.shape[-1]
    h = ops.matmul(state, recurrent)
    both = ops.sigmoid(product[..., : 2 * c] + h[..., : 2 * c])
    update, reset, inner = both[..., :c], both[..., c:], h[..., 2 * c :] + bias
    return update, reset, inner, ops.tanh(product[..., 2 * c :] + reset * inner)


def advance(state, product, recurrent, bias):
    """The state one frame later."""
    update, _, _, candidate = gates(state, product, recurrent, bias)
    return candidate + update * (state - candidate)


class GRUWeights(keras.layers.Layer):
    """The recurrent weights of a gated recurrent unit."""

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.recurrent = self.add_weight(shape=(channels, 3 * channels), initializer="orthogonal", name="recurrent")
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        self.built = True


class TimeGRU(keras.layers.Layer):
    """A gated recurrent unit over time, one and the same for every bin; adds its projection to its input.

    Shape: ``x (time, bins, batch, channels)`` and ``state (bins, batch, channels)`` to the same two.
    """

    def build(self, x_shape: tuple, state_shape: tuple) -> None:
        """Make the weights."""
        channels = x_shape[-1]
        self.input_product = keras.layers.Dense(3 * channels, name="input")
        self.input_product.build(x_shape)
        self.cell = GRUWeights(channels, name="cell")
        self.project = keras.layers.Dense(channels, use_bias=False, name="project")
        self.project.build(x_shape)
        self.norm = keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-4, name="norm")
        self.norm.build((None, channels))
        self.built = True

    def call(self, x, state, training: bool = False):
        """Run over time from ``state``; returns the output and the state after the last frame."""
        time, bins, batch, c = x.shape
        weights = self.cell.recurrent + 0.0, self.cell.bias + 0.0  # tensors: a custom gradient takes no variables
        flat = ops.reshape(x, (-1, c))
        product = ops.reshape(self.input_product(flat), (time, -1 if batch is None else bins * batch, 3 * c))
        state = ops.reshape(state, (-1 if batch is None else bins * batch, c))
        hidden = advance(state, product[0], *weights)[None] if time == 1 else gru_over_time(product, state, *weights)
        last, hidden = ops.reshape(hidden[-1], (bins, -1, c)), ops.reshape(hidden, (-1, c))
        if training:
            y = self.norm(self.project(hidden), training=True)
        else:
            scale, shift = at_rest(self.norm)
            y = ops.matmul(hidden, self.project.kernel * scale) + shift
        return x + ops.reshape(y, (time, bins, -1, c)), last


class FrequencyMixer(keras.layers.Layer):
    """Lets every bin of a frame see every other: two products along frequency, the same for each channel.

    Shape: ``(time, bins, batch, channels)`` to the same; adds its output to its input (the token mixing of MLP-Mixer,
    Tolstikhin et al. 2021: bins have fixed meanings, so fixed weights between them do).
    """

    def __init__(self, hidden: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        _, bins, _, channels = shape
        self.spread = self.add_weight(shape=(bins, self.hidden), initializer="he_normal", name="spread")
        self.spread_bias = self.add_weight(shape=(self.hidden,), initializer="zeros", name="spread_bias")
        self.gather = self.add_weight(shape=(self.hidden, bins), initializer="glorot_uniform", name="gather")
        self.norm = keras.layers.BatchNormalization(momentum=0.98, epsilon=1e-4, name="norm")
        self.norm.build((None, channels))
        self.built = True

    def call(self, x, training: bool = False):
        """Apply to ``(time, bins, batch, channels)``."""
        time, bins, _, c = x.shape
        y = ops.matmul(ops.transpose(self.spread), ops.reshape(x, (time, bins, -1))) + self.spread_bias[:, None]
        y = ops.matmul(ops.transpose(self.gather), ops.leaky_relu(y, 0.1))
        y = ops.reshape(y, (-1, c))
        if training:
            y = self.norm(y, training=True)
        else:
            scale, shift = at_rest(self.norm)
            y = y * scale + shift
        return x + ops.reshape(y, (time, bins, -1, c))
