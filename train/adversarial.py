"""Fine-tuning against a discriminator that learns to tell what the net makes from clean speech.

Multi-resolution spectrogram discriminator of UnivNet (Jang et al. 2021), least-squares loss (Mao et al. 2017), feature
matching (Kumar et al. 2019, MelGAN). They take turns at every batch; each step is one compiled function
with an optimiser of its own, and what the net made in its step is what the discriminator then learns from.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from .compiled import Step
from .losses import compressed, real_dft, scale_to_mixture
from .task import Learner, MeanWeights, Task, make_optimizer


class SpectrogramJudge(keras.layers.Layer):
    """One resolution: convolutions over the compressed magnitudes of a signal.

    Args:
        window: samples; the hop is a quarter of it.
        channels: of every convolution.
    """

    def __init__(self, window: int, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.window = window
        self.matrix = real_dft(window, np.hanning(window + 1)[:-1]).astype(np.float32)
        shapes = [((3, 9), (1, 1)), ((3, 9), (1, 2)), ((3, 9), (1, 2)), ((3, 9), (1, 2)), ((3, 3), (1, 1))]
        self.layers = [
            keras.layers.Conv2D(channels, kernel, stride, "same", name=f"conv_{i}")
            for i, (kernel, stride) in enumerate(shapes)
        ]
        self.out = keras.layers.Conv2D(1, 3, padding="same", name="out")

    def build(self, shape: tuple) -> None:
        """Make the weights."""
        shape = (None, None, self.window // 2 + 1, 1)
        for layer in [*self.layers, self.out]:
            layer.build(shape)
            shape = (*shape[:3], layer.filters)
        self.built = True

    def call(self, samples):
        """``(batch, samples)`` to the judgement (1: clean) and the features before it, each of four axes."""
        hop = self.window // 4
        count = samples.shape[1] // hop - 3
        pieces = ops.reshape(samples[:, : (count + 3) * hop], (-1, count + 3, hop))
        frames = ops.concatenate([pieces[:, i : i + count] for i in range(4)], axis=-1)
        frames = ops.reshape(ops.matmul(frames, self.matrix), (-1, count, self.window // 2 + 1, 2))
        x, features = compressed(frames)[0][..., None], []
        for layer in self.layers:
            x = ops.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.out(x), features


class AdversarialLearner(Learner):
    """As ``Learner``; the net's loss counts what the discriminator says, and the discriminator learns in turn."""

    def __init__(self, task: Task, mean: MeanWeights) -> None:
        config = task.config.adversarial
        self.judges = [SpectrogramJudge(w, config.channels, name=f"judge_{w}") for w in config.windows]
        for judge in self.judges:
            judge.build(())
        super().__init__(task, mean)
        self.judge_optimizer = make_optimizer(
            task.config, config.learning_rate, self._read_only(), beta_1=0.8, beta_2=0.99
        )
        self._judge_step = Step(self._judge_loss, self.judge_optimizer, self._read_only(), [])
        self._rounds: int | None = None

    def _read_only(self) -> list[Any]:
        return [v for judge in self.judges for v in judge.trainable_variables]

    def _loss(self, norms_move, control, noisy, clean):
        masked = self.task.masked(noisy, training=norms_move)
        scale = scale_to_mixture(noisy)
        made = self.task.transform.samples(masked) * scale
        clean_part = clean[:, : made.shape[1]] * scale
        judged, mismatch = 0.0, 0.0
        for judge in self.judges:
            judgement, features = judge(made)
            judged = judged + ops.mean(ops.square(judgement - 1.0))
            _, wanted = judge(clean_part)
            for a, b in zip(features, wanted, strict=True):
                mismatch = mismatch + ops.mean(ops.abs(a - b)) / (ops.mean(ops.abs(b)) + 1e-4) / len(features)
        against = (judged + self.task.config.adversarial.feature_matching * mismatch) / len(self.judges)
        return self.task.loss(masked, noisy, clean) + control[1] * against, [made, clean_part]

    def _judge_loss(self, _control, made, clean):
        loss, judged = 0.0, 0.0
        for judge in self.judges:
            judgement = judge(made)[0]
            loss = loss + ops.mean(ops.square(judge(clean)[0] - 1.0)) + ops.mean(ops.square(judgement))
            judged = judged + ops.mean(judgement)
        return loss / len(self.judges), [judged / len(self.judges)]

    def step(self, step: int, schedule: float, noisy, clean) -> dict[str, Any]:
        """As ``Learner.step``; also ``judge_loss`` and ``judged``, what the discriminator thinks of the net's output
        (0: made, 1: clean)."""
        config = self.task.config
        if self._rounds is None:
            self._rounds = int(ops.convert_to_numpy(self.judge_optimizer.iterations))
        weight = config.adversarial.weight if self._rounds >= config.adversarial.head_start_steps else 0.0
        control = np.array([self.mean.share(step + 1), weight], np.float32)
        loss, (made, clean_part) = self._learn(step, schedule, control, noisy, clean)
        rate = config.adversarial.learning_rate * schedule
        judge_loss, (judged,) = self._judge_step(rate, control, made, clean_part)
        self._rounds += 1
        return {"loss": loss, "judge_loss": judge_loss, "judged": judged}

    def state(self) -> dict[str, list[Any]]:
        """As ``Learner.state``, and the discriminator with its optimiser."""
        return super().state() | {"judge": self._read_only(), "judge_optimizer": self.judge_optimizer.variables}
