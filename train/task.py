"""The net between waveforms, and one step of learning with it."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from rtdenoise.config import STREAM_TRANSFORM

from .compiled import Step
from .config import TrainConfig
from .losses import Transform, complex_product, denoising_loss
from .model import StreamNet
from .muon import Muon


def build_net(config: TrainConfig) -> StreamNet:
    """A new net with its weights made."""
    keras.utils.set_random_seed(config.seed)
    net = StreamNet(config.net, STREAM_TRANSFORM.n_bins, name="stream")
    net([keras.Input((2, STREAM_TRANSFORM.n_bins, 2), 1), *(keras.Input(shape, 1) for shape in net.state_shapes())])
    return net


def zero_states(net: StreamNet, batch: int) -> list[np.ndarray]:
    """The states at the start of a stream."""
    return [np.zeros((batch, *shape), np.float32) for shape in net.state_shapes()]


class Task:
    """The net between waveforms: noisy samples in, masked frames out."""

    def __init__(self, net: StreamNet, config: TrainConfig) -> None:
        self.net, self.config = net, config
        self.transform = Transform(STREAM_TRANSFORM)

    def masked(self, noisy, training: bool = False):
        """``(batch, samples)`` to masked frames ``(batch, hops, n_bins, 2)``."""
        frames = self.transform.frames(noisy)
        states = [ops.zeros((noisy.shape[0], *shape)) for shape in self.net.state_shapes()]
        mask, *_ = self.net([frames, *states], training=training)
        return complex_product(frames, mask)

    def loss(self, masked, noisy, clean):
        """The loss of masked frames."""
        return denoising_loss(self.config.loss, self.transform, masked, noisy, clean)


class MeanWeights:
    """Exponential mean of all weights, batch norm's among them, on the device; this is what gets exported.

    Its horizon grows with the run up to ``horizon_steps``.
    """

    def __init__(self, net: keras.Model, horizon_steps: float) -> None:
        self.sources, self.horizon = net.weights, horizon_steps
        self.variables = [keras.Variable(w, trainable=False, name=f"mean_{i}") for i, w in enumerate(net.get_weights())]

    def share(self, step: int) -> np.float32:
        """How much of the weights after ``step`` goes into the mean."""
        return np.float32(1 - np.exp(-1 / max(1.0, min(self.horizon, step / 10))))

    def update(self, share) -> None:
        """Take in the present weights."""
        for mean, source in zip(self.variables, self.sources, strict=True):
            mean.assign(mean + share * (source - mean))

    def get(self) -> list[np.ndarray]:
        """The mean, in the order of the net's weights."""
        return [ops.convert_to_numpy(v) for v in self.variables]

    def set(self, weights: list[np.ndarray]) -> None:
        """Put back what ``get`` gave."""
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)


OPTIMIZERS = {"adamw": keras.optimizers.AdamW, "muon": Muon}


def make_optimizer(
    config: TrainConfig, learning_rate: float, variables: list[Any], kind: str = "adamw", **more: float
) -> Any:
    """``kind`` of optimiser, without decay on biases and norms, with the gradient's length clipped."""
    optimizer = OPTIMIZERS[kind](
        learning_rate, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm, **more
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(variables)
    return optimizer


class Learner:
    """What a step of training does: the net learns from ``denoising_loss``, and its mean follows."""

    def __init__(self, task: Task, mean: MeanWeights) -> None:
        self.task, self.mean = task, mean
        net, config = task.net, task.config
        self.optimizer = make_optimizer(config, config.learning_rate, net.trainable_variables, config.optimizer)
        # Compiled when first needed: one for the steps in which batch norms still move, one for those at rest.
        self._steps = {
            norms_move: Step(
                partial(self._loss, norms_move),
                self.optimizer,
                net.trainable_variables,
                [*net.non_trainable_variables, *mean.variables, *self._read_only()],
                finish=lambda control: mean.update(control[0]),
            )
            for norms_move in (True, False)
        }

    def _read_only(self) -> list[Any]:
        """Variables beside the net's that the loss reads."""
        return []

    def _loss(self, norms_move, control, noisy, clean):
        return self.task.loss(self.task.masked(noisy, training=norms_move), noisy, clean), []

    def _learn(self, step: int, schedule: float, control, noisy, clean):
        """Compiled part of ``step``; returns what ``_loss`` did."""
        config = self.task.config
        return self._steps[step < config.norm_steps](config.learning_rate * schedule, control, noisy, clean)

    def step(self, step: int, schedule: float, noisy, clean) -> dict[str, Any]:
        """Learn from one batch.

        Args:
            step: number of the step.
            schedule: 0 to 1, what part of the learning rates is used.
            noisy: ``(batch, samples)``.
            clean: the same.

        Returns:
            Figures for the log, not yet read from the device; ``loss`` is among them.
        """
        loss, _ = self._learn(step, schedule, np.stack([self.mean.share(step + 1)]), noisy, clean)
        return {"loss": loss}

    def state(self) -> dict[str, list[Any]]:
        """Variables beside the net's and their mean that a run needs to go on, by name."""
        return {"optimizer": self.optimizer.variables}
