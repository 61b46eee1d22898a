"""`rtdenoise doctor`: what this machine has for live sound, how fast it is, how late it will be, and what to do."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import __version__
from ..config import NATIVE_RATES
from ..engine import Denoiser
from ..errors import DeviceError
from ..live.devices import DeviceInfo, find_device, list_devices
from ..live.hop_timer import time_hops
from ..live.loopback import Loop, measure_loop
from ..live.streams import agree_on_rate
from ..model import Model
from .reporter import Reporter

_HOP_SECONDS, _LOOP_SECONDS = 20.0, 10.0
_QUICK = 0.2  # of those
_RATE = 48000
_SINK = "rtdenoise_doctor"

_LET_US_GO_FIRST = (
    "echo '@audio - rtprio 30' | sudo tee /etc/security/limits.d/rtdenoise.conf; "
    "sudo usermod -aG audio $USER; then log in again"
)


@dataclass
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: ``ok``, ``note`` (works, could be better), ``skipped``, or ``problem`` (live sound will not work well).
        text: what was found.
        advice: what to do about it, where there is something.
        figures: what was measured.
    """

    name: str
    state: str
    text: str
    advice: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def run_doctor(
    reporter: Reporter, *, model: str, source: str | None, target: str | None, quick: bool, as_json: bool
) -> tuple[str, bool]:
    """Look at everything, about a minute; ``quick``: some seconds.

    Args:
        reporter: for what people read meanwhile.
        model: see `Model.load`.
        source, target: devices that a cable or the air connects; without them a silent loop through the sound server.
        quick: measure for a fifth of the time.
        as_json: the answer as JSON.

    Returns:
        The answer, and whether there is no problem.

    Raises:
        ModelError: the model cannot be loaded.
    """
    share = _QUICK if quick else 1.0
    loaded = Model.load(model)
    checks, devices = _look_at_devices(source or "mic", target or "speakers")
    checks.append(_look_at_server())
    reporter.say(f"rtdenoise: timing hops for {_HOP_SECONDS * share:.0f} s ...")
    speed, wish = _measure_speed(loaded, _HOP_SECONDS * share)
    checks += speed
    reporter.say(f"rtdenoise: measuring the latency for {_LOOP_SECONDS * share:.0f} s ...")
    checks.append(_measure_latency(loaded, source, target, devices, wish, max(3.0, _LOOP_SECONDS * share)))
    verdict = _verdict(loaded, checks, wish)
    fine = not any(check.state == "problem" for check in checks)
    if as_json:
        answer: dict[str, Any] = {"ok": fine, "verdict": verdict, "rtdenoise": __version__}
        answer.update(python=platform.python_version(), system=platform.platform(), cores=os.cpu_count())
        return json.dumps(answer | {"checks": list(map(asdict, checks))}, indent=2), fine
    return _for_people(checks, verdict), fine


def _look_at_devices(source: str, target: str) -> tuple[list[Check], list[DeviceInfo]]:
    """What there is to hear with and to be heard by, and the rate on which both agree."""
    try:
        devices = list_devices()
    except DeviceError as error:
        return [Check("sound", "problem", "PortAudio does not work here", str(error))], []
    if not devices:
        text, advice = "no sound device", "start PipeWire or PulseAudio, or plug one in; files and pipes work without"
        return [Check("sound", "problem", text, advice)], []
    systems = ", ".join(sorted({device.host_api for device in devices}))
    checks = [Check("sound", "ok", f"{len(devices)} devices of {systems}", figures={"devices": len(devices)})]
    ends: list[tuple[DeviceInfo, Any]] = []
    for name, wanted, kind in (("microphone", source, "input"), ("loudspeakers", target, "output")):
        try:
            device = find_device(wanted, kind, devices)  # type: ignore[arg-type]
        except DeviceError as error:
            checks.append(Check(name, "problem", "not found", str(error)))
            continue
        ends.append((device, kind))
        checks.append(Check(name, "ok", f"{device.name!r}, {device.sample_rate} Hz", figures=asdict(device)))
    if len(ends) == 2:
        checks.append(_look_at_rate(ends))
    return checks, devices


def _look_at_rate(ends: list[tuple[DeviceInfo, Any]]) -> Check:
    try:
        rate = agree_on_rate(ends)
    except DeviceError as error:
        return Check("rate", "problem", "none that both take", str(error))
    figures = {"sample_rate": rate}
    if rate in NATIVE_RATES:
        return Check("rate", "ok", f"{rate} Hz on both sides, without conversion", figures=figures)
    advice = "set 48000 Hz in the system's sound settings"
    return Check("rate", "note", f"{rate} Hz, which has to be converted", advice, figures)


def _look_at_server() -> Check:
    """PulseAudio, or PipeWire in its place, where there is one."""
    if not sys.platform.startswith("linux"):
        return Check("sound server", "ok", f"part of {platform.system()}")
    try:
        lines = _pactl("info").splitlines()
    except OSError as error:
        return Check("sound server", "skipped", f"none that can be asked: {error}")
    facts = dict(line.split(": ", 1) for line in lines if ": " in line)
    name, version = facts.get("Server Name", "there is one"), facts.get("Server Version", "")
    return Check("sound server", "ok", f"{name} {version}".strip(), figures={"name": name, "version": version})


def _measure_speed(model: Model, seconds: float) -> tuple[list[Check], str | None]:
    """Time per hop, paced as live, and whether our threads may go first; the latency to ask for, None if too slow."""
    denoiser = Denoiser(_RATE, model)
    deadline = denoiser.hop_length / _RATE
    times = time_hops(denoiser, max(50, round(seconds / deadline)), paced=True, priority=True)
    if times.promoted:
        first = Check("priority", "ok", "audio threads may run before all others")
    elif sys.platform.startswith("linux"):
        first = Check("priority", "note", "audio threads wait their turn; a busy machine may crackle", _LET_US_GO_FIRST)
    else:
        first = Check("priority", "ok", f"{platform.system()} gives it to the driver's threads by itself")
    loads = {f"p{p:g}": times.percentile(p) / deadline for p in (50, 99, 99.9, 100)}
    late = times.misses / len(times.seconds)
    figures = {"hops": len(times.seconds), "deadline_ms": 1e3 * deadline, "misses": times.misses, "load": loads}
    figures["spare"] = 1 / loads["p99"]
    p50, p99, longest = (1e3 * times.percentile(p) for p in (50, 99, 100))
    text = (
        f"a hop of {1e3 * deadline:g} ms takes {p50:.2f} ms, 99 of 100 stay under {p99:.2f}, "
        f"the longest of {len(times.seconds)} took {longest:.2f}"
    )
    if loads["p50"] > 0.7 or late > 0.01:
        advice = "close other programs, plug the machine in, switch off power saving; files can be denoised anyway"
        return [first, Check("speed", "problem", text, advice, figures)], None
    if loads["p99.9"] > 0.5 or late:
        return [
            first,
            Check("speed", "note", text, "use --latency high while the machine is this busy", figures),
        ], "high"
    return [first, Check("speed", "ok", text, figures=figures)], "low"


def _measure_latency(
    model: Model, source: str | None, target: str | None, devices: list[DeviceInfo], wish: str | None, seconds: float
) -> Check:
    """Through what leads from output to input: a cable or the air where named, else a sink of the sound server."""
    latency = wish or "high"
    try:
        if source and target:
            loop = measure_loop(source, target, seconds, model=model, latency=latency)
        else:
            if not any(device.name == "pulse" for device in devices):
                raise DeviceError("no loop: PortAudio reaches no PulseAudio server here")
            with _silent_loop():
                loop = measure_loop("pulse", "pulse", seconds, model=model, latency=latency)
    except (DeviceError, OSError) as error:
        advice = "join an output and an input by a cable and name both with --output and --input"
        return Check("latency", "problem" if source and target else "skipped", " ".join(str(error).split()), advice)
    return _judge(loop, latency, "silent loop through the sound server" if not source else f"{target} to {source}")


def _judge(loop: Loop, latency: str, way: str) -> Check:
    lost = {name: loop.report[name] for name in ("overruns", "underruns", "input_overflows", "output_underflows")}
    figures = {
        "way": way,
        "latency": latency,
        "stated_ms": 1e3 * loop.stated_seconds,
        "parts_ms": loop.report["latency_parts_ms"],
        "block_ms": 1e3 * loop.block_seconds,
        **lost,
    }
    if not loop.found:
        text = f"{way}: the chirps did not come back"
        return Check("latency", "problem", text, "turn up the level, or check the cable and the names", figures)
    figures |= {"measured_ms": 1e3 * loop.delays.median_seconds, "spread_ms": 1e3 * loop.delays.spread_seconds}
    text = (
        f"{figures['measured_ms']:.0f} ms measured with --latency {latency} ({way}), {figures['stated_ms']:.0f} stated"
    )
    if any(lost.values()):
        return Check("latency", "note", f"{text}; samples were lost", "use --latency high", figures)
    if not loop.agrees:
        return Check("latency", "note", text, "believe the measured one: the driver does not tell the truth", figures)
    return Check("latency", "ok", text, figures=figures)


@contextlib.contextmanager
def _silent_loop() -> Iterator[None]:
    """A sink that nobody hears, which PortAudio's `pulse` plays into and whose monitor it records, for a while."""
    try:
        module = _pactl("load-module", "module-null-sink", f"sink_name={_SINK}", f"rate={_RATE}", "norewinds=1")
    except OSError:  # PulseAudio before 16 does not know the last one
        module = _pactl("load-module", "module-null-sink", f"sink_name={_SINK}", f"rate={_RATE}")
    before = dict(os.environ)
    os.environ.update(PULSE_SINK=_SINK, PULSE_SOURCE=f"{_SINK}.monitor")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        with contextlib.suppress(OSError):
            _pactl("unload-module", module.strip())


def _pactl(*arguments: str) -> str:
    """What it prints. Raises OSError where it is not there or fails."""
    if shutil.which("pactl") is None:
        raise OSError("the program pactl is not installed")
    english = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(["pactl", *arguments], capture_output=True, text=True, timeout=10, env=english)
    except subprocess.TimeoutExpired:
        raise OSError("the sound server does not answer") from None
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or ["the sound server refused"])[0])
    return done.stdout


def _verdict(model: Model, checks: list[Check], wish: str | None) -> str:
    """One sentence."""
    speed = next(check for check in checks if check.name == "speed")
    latency = next(check for check in checks if check.name == "latency")
    if latency.advice == "use --latency high":
        wish = "high"
    if wish is None:
        return f"This machine is too slow or too busy for `{model.name}` live."
    spare = f"This machine runs `{model.name}` with {speed.figures['spare']:.0f} times to spare"
    if any(check.state == "problem" for check in checks):
        return f"{spare}, but live sound needs what is said above."
    return f"{spare}; set --latency {wish}{' (the default)' if wish == 'low' else ''}."


def _for_people(checks: list[Check], verdict: str) -> str:
    marks = {"ok": "ok", "note": "note", "skipped": "-", "problem": "FIX"}
    lines = [
        f"rtdenoise {__version__}, Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    ]
    for check in checks:
        lines.append(f"{marks[check.state]:5} {check.name:13} {check.text}")
        if check.advice:
            lines.append(f"{'':19} -> {check.advice}")
    return "\n".join([*lines, verdict])
