"""Pipecat: a pipeline that hears a recording through RtDenoiseFilter and writes down what it heard.

    python pipecat_file.py noisy.wav heard.wav

In a program of yours the transport is Daily, a WebSocket or a telephone, and recognition follows it; the one line that
takes the noise out is ``audio_in_filter=RtDenoiseFilter()``.
"""

import argparse
import asyncio
import contextlib
import wave

from pipecat.frames.frames import EndWorkerFrame, Frame, InputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from rtdenoise import RtdenoiseError
from rtdenoise.integrations.pipecat import RtDenoiseFilter


class WavInput(BaseInputTransport):
    """A transport that hears a WAV file, 16 bits, mono, in blocks of 20 ms."""

    def __init__(self, file: wave.Wave_read, params: TransportParams) -> None:
        super().__init__(params)
        self.file, self.task = file, None

    async def start(self, frame: StartFrame) -> None:
        """Called by Pipecat at the beginning."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.task = self.create_task(self.read())

    async def read(self) -> None:
        """Hand over the file, as fast as it is taken."""
        rate = self.file.getframerate()
        while block := self.file.readframes(rate // 50):
            await self.push_audio_frame(InputAudioRawFrame(audio=block, sample_rate=rate, num_channels=1))
        await self._audio_in_queue.join()
        await self.push_frame(EndWorkerFrame())


class WavOutput(FrameProcessor):
    """Writes what comes by; where speech recognition would be."""

    def __init__(self, file: wave.Wave_write) -> None:
        super().__init__()
        self.file = file

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Called by Pipecat for each frame."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.file.writeframes(frame.audio)
        await self.push_frame(frame, direction)


async def main(source: str, target: str) -> None:
    """Run the pipeline over one file."""
    wanted = "-b 16 mono.wav remix - makes one"
    with contextlib.ExitStack() as files:
        try:
            noisy = files.enter_context(wave.open(source, "rb"))
        except (OSError, wave.Error) as error:
            raise SystemExit(f"{source} is no WAV that can be read ({error}); sox {source} {wanted}") from None
        if noisy.getnchannels() != 1 or noisy.getsampwidth() != 2:
            raise SystemExit(f"{source} is no mono WAV of 16 bits; sox {source} {wanted}")
        denoiser = RtDenoiseFilter()
        try:
            await denoiser.start(noisy.getframerate())  # Pipecat starts it again, but would only log what is wrong
        except RtdenoiseError as error:
            raise SystemExit(f"{source}: {error}") from None
        heard = files.enter_context(wave.open(target, "wb"))
        heard.setparams(noisy.getparams())
        params = TransportParams(audio_in_enabled=True, audio_in_filter=denoiser)
        worker = PipelineWorker(
            Pipeline([WavInput(noisy, params), WavOutput(heard)]),
            params=PipelineParams(audio_in_sample_rate=noisy.getframerate()),
            cancel_on_idle_timeout=False,
        )
        runner = WorkerRunner()
        await runner.add_workers(worker)
        await runner.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    options = parser.parse_args()
    asyncio.run(main(options.source, options.target))
