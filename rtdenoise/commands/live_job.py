"""The main job where a sound device takes part: from or to a device, until it ends or somebody ends it."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager

from ..files.audio_file import FileReader, Limited, Reader, Writer
from ..files.pipes import PipeReader
from ..live.devices import DEFAULT_NAMES, find_device
from ..live.feedback import WARNING
from ..live.recorder import Recorder
from ..live.session import Live
from ..live.streams import agree_on_rate
from ..live.virtual import VirtualDevice, not_ours
from ..live.virtual_modules import PLANS
from .attend import Watcher, attend, panel_for
from .endpoints import Endpoint, open_source, open_target
from .job import Job, write_stats
from .reporter import Reporter
from .steering import Steering


def run_live(job: Job, reporter: Reporter) -> None:
    """See `job.run`. A recording into a file is kept when Ctrl+C ends it, and dropped when an error does."""
    with contextlib.ExitStack() as cleanup:
        source: str | VirtualDevice | Reader
        opened: FileReader | PipeReader | None = None
        sink: str | VirtualDevice | Writer | None = None
        virtual = [_open_virtual(end, cleanup) for end in (job.source, job.target) if end.kind == "virtual"]
        if job.target.kind == "device":
            sink = _beside(virtual, job.target.name, "speakers")
        if job.source.kind == "device":
            source = _beside(virtual, job.source.name, "mic")
        elif job.source.kind == "virtual":
            source = virtual[0]
        else:
            opened = open_source(job.source, job.raw)
            cleanup.callback(opened.close)
            source = opened if job.duration_seconds is None else Limited(opened, job.duration_seconds)
        writer: Writer | None = None
        if job.target.kind == "virtual":
            sink = virtual[-1]
        elif job.target.kind != "device":
            if isinstance(source, str | VirtualDevice):
                device = source.find() if isinstance(source, VirtualDevice) else find_device(source, "input")
                rate = agree_on_rate([(device, "input")])
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
        recorder = Recorder(job.record_input, job.record_output, force=job.force)
        live = Live(
            source,
            sink,
            model=job.model,
            attenuation_limit_db=job.attenuation_limit_db,
            bypass=job.bypass,
            overlap=job.overlap,
            latency=job.latency,
            on_device_loss=job.on_device_loss,
            recorder=recorder,
            tell=lambda text: reporter.say(f"rtdenoise: {text}"),
        )
        begun = time.monotonic()
        outcome, interruption = "done", None
        try:
            with _watcher(job, recorder, reporter) as panel, live:
                reporter.say(f"rtdenoise: {live.start_line()}")
                for made in virtual:
                    reporter.say(f"rtdenoise: choose {made.choose!r} as the {made.plan.role} in the call program")
                if live.may_howl:
                    reporter.say(f"rtdenoise: {WARNING}")
                reporter.detail(f"rtdenoise: {live.report()}")
                attend(live, panel, reporter, job.duration_seconds if opened is None else None)
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


def _watcher(job: Job, recorder: Recorder, reporter: Reporter) -> AbstractContextManager[Watcher | None]:
    if job.steered is not None:
        return Steering.of(job.steered, recorder, reporter)
    return panel_for(reporter, wanted=not job.no_panel)


def _open_virtual(end: Endpoint, cleanup: contextlib.ExitStack) -> VirtualDevice:
    return cleanup.enter_context(VirtualDevice(PLANS[end.name]))


def _beside(virtual: list[VirtualDevice], name: str, default: str) -> str:
    """A device by name; the default one only where that is not a virtual device of ours."""
    return not_ours(name, DEFAULT_NAMES[default]) if virtual and name == default else name
