"""Live on a simulated sound card that moves only when it is told to: every stall comes out the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from rtdenoise import Denoiser
from rtdenoise.errors import DeviceError
from rtdenoise.live.clock import Flags, SimulatedDevice
from rtdenoise.live.session import Live

pytestmark = pytest.mark.live

RATE = 16000
EDGE = 40  # samples over which the edges of a gap are rounded
BLOCK = 64  # what latency="low" means at this rate


@pytest.fixture
def rig(leaky, noise):
    """``rig(n)``: a device that hears n samples of noise, and a `Live` from it to itself."""
    opened = []

    def make(samples=4 * RATE, rate=RATE, **options):
        device = SimulatedDevice(rate, 0.5 * noise(samples), paced=False)
        live = Live(device, device, model=leaky, **options)
        live.start()
        opened.append(live)
        return device, live

    yield make
    for live in opened:
        live.stop()


def expected(device, live):
    """What is heard when nothing goes wrong: the same engine at once, late by devices and rings."""
    engine = Denoiser(live.sample_rate, live.denoiser.model)
    out = engine.process(device._signal[:, 0])
    late = round((live.latency_seconds - live.denoiser.latency_seconds) * live.sample_rate)
    return np.concatenate([np.zeros(late, np.float32), out])


def agrees(device, live, start, stop=None):
    """Whether what was heard from one sample to another is what is heard when nothing goes wrong, to the bit."""
    heard = device.heard[:, 0]
    stop = len(heard) if stop is None else stop
    assert 0 <= start < stop <= len(heard)
    assert np.any(heard[start:stop])
    return np.array_equal(heard[start:stop], expected(device, live)[start:stop])


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("latency", ["low", "high", 60])
def test_an_impulse_lands_where_the_latency_says(identity, rate, latency):
    impulse = np.zeros(rate, np.float32)
    impulse[rate // 4] = 0.5
    device = SimulatedDevice(rate, impulse, paced=False)
    with Live(device, device, model=identity, latency=latency) as live:
        device.step(rate // device.block_length)
        latency_samples = live.latency_seconds * rate
    assert latency_samples == pytest.approx(sum(live.latency_parts.values()) / 1e3 * rate)
    assert np.argmax(np.abs(device.heard[:, 0])) == rate // 4 + round(latency_samples)
    assert abs(latency_samples - round(latency_samples)) < 1e-6
    assert live.stats.clean


def test_the_latency_is_that_of_its_parts_at_low(rig):
    _, live = rig()
    assert live.latency_parts == pytest.approx({"device_in": 4, "prefill": 8, "engine": 16, "device_out": 4})
    assert live.latency_seconds == pytest.approx(0.032)


@pytest.mark.parametrize(("asked", "device_blocks"), [(60, 2), (200, 2)])
def test_milliseconds_are_what_devices_and_rings_take_together(rig, asked, device_blocks):
    device, live = rig(latency=asked)
    parts = live.latency_parts
    assert parts["device_in"] + parts["prefill"] + parts["device_out"] == pytest.approx(asked, abs=0.1)
    assert parts["device_in"] + parts["device_out"] == pytest.approx(device_blocks * device.block_length / RATE * 1e3)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_heard_is_the_engine_to_the_bit(rig, rate):
    device, live = rig(rate, rate)
    device.step(rate // device.block_length)
    assert agrees(device, live, 0)
    assert live.stats.clean
    blocks = rate // device.block_length
    assert live.stats.samples_in == live.stats.samples_out == blocks * device.block_length
    assert live.stats.hops == blocks * device.block_length // live.denoiser.hop_length


@pytest.mark.parametrize("missing", [1, 2, 5])
def test_a_slow_worker_leaves_a_gap_and_the_same_latency(rig, missing):
    device, live = rig()
    device.step(100)
    in_rings = 4  # blocks: the prefill, and the hop that the engine gave out ahead
    device.step(in_rings + missing, work=False)
    device.step(100)
    stats = live.stats
    assert stats.underruns == 1
    assert stats.underrun_samples == stats.late_samples == missing * BLOCK
    assert (stats.overruns, stats.dropped_samples, stats.latency_corrections) == (0, 0, 0)
    gap = (100 + in_rings + 2) * BLOCK  # two blocks are on their way to the loudspeakers
    assert agrees(device, live, 0, gap)
    assert not np.any(device.heard[gap + EDGE : gap + missing * BLOCK])
    assert agrees(device, live, gap + missing * BLOCK + EDGE)


def test_two_blocks_of_delay_are_what_the_prefill_is_for(rig):
    device, live = rig()
    for _ in range(20):
        device.step(5)
        device.step(2, work=False)
    assert live.stats.clean
    assert agrees(device, live, 0)


def test_a_worker_that_was_away_for_long_leaves_out_what_is_late_anyway(rig):
    device, live = rig()
    device.step(100)
    before = live.latency_seconds
    device.step(125, work=False)  # half a second
    device.step(200)
    stats = live.stats
    assert stats.dropped_samples > 0.4 * RATE
    assert stats.dropped_samples + stats.late_samples == stats.underrun_samples
    assert stats.underruns == 1
    assert stats.latency_corrections == 0
    assert live.latency_seconds == before
    # The engine heard something else before, so only the place of the noise can be compared, not its bits.
    assert shift(device, live, 240) == round(before * RATE)


def shift(device, live, block):
    """By how many samples what is heard lies behind what the microphone took, from one block on."""
    start = block * BLOCK
    heard = device.heard[start : start + 60 * BLOCK, 0]
    signal = device._signal[start - 40 * BLOCK : start + 60 * BLOCK, 0]
    return 40 * BLOCK - int(np.argmax(np.correlate(signal, heard)))


@pytest.mark.parametrize(
    "stuck", [{"capture": False}, {"play": False}, {"capture": False, "play": False}], ids=lambda stuck: "+".join(stuck)
)
@pytest.mark.parametrize("blocks", [2, 3, 30, 300])
def test_within_a_second_of_any_stall_the_latency_is_back(rig, stuck, blocks):
    device, live = rig(8 * RATE)
    device.step(200)
    before = live.latency_seconds
    assert shift(device, live, 130) == round(before * RATE)
    device.step(blocks, **stuck)
    device.step(250)
    quiet = live.stats.as_dict()
    device.step(200)
    for counter in ("underruns", "late_samples", "dropped_samples", "latency_corrections"):
        assert live.stats.as_dict()[counter] == quiet[counter]
    assert live.latency_seconds == pytest.approx(before, abs=BLOCK / RATE + 1e-9)
    assert shift(device, live, 200 + blocks + 300) == round(live.latency_seconds * RATE)


@pytest.mark.parametrize("slower", [{"capture": False}, {"play": False}], ids=["input", "output"])
def test_blocks_that_get_lost_again_and_again_keep_the_level_bounded(rig, slower):
    device, live = rig(0)
    for _ in range(20):  # 1000 ppm for a minute and a half
        device.step(1000)
        device.step(1, **slower)
        assert live.latency_parts["prefill"] <= 3 * BLOCK / RATE * 1e3
    assert live.stats.latency_correction_samples <= 20 * BLOCK
    assert live.stats.underrun_samples <= 20 * BLOCK
    assert (live.stats.overruns, live.stats.dropped_samples) == (0, 0)


def test_a_full_input_ring_is_an_overrun(rig):
    device, live = rig()
    device.step(10)
    device.step(3 * RATE // BLOCK, work=False, play=False)
    stats = live.stats
    capacity = 1 << 15
    assert stats.overruns > 0
    assert stats.overrun_samples == (3 * RATE // BLOCK + 10) * BLOCK - stats.samples_in
    assert stats.samples_in <= capacity + 10 * BLOCK
    device.step(1000)
    assert live.latency_seconds == pytest.approx(0.032)


def test_a_device_that_plays_nothing_for_seconds_overflows_nothing_but_the_rings(rig):
    device, live = rig(0)
    device.step(10)
    device.step(4 * RATE // BLOCK, play=False)
    assert live.stats.overruns == 0
    assert live.stats.dropped_samples > RATE
    device.step(1000)
    assert live.latency_seconds == pytest.approx(0.032, abs=BLOCK / RATE)


def test_what_the_driver_reports_is_counted(rig):
    device, live = rig()
    device.step(3, flags=Flags(input_overflow=True))
    device.step(2, flags=Flags(output_underflow=True))
    device.step(5)
    assert (live.stats.input_overflows, live.stats.output_underflows) == (3, 2)


def test_channels_are_averaged_on_the_way_in_and_copied_on_the_way_out(identity, noise):
    left, right = noise(RATE, 1), noise(RATE, 2)
    stereo = SimulatedDevice(RATE, np.stack([left, right], axis=1), output_channels=3, paced=False)
    mono = SimulatedDevice(RATE, (left + right) / 2, paced=False)
    for device in (stereo, mono):
        with Live(device, device, model=identity):
            device.step(RATE // BLOCK)
    assert stereo.heard.shape[1] == 3
    for channel in range(3):
        assert np.array_equal(stereo.heard[:, channel], mono.heard[:, 0])


def test_bypass_and_limit_reach_the_engine_while_it_runs(rig):
    device, live = rig(bypass=True, attenuation_limit_db=12.0)
    assert (live.bypass, live.attenuation_limit_db) == (True, 12.0)
    device.step(50)
    live.bypass, live.attenuation_limit_db = False, None
    device.step(50)
    assert (live.denoiser.bypass, live.denoiser.attenuation_limit_db) == (False, None)
    assert live.stats.clean


def test_levels_of_both_ends_are_measured(identity):
    device = SimulatedDevice(RATE, np.full(2 * RATE, 0.5), paced=False)
    with Live(device, device, model=identity) as live:
        device.step(2 * RATE // BLOCK)
        assert live.stats.input_level.peak_db == pytest.approx(-6.02, abs=0.01)
        assert live.stats.output_level.rms_db == pytest.approx(-6.02, abs=0.05)


def test_it_can_be_started_again_and_is_as_new(rig):
    device, live = rig(RATE)
    device.step(50)
    live.stop()
    device._position = 0
    live.start()
    device.step(RATE // BLOCK)
    assert agrees(device, live, 0)
    assert live.stats.samples_in == RATE // BLOCK * BLOCK
    live.stop()
    live.stop()


def test_a_rate_that_the_devices_do_not_take_is_refused(identity):
    with pytest.raises(DeviceError, match="48000 Hz were asked for, but the sound devices take 16000 Hz"):
        Live(SimulatedDevice(16000), None, model=identity, sample_rate=48000)
    with pytest.raises(DeviceError, match="8000 Hz were asked for, but the sound devices take 16000 and 8000 Hz"):
        Live(SimulatedDevice(16000), SimulatedDevice(8000), model=identity, sample_rate=8000)


def test_files_run_at_the_rate_that_is_asked_for(identity):
    assert Live(SimulatedDevice(16000), None, model=identity, sample_rate=16000).sample_rate == 16000


def test_start_and_end_are_told_in_lines(rig):
    device, live = rig()
    device.step(100)
    assert live.start_line() == (
        "simulated device -> simulated device, 16000 Hz, model tiny 1.0, latency 32.0 ms "
        "(device in 4.0 + prefill 8.0 + engine 16.0 + device out 4.0)"
    )
    assert "underruns  0, driver 0" in live.end_lines()
    report = live.report()
    assert report["latency_ms"] == 32.0
    assert report["latency_parts_ms"] == {"device_in": 4.0, "prefill": 8.0, "engine": 16.0, "device_out": 4.0}
    assert (report["hops"], report["sample_rate"], report["block_length"]) == (50, 16000, 64)
