"""One step of a model that looks at a whole context frame: ring, transform, model, gain, back, cross-fade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .config import ContextTransform
from .context_stft import analyse_context, hann, normaliser, synthesise_context
from .model import Model
from .stft import sanitise

Float32 = NDArray[np.float32]


class ContextCore:
    """All that one stream remembers at the model's own rate; to the engine what ``SpectralCore`` is.

    The ring holds the newest context frame. Each step denoises all of it and uses the newest two steps: the older one
    is faded out of what the frame before said about it into what this one says, by the halves of a Hann window, whose
    sum is one. So a stream is two steps late, one of them the collecting, and each sample was judged twice, with one
    to two steps of its future. Floor and bypass hold for a whole frame, so the same fade makes their changes soft.

    Args:
        model: of context frames; shared, not changed.
        transform: its transform.
        overlap: share of a frame that it has in common with the next one, or ``None``; see ``ContextTransform``.

    Raises:
        ParameterError: an overlap that is not legal.
    """

    def __init__(self, model: Model, transform: ContextTransform, overlap: float | None) -> None:
        self.hop_length = self.delay = step = transform.step_for(overlap)
        self._model = model
        self._context = model.new_context()
        self._stft_hop = transform.hop_length
        self._window, self._normaliser = hann(transform), normaliser(transform)
        fade = np.sin(np.pi * (np.arange(2 * step) + 0.5) / (2 * step)) ** 2
        self._fade_in, self._fade_out = fade[:step].astype(np.float32), fade[step:].astype(np.float32)

        self._ring = np.zeros(transform.context_length, np.float32)
        self._spectra = np.zeros((transform.n_frames, transform.n_bins), np.complex64)
        self._time = np.zeros(transform.window_length, np.float32)
        self._newest = np.zeros(2 * step, np.float32)
        self._fading = np.zeros(step, np.float32)

    def run(self, hop: Float32, out: Float32, floor: float, bypass: float) -> None:
        """Take in one step's samples and give out as many.

        Args:
            hop: (hop_length,) new samples.
            out: (hop_length,) written; input of ``delay`` samples before.
            floor: smallest gain, 0..1.
            bypass: 1 = dry wanted, 0 = denoised wanted.
        """
        step, ring, context, newest = self.hop_length, self._ring, self._context, self._newest
        ring[:-step] = ring[step:]
        sanitise(hop, ring[-step:])
        analyse_context(ring, self._window, self._stft_hop, self._time, self._spectra, context.magnitudes)
        if bypass < 1.0:
            self._model.advance(context)
        else:
            context.gains.fill(1.0)
        synthesise_context(
            self._spectra, context.gains, floor, self._window, self._normaliser, self._stft_hop, self._time, newest
        )
        np.multiply(newest[:step], self._fade_in, out)
        out += self._fading
        np.multiply(newest[step:], self._fade_out, self._fading)
