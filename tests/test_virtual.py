"""Hazards of virtual devices on a real server: no sound or another one, two devices, one left behind or in the way."""

from __future__ import annotations

import os
import time

import numpy as np
import pulsectl
import pytest
import soundfile
from command_line import refused, run
from real_server import needs_server
from test_sound_server import Process, agreement_db, denoised, find_lead, is_clean, locate, patiently

from benchmarks import pulse
from rtdenoise.errors import DeviceError
from rtdenoise.live import devices, virtual
from rtdenoise.live.session import Live
from rtdenoise.live.virtual import VirtualDevice
from rtdenoise.live.virtual_modules import MICROPHONE, SPEAKERS

pytestmark = [
    pytest.mark.live,
    needs_server,
    pytest.mark.timeout(180),
]


@pytest.fixture
def here(server, monkeypatch):
    """This process finds the server, too."""
    for name in ("XDG_RUNTIME_DIR", "PULSE_SERVER", "ALSA_CONFIG_PATH"):
        monkeypatch.setenv(name, server.environment[name])
    devices.refresh_devices()
    yield server
    monkeypatch.undo()
    devices.refresh_devices()


@pytest.fixture(autouse=True)
def nothing_left(server):
    yield
    assert "rtdenoise_" not in server.modules()


class Call(Process):
    """The command line with a virtual device at one end, past its second line."""

    def __init__(self, server, *arguments):
        super().__init__(server, *arguments)
        self.hint = self.process.stderr.readline().decode()


def command(server, *arguments):
    return run(*arguments, env=server.environment)


def defaults(server):
    return [line for line in server.pactl("info").splitlines() if line.startswith("Default S")]


def test_a_recorder_gets_the_denoised_speech_and_the_loudspeakers_nothing(server):
    samples, rate = soundfile.read(pulse.SCRIPT.parents[1] / "rtdenoise/samples/demo_noisy.flac", dtype="float32")
    played = pytest.importorskip("soxr").resample(samples, rate, server.rate)[: 6 * server.rate]
    rate, before = server.rate, defaults(server)
    # One that stays: when a source goes, the server moves a recorder to the default one, which is the noise.
    assert command(server, "virtual-mic", "create").code == 0

    def attempt():
        running = Call(server, "--input", "fake microphone", "--output", "virtual-mic", "--latency", "60")
        assert running.hint == "rtdenoise: choose 'Denoised microphone' as the microphone in the call program\n"
        assert defaults(server) == before
        with server.recording("rtdenoise_microphone") as heard, server.recording("speakers.monitor") as aloud:
            time.sleep(1.0)
            server.start_playing(played, "microphone")
            time.sleep(5.5)
            outcome, counters, _ = running.interrupt()
        server.wait_for_silence()
        assert outcome.code == 130
        assert not aloud[0].any()
        recorded = heard[0][:, 0]
        last = np.flatnonzero(recorded)[-1]
        start = locate(denoised(played, rate, rate), recorded)
        length = last - start - rate // 10
        captured = counters["samples_in"] - round(counters["latency_ms"] / 1e3 * rate)
        expected = denoised(played, rate, find_lead(recorded, start, played, rate, captured - (last - start)))[:length]
        return agreement_db(expected, recorded, start), counters, length

    agreement, _, length = patiently(attempt, lambda db, counters, _: db > 60 and is_clean(counters))
    print(f"agrees to {agreement:.0f} dB over {length / rate:.1f} s")
    assert command(server, "virtual-mic", "remove").code == 0
    assert length > 3 * rate


def test_what_a_call_plays_is_heard_after_the_engine_and_not_before(server, noise):
    running = Call(server, "--input", "virtual-speakers", "--output", "fake speakers", "--bypass")
    with server.recording("speakers.monitor") as heard:
        server.start_playing(0.3 * noise(2 * server.rate), "rtdenoise_speakers")
        time.sleep(2.5)
    listed = command(server, "virtual-speakers", "status")
    running.interrupt()
    assert "rtdenoise_" not in server.modules()  # Ctrl+C removes it
    assert np.abs(heard[0]).max() > 0.2
    assert running.hint == "rtdenoise: choose 'Denoised speakers' as the speakers in the call program\n"
    assert listed.code == 0
    assert f"used by process {running.process.pid}" in listed.out.decode()


def test_what_a_killed_process_left_behind_is_used_and_removed_by_the_next(server):
    first = Call(server, "--input", "fake microphone", "--output", "virtual-mic")
    modules = server.modules()
    assert modules.count("rtdenoise_microphone_feed ") == 1
    assert "used by process" in command(server, "virtual-mic", "status").out.decode()
    first.process.kill()
    first.process.communicate()
    assert "left behind by a process that died" in command(server, "virtual-mic", "status").out.decode()
    second = Call(server, "--input", "fake microphone", "--output", "virtual-mic")
    assert server.modules() == modules  # the very same
    second.interrupt()


def test_two_use_one_and_the_last_one_removes_it(here, identity):
    first, second = VirtualDevice(MICROPHONE), VirtualDevice(MICROPHONE)
    assert first.find() == second.find()
    first.close()
    with Live("fake microphone", second, model=identity) as live:
        assert live.sink.name == "Denoised microphone (feed)"
        assert not live.may_howl
        refused(command(here, "virtual-mic", "remove"), 1, "'Denoised microphone' is in use by process", "end that")
        refused(command(here, "virtual-mic", "create"), 1, "as long as process", "then create one that stays")
        for act in (virtual.remove, virtual.create):
            with pytest.raises(DeviceError, match=str(os.getpid())):
                act(MICROPHONE)
    second.close()
    second.close()  # does nothing more
    assert "rtdenoise_" not in here.modules()


def test_one_that_was_created_stays_until_it_is_removed(server):
    for said in ("'Denoised microphone' is there; ", "'Denoised microphone' is there already; "):
        outcome = command(server, "virtual-mic", "create")
        assert (outcome.code, outcome.out) == (0, b"")
        assert said in outcome.err
    Call(server, "--input", "fake microphone", "--output", "virtual-mic").interrupt()
    listed = command(server, "virtual-mic", "status")
    assert listed.code == 0
    assert listed.out.decode() == (
        "Denoised microphone: there, stays until it is removed; rtdenoise does not run; heard by nobody\n"
    )
    with server.recording("rtdenoise_microphone"):
        assert "heard by parec" in command(server, "virtual-mic", "status").out.decode()
    for said in ("is removed", "was not there: nothing to remove"):
        outcome = command(server, "virtual-mic", "remove")
        assert outcome.code == 0
        assert said in outcome.err
    assert command(server, "virtual-mic", "status").code == 1


def test_what_is_left_of_half_a_device_is_made_whole(here):
    with VirtualDevice(MICROPHONE) as microphone:
        here.pactl("unload-module", "module-remap-source")  # the bench's too
        microphone.find()
        assert here.modules().count("source_name=rtdenoise_microphone ") == 1
        sink = next(line.split()[0] for line in here.modules().splitlines() if "sink_name=rtdenoise_" in line)
        here.pactl("unload-module", sink)
        microphone.find()
        assert here.modules().count("rtdenoise_microphone_feed ") == 1
        assert here.modules().count("source_name=rtdenoise_microphone ") == 1
        assert not virtual.status(MICROPHONE).kept
    here.start()


def test_one_that_was_left_behind_becomes_one_that_stays(here):
    left = VirtualDevice(SPEAKERS)
    left.find()
    left._holding.close()  # as a process that died
    assert virtual.create(SPEAKERS)
    assert virtual.status(SPEAKERS).kept
    assert virtual.remove(SPEAKERS)


def test_a_name_that_somebody_else_has_is_not_touched(here):
    module = here.pactl("load-module", "module-null-sink", "sink_name=rtdenoise_speakers").strip()
    try:
        with pytest.raises(DeviceError, match=rf"'rtdenoise_speakers' that rtdenoise did not.*unload-module {module}"):
            VirtualDevice(SPEAKERS).find()
        refused(command(here, "--input", "virtual-speakers", "--output", "fake speakers"), 1, "did not make")
    finally:
        here.pactl("unload-module", module)


def test_a_default_that_no_one_chose_stays_what_it_is(here):
    """Where there are monitors only, PulseAudio takes the first other source for the default one."""
    here.pactl("unload-module", "module-remap-source")
    other = here.pactl("load-module", "module-null-sink", "sink_name=other").strip()
    here.pactl("set-default-source", "other.monitor")
    here.pactl("unload-module", other)  # the one that was chosen has gone, and the server chooses
    before = defaults(here)
    with VirtualDevice(MICROPHONE), VirtualDevice(SPEAKERS):
        assert defaults(here) == before
    here.start()


def sources_we_hear(connection):
    names = {source.index: source.name for source in connection.source_list()}
    return [
        names[stream.source]
        for stream in connection.source_output_list()
        if stream.proplist.get("application.process.id") == str(os.getpid())
    ]


def test_mic_never_means_our_own_microphone(here, identity):
    assert virtual.not_ours("mic", "input") == "mic"
    with VirtualDevice(MICROPHONE) as microphone, pulsectl.Pulse("test") as connection:
        with Live("pulse", microphone, model=identity, sample_rate=48000):
            assert sources_we_hear(connection) == ["microphone.monitor"]
            here.pactl("set-default-source", "rtdenoise_microphone")  # the server moves the stream there
            time.sleep(1.0)
            assert sources_we_hear(connection) == ["microphone.monitor"]
            here.pactl("set-default-source", "bench_microphone")  # to any other one it may go
            time.sleep(1.0)
            assert sources_we_hear(connection) == ["bench_microphone"]
        here.pactl("set-default-source", "rtdenoise_microphone")
        assert virtual.not_ours("mic", "input") == "bench_microphone"  # rather than a monitor
        assert virtual.not_ours("speakers", "output") == "speakers"
        here.pactl("set-default-source", "microphone.monitor")


def test_where_there_is_no_other_microphone_it_is_said(here, monkeypatch):
    with VirtualDevice(MICROPHONE):
        here.pactl("set-default-source", "rtdenoise_microphone")
        server_name, found = virtual.server_devices()
        ours = [device for device in found if device.name.startswith("rtdenoise_")]
        monkeypatch.setattr(virtual, "server_devices", lambda: (server_name, ours))
        with pytest.raises(DeviceError, match=r"there is no other for 'mic'"):
            virtual.not_ours("mic", "input")
        here.pactl("set-default-source", "microphone.monitor")


def test_a_device_that_the_server_forgot_is_made_again(here, identity):
    """After a restart of the server call programs find the microphone as before."""
    with VirtualDevice(MICROPHONE) as microphone:
        here.start()
        with pytest.raises(DeviceError, match=r"sound server has gone"):
            microphone.find()
        assert microphone.find().server_name == "rtdenoise_microphone_feed"
