"""Pipes through the command line: the bytes of the file mode, passed on at once, and a good end in every case."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess

import numpy as np
import pytest
import soundfile
from command_line import COMMAND, interrupt, refused, run, start

import rtdenoise
from rtdenoise.files.pcm import F32LE, S16LE, S24LE, encode, quantise
from rtdenoise.files.wav_header import WavHeader, build_header


@pytest.fixture
def samples(speechlike):
    return np.stack([speechlike(16000, seed=3), speechlike(16000, seed=4)], axis=1)


@pytest.fixture
def denoised(samples, leaky):
    return rtdenoise.denoise(np.round(samples * 32768) / np.float32(32768), 16000, leaky)


def read_some(stream, count: int, seconds: float = 20) -> bytes:
    """``count`` bytes, or what comes until the time is up."""
    data = b""
    while len(data) < count and select.select([stream], [], [], seconds)[0]:
        piece = os.read(stream.fileno(), count - len(data))
        if not piece:
            break
        data += piece
    return data


def test_raw_s16le(samples, denoised, leaky):
    data = encode(samples, S16LE)
    outcome = run("--input", "-", "--output", "-", "--raw-rate", "16000", "--raw-channels", "2", "--model", leaky.path,
                  input=data)  # fmt: skip
    assert outcome.code == 0
    assert outcome.out == encode(denoised, S16LE)
    assert len(outcome.err.splitlines()) == 2


def test_raw_f32le_keeps_every_bit(samples, leaky):
    mono = samples[:, 0]
    outcome = run("--input", "-", "--output", "-", "--raw-rate", "16000", "--raw-format", "f32le", "--model",
                  leaky.path, "-q", input=encode(mono, F32LE))  # fmt: skip
    assert outcome.err == ""
    assert np.array_equal(np.frombuffer(outcome.out, "<f4"), rtdenoise.denoise(mono, 16000, leaky))


@pytest.mark.parametrize("frames", [16000, None])
def test_wav_gives_wav_of_the_same_kind(samples, leaky, frames):
    head = WavHeader(S24LE, 16000, 2, frames)
    outcome = run(
        "--input", "-", "--output", "-", "--model", leaky.path, input=build_header(head) + encode(samples, S24LE)
    )
    assert outcome.code == 0
    assert outcome.out[:44] == build_header(head)
    quantised = (np.round(samples * 2.0**23) / 2.0**23).astype(np.float32)
    assert outcome.out[44:] == encode(rtdenoise.denoise(quantised, 16000, leaky), S24LE)


def test_file_to_pipe_and_pipe_to_file(tmp_path, samples, denoised, leaky):
    soundfile.write(tmp_path / "in.wav", quantise(samples, 16).astype(np.int16), 16000)
    piped = run("--input", tmp_path / "in.wav", "--output", "-", "--model", leaky.path)
    assert piped.out == build_header(WavHeader(S16LE, 16000, 2, 16000)) + encode(denoised, S16LE)
    raw = run("--input", tmp_path / "in.wav", "--output", "-", "--model", leaky.path, "--raw-format", "f32le")
    assert raw.out == encode(denoised, F32LE)
    wav = (tmp_path / "in.wav").read_bytes()
    filed = run("--input", "-", "--output", tmp_path / "out.flac", "--model", leaky.path, input=wav)
    assert filed.code == 0
    assert soundfile.info(tmp_path / "out.flac").subtype == "PCM_16"
    assert soundfile.read(tmp_path / "out.flac", dtype="int16")[0].tobytes() == encode(denoised, S16LE)


def test_a_named_pipe_is_a_pipe(tmp_path, samples, denoised, leaky):
    os.mkfifo(tmp_path / "fifo")
    process = start("--input", tmp_path / "fifo", "--output", "-", "--raw-rate", "16000", "--raw-channels", "2",
                    "--model", leaky.path)  # fmt: skip
    (tmp_path / "fifo").write_bytes(encode(samples, S16LE))
    out, _ = process.communicate(timeout=30)
    assert out == encode(denoised, S16LE)


def test_output_arrives_before_input_ends(samples, denoised, leaky):
    """What was put in is out again but for the latency, while the input stays open."""
    process = start(
        "--input", "-", "--output", "-", "--raw-rate", "16000", "--raw-channels", "2", "--model", leaky.path
    )
    latency = 256
    data, got = encode(samples, S16LE), b""
    for first in range(0, 3200, 160):
        process.stdin.write(data[4 * first : 4 * (first + 160)])
        process.stdin.flush()
        wanted = max(0, (first + 160) // 128 * 128 + 128 - latency) * 4
        got += read_some(process.stdout, wanted - len(got))
        assert len(got) == wanted
    process.stdin.close()
    got += process.stdout.read()
    assert process.wait(timeout=10) == 0
    assert got == encode(rtdenoise.denoise((np.round(samples[:3200] * 32768) / 32768).astype(np.float32), 16000, leaky),
                         S16LE)  # fmt: skip


def test_cut_in_the_middle_of_a_sample(samples, denoised, leaky):
    """All whole samples come out, and the exit code says that something was wrong."""
    outcome = run("--input", "-", "--output", "-", "--raw-rate", "16000", "--raw-channels", "2", "--model", leaky.path,
                  "-q", input=encode(samples, S16LE) + b"\x01\x02\x03")  # fmt: skip
    assert outcome.code == 1
    assert "3 of 4 bytes" in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == encode(denoised, S16LE)


def test_duration_and_stats(tmp_path, samples, leaky):
    data = build_header(WavHeader(S16LE, 16000, 2, 16000)) + encode(samples, S16LE)
    outcome = run("--input", "-", "--output", "-", "--model", leaky.path, "--duration", "0.25", "--stats",
                  tmp_path / "s.json", input=data)  # fmt: skip
    assert len(outcome.out) == 44 + 4000 * 4
    assert outcome.out[40:44] == (4000 * 4).to_bytes(4, "little")
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["samples_in"], stats["samples_out"], stats["hops"]) == (4000, 4000, 31)
    assert (stats["sample_rate"], stats["channels"], stats["latency_ms"]) == (16000, 2, 16.0)
    assert set(stats["load"]) == {"p50", "p99", "p99.9", "max"}
    assert stats["latency_parts_ms"] == {"engine": 16.0}


def test_a_closed_downstream_ends_quietly(samples, leaky):
    process = start("--input", "-", "--output", "-", "--raw-rate", "16000", "--model", leaky.path, "-q")
    process.stdout.read(0)
    process.stdin.write(encode(samples, S16LE))
    process.stdin.flush()
    assert len(process.stdout.read(100)) == 100
    process.stdout.close()
    try:
        for _ in range(100):
            process.stdin.write(encode(samples, S16LE))
            process.stdin.flush()
    except BrokenPipeError:
        pass
    assert process.wait(timeout=10) == 0
    assert process.stderr.read() == b""


def test_in_a_shell_pipeline_with_head(leaky):
    ours = f"{' '.join(COMMAND)} -q --input - --raw-rate 16000 --output - --model {leaky.path}"
    line = f"head -c 3000000 /dev/zero 2>/dev/null | {ours} | head -c 9"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, timeout=30)
    assert (done.stdout, done.stderr) == (bytes(9), b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_waiting_for_input(samples, leaky, number):
    process = start(
        "--input", "-", "--output", "-", "--raw-rate", "16000", "--raw-channels", "2", "--model", leaky.path
    )
    process.stdin.write(encode(samples, S16LE))
    process.stdin.flush()
    got = read_some(process.stdout, 4 * (16000 - 256 + 128))
    outcome = interrupt(process, number)
    assert outcome.code == 130
    assert "rtdenoise: stopped; 1.0 s of sound" in outcome.err
    assert "Traceback" not in outcome.err
    assert len(got + outcome.out) == 4 * 16000  # the tail was flushed


def test_ctrl_c_before_the_first_byte():
    process = start("--input", "-", "--output", "none", "--raw-rate", "16000")
    assert not select.select([process.stderr], [], [], 1.5)[0]
    outcome = interrupt(process)
    assert outcome.code == 130
    assert outcome.err.strip() == ""


def test_ctrl_c_keeps_what_was_recorded_from_a_pipe(tmp_path, samples, leaky):
    process = start("--input", "-", "--output", tmp_path / "take.wav", "--raw-rate", "16000", "--raw-channels", "2",
                    "--model", leaky.path)  # fmt: skip
    process.stdin.write(encode(samples, S16LE))
    process.stdin.flush()
    while not (parts := list(tmp_path.glob(".take.*.part"))) or parts[0].stat().st_size < 4 * 15000:
        assert process.poll() is None
    assert interrupt(process).code == 130
    assert soundfile.info(tmp_path / "take.wav").frames == 16000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output(samples, leaky):
    arguments = ["--input", "-", "--output", "-", "--raw-rate", "16000", "--model", leaky.path, "-q"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, *map(str, arguments)], input=encode(samples, S16LE), stdout=full,
                              stderr=subprocess.PIPE, timeout=30)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "rtdenoise: standard output could not be written: No space left on device; look at where it is redirected to"
    ]


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (["--raw-rate", "16000"], b"", "ended before its first sample"),
        ([], b"\0" * 99, "announced with --raw-rate 16000"),
        (["--raw-format", "s16le"], b"\0" * 99, "announced with --raw-rate 16000"),
        ([], b"OggS" + b"\0" * 99, "holds Ogg; pipes carry WAV"),
        ([], build_header(WavHeader(S16LE, 10_000_000, 1, 4)) + bytes(8), "10000000 Hz"),
    ],
)
def test_what_pipes_do_not_carry(arguments, data, message):
    refused(run("--input", "-", "--output", "none", *arguments, input=data), 1, message)
