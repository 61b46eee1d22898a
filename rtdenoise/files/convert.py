"""From a reader to a writer through the engine, as fast as it goes: files and pipes.

The very engine that runs live, fed block by block; afterwards the output is as long as the input and lies sample on
sample with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine import Denoiser
from ..model import Model
from ..stats import Stats
from ..stft import sanitise
from .audio_file import Reader, Writer

Float32 = NDArray[np.float32]


def convert(
    reader: Reader,
    writer: Writer,
    *,
    model: str | Path | Model = "stream",
    attenuation_limit_db: float | None = None,
    bypass: bool = False,
    overlap: float | None = None,
    stats: Stats | None = None,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Stats:
    """Denoise all that ``reader`` gives into ``writer`` and close it; each channel is a stream of its own.

    On any failure the writer is aborted. Ctrl+C does so too where the length is known; a source without an end, such
    as a pipe from a recorder, is finished properly first, since stopping is the only way for it to end.

    Args:
        reader: where the samples come from; it stays open.
        writer: where they go, of the same rate and channel count; closed or aborted at the end.
        model, attenuation_limit_db, bypass, overlap: see `engine.Denoiser`.
        stats: counters to fill; made when not given.
        progress: called after each block with the seconds of input done so far.

    Returns:
        Counters; the load is that of all channels together, averaged over each block.

    Raises:
        AudioFileError: the source is damaged or cut, the sink takes no more.
        BrokenPipeError: the program behind an output pipe has gone.
        ModelError, ParameterError: see `engine.Denoiser`.
    """
    try:
        loaded = model if isinstance(model, Model) else Model.load(model)
        wishes = (loaded, attenuation_limit_db, bypass, overlap)
        denoisers = [Denoiser(reader.sample_rate, *wishes) for _ in range(reader.channels)]
        rate, hop_length, skip = reader.sample_rate, denoisers[0].hop_length, denoisers[0].latency
        stats = stats or Stats(rate, hop_length / rate)

        def deliver(ready: list[Float32]) -> None:
            nonlocal skip
            samples = np.stack(ready, axis=1)[skip:]
            skip -= len(ready[0]) - len(samples)
            writer.write(samples)
            stats.samples_out += len(samples)
            stats.output_level.update(samples[:, 0])

        try:
            while len(block := reader.read(rate)):
                begun = time.perf_counter()
                ready = [denoiser.process(block[:, channel]) for channel, denoiser in enumerate(denoisers)]
                hops = (stats.samples_in + len(block)) // hop_length - stats.samples_in // hop_length
                stats.record_hops(hops, time.perf_counter() - begun)
                stats.samples_in += len(block)
                heard = np.empty(len(block), np.float32)
                sanitise(np.ascontiguousarray(block[:, 0]), heard)
                stats.input_level.update(heard)
                deliver(ready)
                progress(stats.samples_in / rate)
        except KeyboardInterrupt:
            if reader.frames is not None:
                raise
            rests = [denoiser.flush() for denoiser in denoisers]
            shortest = min(map(len, rests))  # the key may have come between two channels
            deliver([rest[:shortest] for rest in rests])
            writer.close()
            raise
        deliver([denoiser.flush() for denoiser in denoisers])
        writer.close()
    except BaseException:
        writer.abort()
        raise
    reader.check_end()
    return stats
