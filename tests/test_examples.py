"""Hazard: an example that does not run. Each is started as its first lines say, and spoken to by a real client."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from real_server import needs_server

from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.integrations.pcm import PcmDenoiser

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
UUID, DTMF, AUDIO_8K, AUDIO_16K = 0x01, 0x03, 0x10, 0x12


@contextlib.contextmanager
def running(name: str, *arguments: object):
    """The example as a process; the address that it says it listens on."""
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), line + process.stderr.read()
        host, port = line.split()[-1].rsplit(":", 1)
        yield process, (host, int(port))
    finally:
        process.kill()
        process.communicate()


def speech(speechlike, seconds: float = 1.0, rate: int = 8000) -> bytes:
    return encode(speechlike(round(seconds * rate), rate), S16LE)


def message(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def receive(connection: socket.socket) -> tuple[int, bytes] | None:
    """One message of AudioSocket; None at the end."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count and (more := connection.recv(count - len(data))):
            data += more
        return data

    header = exactly(3)
    if len(header) < 3:
        return None
    kind, length = struct.unpack(">BH", header)
    return kind, exactly(length)


GUIDE = (EXAMPLES.parent / "voice-agents.md").read_text(encoding="utf-8")


def test_the_python_of_the_guide_runs(speechlike):
    """What imports a package that is not installed is read only."""
    block = speech(speechlike, 0.02)
    for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        compiled = compile(code, "voice-agents.md", "exec")
        names = {"block": block}
        with contextlib.suppress(ModuleNotFoundError):
            exec(compiled, names)
    assert len(names["clean"]) == len(block)


def test_every_example_is_tested_and_in_the_guide():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    names = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")]
    assert len(names) >= 6
    for name in names:
        assert f'"{name}"' in tests, name
        assert f"examples/{name}" in GUIDE, name


def test_audiosocket_callers_hear_themselves(speechlike):
    data = speech(speechlike)
    with (
        running("audiosocket_gateway.py", "--listen", "127.0.0.1:0") as (_, address),
        socket.create_connection(address, 10) as call,
    ):
        call.sendall(message(UUID, bytes(range(16))))
        assert receive(call) == (UUID, bytes(range(16)))
        alone, heard = PcmDenoiser(8000, profile="asr"), b""
        for start in range(0, len(data), 320):
            call.sendall(message(AUDIO_8K, data[start : start + 320]))
            kind, payload = receive(call)
            assert (kind, len(payload)) == (AUDIO_8K, len(data[start : start + 320]))
            heard += payload
        assert heard == alone.process(data)
        call.sendall(message(DTMF, b"5") + message(AUDIO_16K, data[:640]))
        assert receive(call) == (DTMF, b"5")
        assert receive(call) == (AUDIO_16K, PcmDenoiser(16000, profile="asr").process(data[:640]))
        call.shutdown(socket.SHUT_WR)
        assert receive(call) is None


def test_audiosocket_goes_on_to_an_agent(speechlike):
    """The agent hears the caller denoised, the caller the agent as it is; one that hangs up ends the other."""
    data = speech(speechlike, 0.2)
    with socket.create_server(("127.0.0.1", 0)) as agents:
        agents.settimeout(10)
        there = "{}:{}".format(*agents.getsockname())
        with running("audiosocket_gateway.py", "--listen", "127.0.0.1:0", "--agent", there) as (_, address):
            for who_hangs_up in (0, 1):
                call = socket.create_connection(address, 10)
                agent, _ = agents.accept()
                agent.settimeout(10)
                call.sendall(message(AUDIO_8K, data))
                assert receive(agent) == (AUDIO_8K, PcmDenoiser(8000, profile="asr").process(data))
                agent.sendall(message(AUDIO_8K, data))
                assert receive(call) == (AUDIO_8K, data)
                ends = [call, agent]
                ends[who_hangs_up].close()
                assert receive(ends[1 - who_hangs_up]) is None
                ends[1 - who_hangs_up].close()


def test_audiosocket_without_an_agent_there():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        there = "{}:{}".format(*closed.getsockname())
    with running("audiosocket_gateway.py", "--listen", "127.0.0.1:0", "--agent", there) as (process, address):
        with socket.create_connection(address, 10) as call:
            assert receive(call) is None
        assert f"the agent at {there} does not answer" in process.stdout.readline()


def rtp(number: int, payload: bytes, kind: int = 0) -> bytes:
    return struct.pack(">BBHII", 0x80, kind, number % 65536, 160 * number % 2**32, 0xCAFE) + payload


def coded(samples: bytes, subtype: str) -> bytes:
    """G.711 by libsndfile, which has its own idea of it."""
    target = io.BytesIO()
    soundfile.write(target, np.frombuffer(samples, "<i2"), 8000, format="RAW", subtype=subtype)
    return target.getvalue()


def decoded(codes: bytes, subtype: str) -> np.ndarray:
    how = {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": subtype}
    return soundfile.read(io.BytesIO(codes), dtype="int16", **how)[0]


@pytest.mark.parametrize(("kind", "subtype"), [(0, "ULAW"), (8, "ALAW")])
def test_rtp_both_ways(speechlike, monkeypatch, kind, subtype):
    """Denoised to the agent, packet for packet, also where the numbers start again; back as it is."""
    data = speech(speechlike, 0.5)
    spoken = coded(data, subtype)
    clean = PcmDenoiser(8000, profile="asr").process(decoded(spoken, subtype).astype("<i2").tobytes())
    monkeypatch.syspath_prepend(EXAMPLES)
    from rtp_gateway import ENCODE

    wanted = ENCODE[kind][np.frombuffer(clean, "<u2")].tobytes()
    with socket.socket(type=socket.SOCK_DGRAM) as agent, socket.socket(type=socket.SOCK_DGRAM) as caller:
        for end in (agent, caller):
            end.bind(("127.0.0.1", 0))
            end.settimeout(10)
        there = "{}:{}".format(*agent.getsockname())
        with running("rtp_gateway.py", "--listen", "127.0.0.1:0", "--to", there) as (_, address):
            heard = b""
            for index in range(0, len(spoken), 160):
                packet = rtp(65530 + index // 160, spoken[index : index + 160], kind)
                caller.sendto(packet, address)
                got = agent.recv(2000)
                assert (got[:12], len(got)) == (packet[:12], len(packet))
                heard += got[12:]
            assert heard == wanted
            back = rtp(7, spoken[:160], kind)
            agent.sendto(back, address)
            assert caller.recv(2000) == back
            for other in (rtp(9, b"\1\2\3\4", 101), b"no RTP at all", b"\x80\0"):  # keys, and what is no sound
                caller.sendto(other, address)
                assert agent.recv(2000) == other


def test_rtp_that_was_lost_or_comes_late(speechlike):
    data = speech(speechlike, 0.4)
    spoken = coded(data, "ULAW")
    packets = [rtp(index, spoken[160 * index : 160 * index + 160]) for index in range(20)]
    with socket.socket(type=socket.SOCK_DGRAM) as agent, socket.socket(type=socket.SOCK_DGRAM) as caller:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(10)
        there = "{}:{}".format(*agent.getsockname())
        with running("rtp_gateway.py", "--listen", "127.0.0.1:0", "--to", there) as (_, address):
            for index in [0, 1, 2, 5, 4, 6, 5, *range(7, 20)]:
                caller.sendto(packets[index], address)
            numbers = [int.from_bytes(agent.recv(2000)[2:4], "big") for _ in range(18)]
    assert numbers == [0, 1, 2, 5, 6, *range(7, 20)]


def test_g711_is_that_of_everybody(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import rtp_gateway

    for kind, subtype in ((0, "ULAW"), (8, "ALAW")):
        values = decoded(bytes(range(256)), subtype)
        assert np.array_equal(rtp_gateway.DECODE[kind], values)
        exact = rtp_gateway.ENCODE[kind][values.view(np.uint16)]
        assert np.array_equal(rtp_gateway.DECODE[kind][exact], values)
        every = np.arange(-32768, 32768).astype("<i2")
        ours = rtp_gateway.DECODE[kind][rtp_gateway.ENCODE[kind][every.view(np.uint16)]].astype(int)
        theirs = rtp_gateway.DECODE[kind][np.frombuffer(coded(every.tobytes(), subtype), np.uint8)].astype(int)
        assert np.abs(ours - every).max() <= np.abs(theirs - every).max()


def test_asyncio_stream(speechlike):
    data = speech(speechlike, 1.0, 16000)
    with (
        running("asyncio_stream.py", "--port", 0, "--rate", 16000) as (_, address),
        socket.create_connection(address, 10) as connection,
    ):
        heard = b""
        for start in range(0, len(data), 333):  # torn in the middle of samples
            connection.sendall(data[start : start + 333])
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            heard += more
    alone = PcmDenoiser(16000)
    assert heard == alone.process(data) + alone.flush()


@pytest.mark.skipif(sys.platform == "win32", reason="a script for bash")
@pytest.mark.skipif(
    shutil.which("ffmpeg") is None and os.environ.get("CI") != "true", reason="ffmpeg missing; apt-get install ffmpeg"
)
def test_ffmpeg_pipe(speechlike, tmp_path):
    """From a stereo FLAC at 44.1 kHz into a WAV; and once more, which must not replace it."""
    samples = np.stack([speechlike(44100, 44100), speechlike(44100, 44100, seed=1)], axis=1)
    soundfile.write(tmp_path / "in.flac", samples, 44100)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "rtdenoise").write_text(f'#!/bin/sh\nexec {sys.executable} -m rtdenoise "$@"\n')
    (tools / "rtdenoise").chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    command = ["bash", EXAMPLES / "ffmpeg_pipe.sh", tmp_path / "in.flac", tmp_path / "out.wav"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    clean, rate = soundfile.read(tmp_path / "out.wav")
    assert (rate, clean.shape) == (48000, (48000, 2))
    assert 0.2 < np.std(clean) / np.std(samples) < 1.05
    video = ["-f", "lavfi", "-i", "testsrc=d=1:s=160x120:r=10", "-c:v", "mjpeg", "-c:a", "pcm_s16le"]
    ffmpeg = ["ffmpeg", "-v", "error", "-nostdin"]
    delayed = ["-itsoffset", "0.5", "-i", tmp_path / "in.flac", *video, tmp_path / "late.mkv"]
    subprocess.run([*ffmpeg, *delayed], check=True, timeout=60)
    command[2:] = [tmp_path / "late.mkv", tmp_path / "clean.mkv"]
    assert subprocess.run(command, env=environment, timeout=60).returncode == 0
    in_time = ["-i", tmp_path / "clean.mkv", "-vn", "-af", "aresample=async=1:first_pts=0", tmp_path / "clean.wav"]
    subprocess.run([*ffmpeg, *in_time], check=True, timeout=60)
    kept, _ = soundfile.read(tmp_path / "clean.wav")
    assert len(kept) == pytest.approx(72000, abs=500)  # the sound is where it was, half a second after the picture
    assert np.abs(kept[:23000]).max() < 0.01
    command[2:] = [tmp_path / "in.flac", tmp_path / "out.wav"]
    before = (tmp_path / "out.wav").read_bytes()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert again.returncode != 0
    assert (tmp_path / "out.wav").read_bytes() == before


@pytest.mark.live
@needs_server
def test_sounddevice_callback(server, speechlike):
    """Between two devices of a real sound server: what is said into the microphone is heard, and no block is late."""
    command = [sys.executable, EXAMPLES / "sounddevice_callback.py", "--seconds", "4", "--devices"]
    command += ["fake microphone", "fake speakers"]
    process = subprocess.Popen(
        command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    assert line.startswith("running, "), line + process.stderr.read()
    with server.recording("speakers.monitor") as recorded:
        server.start_playing(speechlike(2 * server.rate, server.rate), "microphone")
        time.sleep(2.5)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "done, " in errors
    assert np.abs(recorded[0]).max() > 0.02
