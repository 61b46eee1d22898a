"""The optimiser of the long runs: steps of equal size in every direction of a weight matrix."""

from __future__ import annotations

import math

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Muon (Jordan et al. 2024, scaled as by Liu et al. 2025) that also takes convolutions, as matrices
    ``(taps * channels in, channels out)``. Vectors, and matrices too thin to have directions, go by AdamW.
    """

    thinnest = 16

    def _should_use_adamw(self, variable) -> bool:
        *inward, outward = variable.shape
        return not inward or min(math.prod(inward), outward) < self.thinnest

    def _muon_update_step(self, gradient, variable, lr, m) -> None:
        self.assign_add(m, gradient + m * (self.momentum - 1))
        step = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        step = self.zeropower_via_newtonschulz5(step, self.ns_steps)
        self.assign_sub(variable, ops.reshape(self.lr_adjust(lr * step), variable.shape))
