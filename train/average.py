"""An exponential mean of weights, kept on the host."""

from __future__ import annotations

import numpy as np


class Average:
    """Exponential mean of all weights, batch norm's among them; its horizon grows with the run up to its setting."""

    every = 5

    def __init__(self, weights: list[np.ndarray], horizon_steps: float) -> None:
        self.weights = [w.copy() for w in weights]
        self.horizon = horizon_steps

    def update(self, step: int, weights: list[np.ndarray]) -> None:
        """Take in the weights after ``step``."""
        share = 1 - np.exp(-self.every / max(1.0, min(self.horizon, step / 10)))
        for mean, new in zip(self.weights, weights, strict=True):
            mean += np.float32(share) * (new - mean)
