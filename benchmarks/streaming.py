"""Push recordings through a peer as a live program would, and measure what can be measured from outside.

Everything is the same for every row: a process of its own on one core, a fresh stream for each file, block by block,
output aligned by a delay that is measured, never by one that is stated.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from .dataset import RATE
from .environments import interpreter
from .peers import Peer

Float32 = NDArray[np.float32]

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[1]
#: Silence after each file, so that a peer gives out what it holds back; also the longest delay that is looked for.
TAIL_SECONDS = 0.4
#: Whole-file peers may come out this much early; nobody else can.
_EARLIEST_SECONDS = -0.05
_START_UP_LIMIT_SECONDS = 300
#: For libraries that would start a thread for each core.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
ONE_THREAD["VECLIB_MAXIMUM_THREADS"] = "1"


class PeerError(Exception):
    """A peer that gave nothing; the message is one line."""


@dataclass
class Streamed:
    """What came out of one peer.

    Attributes:
        outputs: by name, (n,) float32 at ``RATE``, aligned with the input and as long.
        failures: by name, why there is none.
        cost: figures for the table, None where they cannot be had.
        cpu_per_second: by name, CPU seconds for a second of audio.
    """

    outputs: dict[str, Float32] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    cpu_per_second: dict[str, float] = field(default_factory=dict)


def stream(
    peer: Peer,
    inputs: dict[str, Float32],
    probes: list[Float32],
    *,
    install: bool = True,
    start_ups: int = 3,
    timeout_seconds: float = 3600.0,
) -> Streamed:
    """Stream ``inputs`` through ``peer``; ``probes`` is clean speech by which its delay is measured. All at ``RATE``.

    Raises:
        PeerError: nothing at all came out.
        NotInstalledError: the peer cannot be had.
    """
    python = interpreter(peer.requirements, install)
    with tempfile.TemporaryDirectory(prefix="rtdenoise-benchmark-") as name:
        folder = Path(name)
        start_up_seconds = _start_up(peer, python, folder, start_ups)
        # Probes come first by name, so that a peer that crashes on a recording has been measured.
        recordings = {f"probe-{i}": probe for i, probe in enumerate(probes)}
        recordings |= {f"recording-{i:05d}": samples for i, samples in enumerate(inputs.values())}
        recordings = {key: _at_rate_of(peer, samples) for key, samples in recordings.items()}
        crash = _work(peer, python, folder, recordings, timeout_seconds)
        records = {record["name"]: record for record in map(json.loads, _lines(folder / "out" / "records.jsonl"))}
        done = {key: np.load(folder / "out" / f"{key}.npy") for key, record in records.items() if "given" in record}
        summary = json.loads("".join(_lines(folder / "out" / "summary.json")) or "{}")

    probed = [key for key in done if key.startswith("probe") and np.isfinite(done[key]).all() and done[key].any()]
    if not probed:
        reasons = [record["error"] for record in records.values() if "error" in record]
        raise PeerError(crash or (reasons[0] if reasons else "NaN, Inf or silence where clean speech went in"))
    delay = measure_delay([(recordings[key], done[key]) for key in probed], peer.sample_rate)
    result = Streamed()
    for i, (name, samples) in enumerate(inputs.items()):
        key = f"recording-{i:05d}"
        if key not in done:
            result.failures[name] = records.get(key, {}).get("error") or crash or "no output"
        elif not np.isfinite(done[key]).all():
            result.failures[name] = "NaN or Inf in the output"
        elif len(done[key]) - delay < 0.9 * len(samples) * peer.sample_rate / RATE:
            result.failures[name] = f"gave {len(done[key])} samples for {len(recordings[key])}"
        else:
            seconds = len(recordings[key]) / peer.sample_rate
            result.cpu_per_second[name] = records[key]["cpu_seconds"] / seconds
            result.outputs[name] = _aligned(done[key], delay, peer.sample_rate, len(samples))
    heard = {key: (len(recordings[key]), records[key]) for key in done}
    result.cost = _streaming_cost(peer, delay, heard) | {
        "start_up_seconds": start_up_seconds,
        "peak_mb": _megabytes(summary.get("peak_bytes")),
        "installed_mb": _megabytes(summary.get("installed_bytes")),
    }
    return result


def _streaming_cost(peer: Peer, delay: int, heard: dict[str, tuple[int, dict[str, Any]]]) -> dict[str, float | None]:
    """From the length of each recording and what the worker noted of it."""
    samples = sum(length for length, _ in heard.values())
    cost: dict[str, float | None] = {
        "delay_ms": 1000 * delay / peer.sample_rate,
        "cpu_per_second": sum(record["cpu_seconds"] for _, record in heard.values()) * peer.sample_rate / samples,
        "latency_ms": None,
        "block_ms": None,
        "block_p50_ms": None,
        "block_p99_ms": None,
    }
    if peer.block:
        latencies = [
            handing_out_latency(peer.block, delay, length, record["given"]) for length, record in heard.values()
        ]
        blocks = 1000 * np.concatenate([record["block_seconds"] for _, record in heard.values()])
        cost["latency_ms"] = 1000 * max(latencies) / peer.sample_rate
        cost["block_ms"] = 1000 * peer.block / peer.sample_rate
        cost["block_p50_ms"], cost["block_p99_ms"] = map(float, np.percentile(blocks, (50, 99)))
    return cost


def measure_delay(pairs: list[tuple[Float32, Float32]], sample_rate: int) -> int:
    """Samples by which output lags behind input: the peak of their cross-correlation, summed over pairs."""
    latest, earliest = round(TAIL_SECONDS * sample_rate), round(_EARLIEST_SECONDS * sample_rate)
    total = np.zeros(latest - earliest)
    for given, out in pairs:
        n = 1 << (len(given) + len(out)).bit_length()
        correlation = np.fft.irfft(np.fft.rfft(out, n) * np.conj(np.fft.rfft(given, n)), n)
        total += np.roll(correlation, -earliest)[: len(total)]
    return int(np.argmax(total)) + earliest


def handing_out_latency(block: int, delay: int, length: int, given: list[int]) -> int:
    """The longest time, in samples, from an input sample coming in to its denoised version being handed out.

    Input sample i is sample ``i + delay`` of the output. The call that hands it out is made when its whole block is in;
    so collecting a block, delay, and what is held back all count, whoever causes them.
    """
    i = np.arange(max(0, -delay), length)
    call = np.searchsorted(np.cumsum(given), i + delay, side="right")
    handed_out = call < len(given)
    return int(np.max(((call + 1) * block - i)[handed_out], initial=0))


def _at_rate_of(peer: Peer, samples: Float32) -> Float32:
    """At the peer's rate, ended by silence where it streams, a whole number of blocks long."""
    samples = _resampled(samples, RATE, peer.sample_rate)
    if not peer.block:
        return samples
    silence = round(TAIL_SECONDS * peer.sample_rate)
    return np.pad(samples, (0, silence + -(len(samples) + silence) % peer.block))


def _aligned(out: Float32, delay: int, sample_rate: int, length: int) -> Float32:
    out = np.concatenate([np.zeros(max(0, -delay), np.float32), out[max(0, delay) :]])
    out = _resampled(out, sample_rate, RATE)[:length]
    return np.pad(out, (0, length - len(out)))


def _resampled(samples: Float32, rate: int, wanted: int) -> Float32:
    return samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="VHQ")


def _call(command: list[str], peer: Peer, folder: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """One thread; and this very rtdenoise for what runs in this very interpreter."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **ONE_THREAD, **({} if peer.requirements else {"PYTHONPATH": path})}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment, cwd=folder, timeout=timeout
    )


def _command(peer: Peer, python: Path, folder: Path, mode: str) -> list[str]:
    job: dict[str, Any] = {"adapter": str(peer.adapter), "settings": peer.settings, "folder": str(folder)}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return [str(python), str(WORKER), mode, str(folder / "job.json")]


def _start_up(peer: Peer, python: Path, folder: Path, times: int) -> float:
    """Median seconds from starting the process to its first block done, after one run that fills the caches."""
    command = _command(peer, python, folder, "start-up")
    seconds = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        try:
            done = _call(command, peer, folder, _START_UP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise PeerError(f"gave no block within {_START_UP_LIMIT_SECONDS} s") from None
        seconds.append(time.perf_counter() - begin)
        if done.stdout != "ready\n":
            raise PeerError(_last_line(done.stderr, done.returncode))
    return float(np.median(seconds[1:] or seconds))


def _work(peer: Peer, python: Path, folder: Path, recordings: dict[str, Float32], timeout: float) -> str | None:
    """Let the worker stream ``recordings``; what went wrong with the process as a whole, if anything did."""
    for kind in ("in", "out"):
        (folder / kind).mkdir()
    for key, samples in recordings.items():
        np.save(folder / "in" / f"{key}.npy", samples)
    command = _command(peer, python, folder, "stream")
    try:
        done = _call(command, peer, folder, timeout)
    except subprocess.TimeoutExpired:
        return f"stopped after {timeout:.0f} s"
    return _last_line(done.stderr, done.returncode) if done.returncode else None


def _last_line(text: str, code: int) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else f"crashed with exit code {code}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / 1e6
