"""``python -m train.comb``: teach the pitch filter of an exported model how much its comb counts in each band.

The model stays as it is. Mixtures go through the engine once; what it makes of them, and what the filter's net hears
meanwhile, is kept in memory, and the net learns on that from the loss that the model learned from.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtdenoise.comb_net import UNITS, weight_count
from rtdenoise.config import STREAM_TRANSFORM
from rtdenoise.errors import ModelError
from rtdenoise.model import Model
from rtdenoise.pitch_filter import BANDS, FEATURES, LEAST_PERIODIC, PitchFilter, parts, plan
from rtdenoise.stft import analyse_hop, design_windows

from .compiled import Step, check_backend, compiled
from .config import TrainConfig
from .errors import DataError, TrainingError
from .export import write_model
from .material import load_material
from .mixing import mixer_of
from .run import check_length

#: Examples of ``MixConfig.crop_seconds`` to learn from, and to tell how far it is; 0.9 MB each.
EXAMPLES, KEPT = 3000, 64
BATCH, LEARNING_RATE = 16, 3e-3
#: What too little magnitude costs extra: the engine lets the comb count for more than the net says, so it has to learn
#: where that would take speech away.
OVER_ATTENUATION = 40.0


class Heard(NamedTuple):
    """What the engine made of examples, all at the level of one mixture."""

    noisy: NDArray[np.float32]  #: (examples, samples)
    clean: NDArray[np.float32]  #: the same
    masked: NDArray[np.float16]  #: (examples, hops, n_bins, 2) what the mask let through
    delayed: NDArray[np.float16]  #: the same of the windows before, under the same mask
    features: NDArray[np.float32]  #: (examples, hops, FEATURES)

    def part(self, which: Any) -> Heard:
        """Some of the examples."""
        return Heard(*(array[which] for array in self))


def listen(model: Model, noisy: NDArray[np.float32]) -> tuple[NDArray[np.complex64], ...]:
    """Send one mixture ``(hops * hop_length,)`` through the engine's kernels up to the mask.

    Returns:
        Of every hop what the mask let through and what it lets through of the windows before, (hops, n_bins) each, and
        what the filter's net hears, (hops, FEATURES).
    """
    transform = STREAM_TRANSFORM
    window = design_windows(transform)[0].astype(np.float32)
    pitch_filter = PitchFilter(transform, transform, window, np.zeros(weight_count(FEATURES, BANDS), np.float32))
    state, memory = model.initial_state(), pitch_filter.memory
    history = np.zeros(transform.window_length + pitch_filter.reach, np.float32)
    scratch, spectrum = np.zeros_like(window), np.zeros(transform.n_bins, np.complex64)
    results: tuple[list[Any], ...] = ([], [], [])
    for hop in noisy.reshape(-1, transform.hop_length):
        analyse_hop(hop, history, window, scratch, spectrum, state.frame, 1.0)
        model.advance(state)
        mask = state.mask.copy()
        masked = spectrum * mask
        pitch_filter.run(history, window, scratch, spectrum, state.mask, transform.n_bins, 0.0)
        features = parts(memory.numbers).features.copy()
        for kept, new in zip(results, (masked, memory.delayed * mask, features), strict=True):
            kept.append(new)
    return tuple(np.stack(kept) for kept in results)


def collect(model: Model, data: Path, cache: Path, config: TrainConfig, examples: int, seed: int) -> Heard:
    """Mix ``examples`` and listen to them."""
    mixer = mixer_of(config.mix, load_material(data, cache))
    hop, n_bins = STREAM_TRANSFORM.hop_length, STREAM_TRANSFORM.n_bins
    hops = int(config.mix.crop_seconds * STREAM_TRANSFORM.sample_rate) // hop
    heard = Heard(
        *(np.empty((examples, hops * hop), np.float32) for _ in range(2)),
        *(np.empty((examples, hops, n_bins, 2), np.float16) for _ in range(2)),
        np.empty((examples, hops, FEATURES), np.float32),
    )
    started = time.monotonic()
    for number in range(examples):
        noisy, clean = (signals[0, : hops * hop] for signals in mixer.batch(seed, number, 1))
        masked, delayed, heard.features[number] = listen(model, noisy)
        # The loss brings every mixture to this level anyway; 16 bits want it before.
        scale = np.float32(0.06 / np.sqrt(np.mean(noisy**2) + 1e-8))
        heard.noisy[number], heard.clean[number] = scale * noisy, scale * clean
        for kept, frames in ((heard.masked, masked), (heard.delayed, delayed)):
            kept[number] = scale * np.stack([frames.real, frames.imag], -1)
        if (number + 1) % 500 == 0:
            print(f"{number + 1} of {examples} mixtures heard, {time.monotonic() - started:.0f} s", flush=True)
    return heard


def build_net() -> Any:
    """``rtdenoise.comb_net`` over sequences: ``(batch, hops, FEATURES)`` to ``(batch, hops, BANDS)``."""
    import keras

    features = keras.Input((None, FEATURES))
    dense = keras.layers.Dense(UNITS, activation="softsign")(features)
    recurrent = keras.layers.GRU(UNITS, "softsign", "hard_sigmoid", return_sequences=True, reset_after=True)(dense)
    both = keras.layers.Concatenate()([dense, recurrent])
    # At the start the windows before count little, as they do without voice.
    shares = keras.layers.Dense(BANDS, bias_initializer=keras.initializers.Constant(-2.0))(both)
    return keras.Model(features, shares)


def weights_of(net: Any) -> NDArray[np.float32]:
    """The vector that ``rtdenoise.comb_net`` takes."""
    dense, dense_bias, gates, gates_too, gate_biases, out, out_bias = net.get_weights()
    layers = [(dense, dense_bias), (gates, gate_biases[0]), (gates_too, gate_biases[1]), (out, out_bias)]
    return np.concatenate([part for matrix, bias in layers for part in (matrix.T.ravel(), bias)]).astype(np.float32)


def learn(heard: Heard, config: TrainConfig, minutes: float | None, steps: int | None) -> NDArray[np.float32]:
    """Train on all but the first ``KEPT`` examples; returns the weights.

    Raises:
        TrainingError: the loss is no number any more.
    """
    import keras
    from keras import ops

    from .losses import Transform, denoising_loss
    from .task import make_optimizer

    keras.utils.set_random_seed(config.seed)
    net, transform = build_net(), Transform(STREAM_TRANSFORM)
    starts = plan(STREAM_TRANSFORM, STREAM_TRANSFORM, design_windows(STREAM_TRANSFORM)[0]).starts
    bins = np.arange(STREAM_TRANSFORM.n_bins)
    members = ((bins >= starts[:-1, None]) & (bins < starts[1:, None])).astype(np.float32)

    def loss(control, noisy, clean, masked, delayed, features):
        masked, delayed = ops.cast(masked, "float32"), ops.cast(delayed, "float32")
        touched = 1 - features[..., :BANDS] ** 4
        voiced = ops.cast(features[..., 5 * BANDS : 5 * BANDS + 1] > LEAST_PERIODIC, "float32")
        share = voiced * touched * ops.exp(ops.minimum(net(features), 5.0))
        share = ops.matmul(share / (1 + share), members)[..., None]
        return denoising_loss(config.loss, transform, masked + share * (delayed - masked), noisy, clean), []

    optimizer = make_optimizer(config, LEARNING_RATE, net.trainable_variables)
    step = Step(loss, optimizer, net.trainable_variables, net.non_trainable_variables)
    judge = compiled(lambda *inputs: loss(None, *inputs)[0], net.variables)
    examples, rng = len(heard.noisy), np.random.default_rng(config.seed)
    kept = min(KEPT, examples // 4)
    batch = min(BATCH, examples - kept)

    def judged() -> float:
        batches = [slice(i, min(i + BATCH, kept)) for i in range(0, kept, BATCH)]
        return float(np.mean([float(judge(*heard.part(which))) for which in batches]))

    print(f"loss of kept examples before: {judged():.4f}", flush=True)
    started, number = time.monotonic(), 0
    while (done := number / steps if steps else (time.monotonic() - started) / 60 / (minutes or 1.0)) < 1:
        warm_up = min(1, (number + 1) / 50)
        fading = 1 if done < 0.4 else 0.5 + 0.5 * np.cos(np.pi * (done - 0.4) / 0.6)
        rate = LEARNING_RATE * warm_up * fading
        which = np.sort(rng.choice(np.arange(kept, examples), batch, replace=False))
        found, _ = step(rate, np.zeros(1, np.float32), *heard.part(which))
        number += 1
        if number % 100 == 0 or number == steps:
            if not np.isfinite(float(found)):
                raise TrainingError(f"the loss is {float(found)} at step {number}; nothing is written")
            print(f"step {number}: loss of kept examples {judged():.4f}", flush=True)
    if not np.isfinite(weights := weights_of(net)).all():
        raise TrainingError(f"the weights are no numbers any more at step {number}; nothing is written")
    return weights


def teach(
    model_file: Path,
    data: Path,
    out: Path,
    cache: Path,
    minutes: float | None,
    steps: int | None = None,
    examples: int = EXAMPLES,
    seed: int = 1,
) -> None:
    """Write the model of ``model_file`` with a filter that has learned to ``out``.

    Raises:
        DataError: no usable recordings.
        TrainingError: too few examples, no time, no model of hops at 16 kHz, a loss that is no number, or no place to
            write to.
    """
    import onnx

    if examples < 8:
        raise TrainingError(f"examples is {examples}; it must be 8 or more, some of which only tell how far it is")
    check_length(minutes=minutes, steps=steps)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):  # now, rather than when all is learned
            pass
    except OSError as problem:
        raise TrainingError(f"cannot write into {out.parent}: {problem.strerror or problem}") from problem
    try:
        model = Model.load(model_file)
    except ModelError as problem:
        raise TrainingError(str(problem)) from problem
    if model.transform != STREAM_TRANSFORM:
        raise TrainingError(f"{model_file} works at {model.transform}; the pitch filter learns at {STREAM_TRANSFORM}")
    config = TrainConfig(seed=seed)
    config = replace(config, loss=replace(config.loss, over_attenuation=OVER_ATTENUATION))
    weights = learn(collect(model, data, cache, config, examples, seed), config, minutes, steps)
    graph = onnx.load(model_file)
    facts = dict(model.metadata) | {"pitch_filter": base64.b64encode(weights.astype("<f4").tobytes()).decode()}
    write_model(graph, out, facts)


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.comb", description=__doc__)
    parser.add_argument("model", type=Path, help="file of train.export")
    parser.add_argument("--data", type=Path, required=True, help="as for python -m train")
    parser.add_argument("--out", type=Path, required=True, help="file to write; may be the model's own")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="of learning, after the listening")
    length.add_argument("--steps", type=int, help="the same in steps")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"mixtures (default: {EXAMPLES})")
    parser.add_argument("--cache", type=Path, help="folder for decoded audio (default: audio/ beside OUT)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        check_backend()
        teach(given.model, given.data, given.out, given.cache or given.out.parent / "audio",
              given.minutes, given.steps, given.examples, given.seed)  # fmt: skip
    except (DataError, TrainingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; {given.out} is as it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
