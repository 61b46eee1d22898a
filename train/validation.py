"""How good the weights are on pairs that training never hears."""

from __future__ import annotations

import numpy as np
from keras import ops

from rtdenoise.config import STREAM_TRANSFORM

from .compiled import compiled
from .config import TrainConfig
from .material import PAIRS, Material
from .metrics import si_sdr_db
from .mixing import Float32, Mixer
from .task import Task


class Validation:
    """Pairs of noisy and clean speech, and the figures of a net on them."""

    def __init__(self, task: Task, noisy: Float32, clean: Float32) -> None:
        n = noisy.shape[1] // STREAM_TRANSFORM.hop_length * STREAM_TRANSFORM.hop_length
        self.task, self.noisy, self.clean = task, np.ascontiguousarray(noisy[:, :n]), np.ascontiguousarray(clean[:, :n])
        self._measure = compiled(self._figures, task.net.weights)

    def _figures(self, noisy, clean):
        masked = self.task.masked(noisy)
        untouched = self.task.transform.samples(self.task.masked(clean))
        return self.task.loss(masked, noisy, clean), self.task.transform.samples(masked), untouched

    def run(self) -> dict[str, float]:
        """Of the net's present weights: the loss, the mean SI-SDR in dB, and that of clean speech sent through."""
        loss, estimate, untouched = map(ops.convert_to_numpy, self._measure(self.noisy, self.clean))
        return {
            "validation_loss": float(loss),
            "si_sdr_db": self._si_sdr(estimate),
            "clean_si_sdr_db": self._si_sdr(untouched),
        }

    def _si_sdr(self, estimate: Float32) -> float:
        return float(np.clip(si_sdr_db(estimate, self.clean[:, : estimate.shape[1]]), -30, 60).mean())

    def references(self) -> dict[str, float]:
        """What the figures must be compared with: the loss of saying nothing, of the noisy input and of the best mask
        within the net's bounds, and the SI-SDR of the noisy input."""

        def losses(noisy, clean):
            noisy, clean = ops.convert_to_tensor(noisy), ops.convert_to_tensor(clean)
            frames, wanted = self.task.transform.frames(noisy), self.task.transform.frames(clean)
            return [self.task.loss(masked, noisy, clean) for masked in (frames * 0.0, frames, best(frames, wanted))]

        def best(frames, wanted):
            (a, b), (c, d) = ((x[..., 0], x[..., 1]) for x in (frames, wanted))
            power = a * a + b * b + 1e-12
            mask = [ops.clip(part / power, -1.0, 1.0) for part in (a * c + b * d, a * d - b * c)]
            return ops.stack([a * mask[0] - b * mask[1], a * mask[1] + b * mask[0]], axis=-1)

        silence, noisy, mask = (float(ops.convert_to_numpy(x)) for x in losses(self.noisy, self.clean))
        return {
            "loss_of_silence": silence, "loss_of_noisy": noisy, "loss_of_best_mask": mask,
            "si_sdr_db_of_noisy": self._si_sdr(self.noisy),
        }  # fmt: skip


def make_validation(config: TrainConfig, task: Task, material: Material) -> Validation:
    """The pairs of ``valid/``, or mixtures, always the same, of what was kept from training."""
    if material.pairs is not None:
        return Validation(task, *material.pairs)
    assert material.held_out is not None
    return Validation(task, *Mixer(config.mix, *material.held_out, material.rooms).batch(2**31, 0, PAIRS))
