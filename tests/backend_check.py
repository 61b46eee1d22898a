"""Run by test_backends.py in a process of its own, since a process has one backend: the recurrent layer's gradient, and
a short run from a packed file and a checkpoint. ``FOLDER`` holds ``gru.npz``, ``start.npz`` and ``audio.npz``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np


def gradients(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of a weighted sum of the hidden states, for the written gradient and for that of the plain loop."""
    import keras
    from keras import ops

    from train.layers import advance, gru_over_time

    weights = arrays["weights"]
    values = [arrays[name] for name in ("product", "state", "recurrent", "bias")]

    def plain(product, state, recurrent, bias):
        hidden = []
        for i in range(product.shape[0]):
            state = advance(state, product[i], recurrent, bias)
            hidden.append(state)
        return ops.stack(hidden)

    found = {}
    for name, function in (("written", gru_over_time), ("plain", plain)):
        if keras.backend.backend() == "jax":
            import jax

            parts = jax.grad(lambda v, f=function: ops.sum(f(*v) * weights))(values)
        elif keras.backend.backend() == "torch":
            import torch

            tensors = [torch.tensor(v, requires_grad=True) for v in values]
            ops.sum(function(*tensors) * torch.tensor(weights)).backward()
            parts = [t.grad for t in tensors]
        else:
            import tensorflow

            tensors = [tensorflow.constant(v) for v in values]
            with tensorflow.GradientTape() as tape:
                tape.watch(tensors)
                total = ops.sum(function(*tensors) * weights)
            parts = tape.gradient(total, tensors)
        found |= {f"{name}_{i}": ops.convert_to_numpy(part) for i, part in enumerate(parts)}
    return found


def products_of_the_transform() -> str:
    """How JAX would compute the transform's product."""
    import jax

    from rtdenoise.config import STREAM_TRANSFORM
    from train.losses import Transform

    return str(jax.make_jaxpr(Transform(STREAM_TRANSFORM).frames)(np.zeros((1, 1280), np.float32)))


def short_run(folder: Path, out: Path) -> None:
    """Two steps on from ``start.npz``, mixed on the device, and a validation."""
    import dataclasses

    from train import trainer
    from train.checkpoint import load_weights

    trainer.LOG_SECONDS = 1e9  # one line for both steps, however slow the machine
    config = dataclasses.replace(load_weights(folder / "start.npz")[0], mixing="device")
    trainer.train(config, folder / "audio.npz", out, steps=5, resume=folder / "start.npz")


class Hiding:
    """Finds what another finder finds, but for what a machine with a GPU need not have."""

    def __init__(self, finder: object) -> None:
        self.finder = finder

    def find_spec(self, name: str, *others: object) -> object:
        """Called by imports."""
        hidden = name.partition(".")[0] in {"tensorflow", "soundfile", "soxr"}
        return None if hidden else self.finder.find_spec(name, *others)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    backend = os.environ["KERAS_BACKEND"]
    sys.meta_path[:] = map(Hiding, sys.meta_path)
    sys.path.insert(0, str(Path(__file__).parent.parent))
    with np.load(folder / "gru.npz") as arrays:
        np.savez(folder / f"gradients_{backend}.npz", **gradients(dict(arrays)))
    if backend == "jax":
        (folder / "products.txt").write_text(products_of_the_transform())
    short_run(folder, folder / backend)
