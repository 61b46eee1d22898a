"""Hazard: what is heard on the page is not what `rtdenoise` makes of the file."""

from __future__ import annotations

import http.client
import io
import time

import numpy as np
import pytest
import soundfile
from conftest import snr_db

pytest.importorskip("uvicorn")
from command_line import run
from web_client import Client, sound

from rtdenoise import denoise
from rtdenoise.web.server import PageServer


@pytest.fixture(scope="module")
def client():
    with PageServer() as server:
        yield Client(server)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1)])
def test_heard_is_what_denoise_gives(client, speechlike, rate, channels):
    samples = np.stack([speechlike(3 * rate, rate, seed) for seed in range(channels)], axis=1)
    key = client.upload(sound(samples, rate, subtype="FLOAT")).json["key"]
    heard = client.ask("GET", f"/api/files/{key}/after").samples.reshape(-1, channels)
    assert np.array_equal(heard, denoise(samples, rate))
    limited = client.ask("GET", f"/api/files/{key}/after?limit=6").samples.reshape(-1, channels)
    assert np.array_equal(limited, denoise(samples, rate, attenuation_limit_db=6))


def test_another_model(client, speechlike):
    samples = speechlike(20000, 8000)
    key = client.upload(sound(samples, 8000, subtype="FLOAT")).json["key"]
    heard = client.ask("GET", f"/api/files/{key}/after?model=unet8k").samples
    assert np.array_equal(heard, denoise(samples, 8000, "unet8k"))


@pytest.mark.parametrize("start", [1, 777, 60000, 120000])
def test_from_the_place_where_somebody_listens(client, speechlike, start):
    """The rest first, as good as if all had been heard; then what is before it, to the bit."""
    samples = speechlike(160000)
    key = client.upload(sound(samples, 16000, subtype="FLOAT")).json["key"]
    heard = client.ask("GET", f"/api/files/{key}/after?start={start}").samples
    whole = denoise(samples, 16000)
    assert len(heard) == len(samples)
    assert np.array_equal(heard[len(samples) - start :], whole[:start])
    assert snr_db(whole[start:], heard[: len(samples) - start]) > 25


@pytest.mark.parametrize(
    ("format", "subtype", "kept"),
    [("WAV", "PCM_24", "PCM_24"), ("FLAC", "PCM_16", "PCM_16"), ("WAV", "FLOAT", "FLOAT"), ("OGG", "VORBIS", "PCM_16")],
)
def test_the_result_is_what_the_command_line_writes(client, speechlike, tmp_path, format, subtype, kept):
    samples = np.stack([speechlike(44100, 44100, seed) for seed in (0, 1)], axis=1)
    data = sound(samples, 44100, format, subtype)
    key = client.upload(data).json["key"]
    answer = client.ask("GET", f"/api/files/{key}/result?limit=12")
    assert answer.headers["content-disposition"] == "attachment"
    info = soundfile.info(io.BytesIO(answer.body))
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (44100, 2, 44100, kept)
    source, target = tmp_path / f"in.{format.lower()}", tmp_path / "out.wav"
    source.write_bytes(data)
    assert run("--input", source, "--output", target, "--attenuation-limit", 12).code == 0
    if kept != "FLOAT":  # whose header holds the time of day
        assert answer.body == target.read_bytes()
    assert np.array_equal(soundfile.read(io.BytesIO(answer.body))[0], soundfile.read(target)[0])


def test_nothing_is_left_of_a_result(speechlike):
    with PageServer() as server:
        client = Client(server)
        key = client.upload(sound(speechlike(16000), 16000)).json["key"]
        client.ask("GET", f"/api/files/{key}/result")
        deadline = time.monotonic() + 5
        while len(list(server._uploads.folder.iterdir())) > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [path.suffix for path in server._uploads.folder.iterdir()] == [".upload"]


def test_the_sample(client):
    answer = client.ask("POST", "/api/sample")
    assert answer.json["sample_rate"] == 16000
    assert answer.json["frames"] == 160000


def test_a_listener_that_goes_is_not_denoised_for(speechlike):
    """Each change on the page breaks the stream before off; the next one has the machine for itself."""
    with PageServer() as server:
        client = Client(server)
        key = client.upload(sound(np.tile(speechlike(48000, 8000), 90), 8000, "FLAC")).json["key"]
        for _ in range(4):
            connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
            headers = {"Cookie": client.cookie, "Origin": client.origin}
            connection.request("GET", f"/api/files/{key}/after?model=unet8k", headers=headers)
            assert connection.getresponse().read(1000)
            connection.close()
        assert client.ask("GET", "/api/about").status == 200  # the same pool of threads answers it
