"""One hop through transform, model, gain and back: the part of a stream that runs at a native rate, hop by hop."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .config import TransformConfig
from .gain import Ramp
from .model import Model
from .pitch_filter import PitchFilter
from .stft import analyse_hop, check_windows, design_windows, synthesise_hop

Float32 = NDArray[np.float32]


@lru_cache(maxsize=16)
def _windows(transform: TransformConfig) -> tuple[Float32, Float32]:
    analysis, synthesis = design_windows(transform)
    check_windows(analysis, synthesis, transform.hop_length)
    return analysis.astype(np.float32), synthesis.astype(np.float32)


class SpectralCore:
    """All that one stream remembers at a native rate.

    A core has a ``hop_length``, a ``delay`` (samples between what a hop takes in and what it gives out, the time for
    collecting the hop not counted) and ``run``; the engine around it asks for no more.

    Args:
        model: of hops; shared, not changed.
        trained: its transform.
        sample_rate: a native rate, in Hz.
        floor: smallest gain at the start, 0..1.
        bypass: 0 or 1 at the start.
    """

    def __init__(self, model: Model, trained: TransformConfig, sample_rate: int, floor: float, bypass: float) -> None:
        transform = trained.at_rate(sample_rate)
        self.hop_length = transform.hop_length
        self.delay = transform.hop_length
        self._floor, self._bypass = Ramp(floor), Ramp(bypass)

        self._model = model
        self._state = model.initial_state()
        self._scale = trained.window_length / transform.window_length
        self._shared_bins = min(transform.n_bins, trained.n_bins)
        # The top quarter of what the model knows stands for what lies above: 6 to 8 kHz for a model of 16 kHz.
        self._top_band_start = 3 * (trained.n_bins - 1) // 4

        self._analysis, self._synthesis = _windows(transform)
        self._pitch_filter = None
        if model.pitch_filter is not None:
            self._pitch_filter = PitchFilter(trained, transform, _windows(trained)[0], model.pitch_filter)
        reach = self._pitch_filter.reach if self._pitch_filter else 0
        self._history = np.zeros(transform.window_length + reach, np.float32)
        self._windowed = np.zeros(transform.window_length, np.float32)
        self._time = np.zeros(transform.window_length, np.float32)
        self._spectrum = np.zeros(transform.n_bins, np.complex64)
        self._overlap = np.zeros(transform.hop_length, np.float32)

    def run(self, hop: Float32, out: Float32, floor: float, bypass: float) -> None:
        """Take in one hop and give out one.

        Args:
            hop: (hop_length,) new samples.
            out: (hop_length,) written; input of ``delay`` samples before.
            floor: smallest gain wanted now; approached in small steps.
            bypass: 1 = dry wanted, 0 = denoised wanted; approached in small steps.
        """
        state = self._state
        analyse_hop(hop, self._history, self._analysis, self._windowed, self._spectrum, state.frame, self._scale)
        self._model.advance(state)
        floor, bypass = self._floor.step(floor), self._bypass.step(bypass)
        if self._pitch_filter:
            self._pitch_filter.run(
                self._history,
                self._analysis,
                self._windowed,
                self._spectrum,
                state.mask,
                self._shared_bins,
                (1 - floor) * (1 - bypass),
            )
        synthesise_hop(
            self._spectrum,
            state.mask,
            floor,
            bypass,
            self._shared_bins,
            self._top_band_start,
            self._time,
            self._synthesis,
            self._overlap,
            out,
        )
