"""The main job where a sound device takes part: from or to a device, until it ends or somebody ends it."""

from __future__ import annotations

import contextlib
import time

from ..files.audio_file import FileReader, Limited, Reader, Writer
from ..files.pipes import PipeReader
from ..live.devices import find_device
from ..live.feedback import WARNING
from ..live.session import Live
from ..live.streams import agree_on_rate
from .endpoints import open_source, open_target
from .job import Job, write_stats
from .reporter import Reporter


def run_live(job: Job, reporter: Reporter) -> None:
    """See `job.run`. A recording into a file is kept when Ctrl+C ends it, and dropped when an error does."""
    with contextlib.ExitStack() as cleanup:
        source: str | Reader
        opened: FileReader | PipeReader | None = None
        sink: str | Writer | None = None
        if job.target.kind == "device":
            sink = job.target.name
        if job.source.kind == "device":
            source = job.source.name
        else:
            opened = open_source(job.source, job.raw)
            cleanup.callback(opened.close)
            source = opened if job.duration_seconds is None else Limited(opened, job.duration_seconds)
        writer: Writer | None = None
        if job.target.kind != "device":
            if isinstance(source, str):
                rate = agree_on_rate([(find_device(source, "input"), "input")])
            else:
                rate = source.sample_rate
            writer = sink = open_target(
                job.target,
                job.raw_rate or rate,
                job.raw_channels or 1,
                source=opened,
                raw_format=job.raw_format,
                is_raw=job.is_raw,
                force=job.force,
            )
            cleanup.callback(writer.abort)  # does nothing after close
        live = Live(
            source,
            sink,
            model=job.model,
            attenuation_limit_db=job.attenuation_limit_db,
            bypass=job.bypass,
            overlap=job.overlap,
            latency=job.latency,
            on_device_loss=job.on_device_loss,
            tell=lambda text: reporter.say(f"rtdenoise: {text}"),
        )
        begun = time.monotonic()
        outcome, interruption = "done", None
        try:
            with live:
                reporter.say(f"rtdenoise: {live.start_line()}")
                if live.may_howl:
                    reporter.say(f"rtdenoise: {WARNING}")
                reporter.detail(f"rtdenoise: {live.report()}")
                live.wait(job.duration_seconds if opened is None else None)
        except KeyboardInterrupt as pressed:
            outcome, interruption = "stopped", pressed
        except BrokenPipeError:
            outcome = "the program behind has gone"
        if writer is not None:
            writer.close()
        reporter.say("\n  ".join([f"rtdenoise: {outcome} after {time.monotonic() - begun:.1f} s", *live.end_lines()]))
        write_stats(job, live.report(), time.monotonic() - begun)
        if interruption:
            raise interruption
