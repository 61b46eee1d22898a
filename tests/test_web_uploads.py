"""Hazard: what somebody drops on the page fills the disk, opens a file of ours, or is answered with a riddle."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("uvicorn")
from web_client import Client, sound

from rtdenoise.web.server import PageServer
from rtdenoise.web.uploads import Uploads

RATE = 16000


@pytest.fixture(scope="module")
def page_server():
    with PageServer(uploads=Uploads(largest_bytes=1 << 20, longest_seconds=20)) as server:
        yield server


@pytest.fixture(scope="module")
def client(page_server) -> Client:
    return Client(page_server)


def kept(server) -> list[str]:
    return sorted(path.name for path in server._uploads.folder.iterdir())


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 415, ["the file", "empty"]),
        (b"hello, this is a letter to my aunt" * 99, 415, ["no audio file", ".wav"]),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", 415, ["no audio file"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(999), 415, ["no audio file"]),
        (sound(np.zeros(0), RATE), 415, ["no samples"]),
        (sound(np.zeros(99), 1000), 415, ["1000 Hz", "4000"]),
        (sound(np.zeros(21 * RATE), RATE, "FLAC"), 413, ["0:21 min", "up to 0:20 min", "rtdenoise --input"]),
        (sound(np.zeros(2 * 3600 * 4000), 4000, "FLAC"), 413, ["2:00:00 h"]),
        (sound(np.zeros((999, 9)), RATE), 413, ["9 channels", "up to 8"]),
        (bytes((1 << 20) + 1), 413, ["up to 1 MB", "rtdenoise --input"]),
    ],
    ids=["empty", "text", "head only", "picture", "no samples", "rate", "long", "hours", "9 channels", "large"],
)
def test_what_is_refused_and_why(client, page_server, data, status, words):
    before = kept(page_server)
    answer = client.upload(data)
    assert answer.status == status, answer.body
    for word in words:
        assert word in answer.json["error"]
    assert ".upload" not in answer.json["error"]
    assert kept(page_server) == before


def test_high_rates_fill_the_browser_sooner(client, monkeypatch):
    monkeypatch.setattr("rtdenoise.web.uploads._MOST_FRAMES", 96000)
    answer = client.upload(sound(np.zeros(97000), 96000, "FLAC"))
    assert answer.status == 413
    assert "at 96000 Hz the page takes up to 0:01 min" in answer.json["error"]
    assert client.upload(sound(np.zeros(96000), 96000, "FLAC")).status == 200


def test_a_size_that_is_not_announced_is_counted(client, page_server):
    before = kept(page_server)
    pieces = (bytes(1 << 16) for _ in range(40))
    try:
        answer = client.upload(pieces)
    except (BrokenPipeError, ConnectionResetError):  # it was not listened to until the end
        pass
    else:
        assert answer.status == 413
    assert kept(page_server) == before
    assert client.ask("GET", "/api/about").status == 200


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_channels(client, channels, speechlike):
    samples = np.stack([speechlike(RATE, RATE, seed) for seed in range(channels)], axis=1)
    answer = client.upload(sound(samples, RATE, subtype="FLOAT"))
    assert answer.json["channels"] == channels
    key = answer.json["key"]
    assert np.array_equal(client.ask("GET", f"/api/files/{key}/before").samples.reshape(-1, channels), samples)
    assert len(client.ask("GET", f"/api/files/{key}/after").samples) == RATE * channels


def test_only_the_last_few_are_kept(client, page_server):
    keys = [client.upload(sound(np.zeros(99), RATE)).json["key"] for _ in range(8)]
    assert len(kept(page_server)) <= 6
    answer = client.ask("GET", f"/api/files/{keys[0]}/before")
    assert answer.status == 404
    assert "drop it again" in answer.json["error"]
    assert client.ask("GET", f"/api/files/{keys[-1]}/before").status == 200


@pytest.mark.parametrize("key", ["..%2f..%2fetc%2fpasswd", "../../etc/passwd", "/etc/passwd", "%00", "x", "."])
def test_a_key_is_no_path(client, key):
    for what in ("before", "after", "result"):
        assert client.ask("GET", f"/api/files/{key}/{what}").status == 404


@pytest.mark.parametrize(
    "query",
    [
        "model=/etc/passwd",
        "model=../stream",
        "model=stream.onnx",
        "model=",
        "limit=-1",
        "limit=nan",
        "limit=inf",
        "limit=loud",
        "start=-1",
        "start=1e3",
        "start=99",
        "start=999999999999999999999",
    ],
)
def test_what_cannot_be_asked_for(client, query):
    key = client.upload(sound(np.zeros(99), RATE)).json["key"]
    answer = client.ask("GET", f"/api/files/{key}/after?{query}")
    assert answer.status == 400
    assert query.split("=")[1] in answer.json["error"]


def test_names_are_nobody_s_business(client, page_server, tmp_path):
    """There is no place for one: what the page calls a file is not sent."""
    headers = {"Content-Disposition": f'attachment; filename="{tmp_path}/x.wav"', "X-Name": "../../x.wav"}
    answer = client.ask("POST", "/api/files?name=../../x.wav", sound(np.zeros(99), RATE), **headers)
    assert answer.status == 200
    assert not list(tmp_path.iterdir())
    assert all(name.startswith(answer.json["key"]) or name.endswith(".upload") for name in kept(page_server))


@pytest.mark.parametrize("place", [200, 20000])
def test_a_damaged_file_is_told_before_it_is_played(client, page_server, place):
    data = bytearray(sound(np.random.default_rng(0).uniform(-1, 1, 2 * RATE), RATE, "FLAC"))
    data[place:] = bytes(len(data) - place)
    before = kept(page_server)
    answer = client.upload(bytes(data))
    assert answer.status == 415
    assert re.search(r"^the file is damaged \d\.\d s after its start", answer.json["error"])
    assert kept(page_server) == before


def test_a_file_that_goes_bad_later_is_told(client, page_server):
    key = client.upload(sound(np.zeros(RATE), RATE)).json["key"]
    (page_server._uploads.folder / f"{key}.upload").write_bytes(b"no sound")
    answer = client.ask("GET", f"/api/files/{key}/before")
    assert answer.status == 400
    assert answer.json["error"].startswith("the file is no audio file")


def test_a_disk_that_takes_nothing_is_told():
    uploads = Uploads()
    with PageServer(uploads=uploads) as server:
        client = Client(server)
        uploads.close()
        for answer in (client.upload(sound(np.zeros(99), RATE)), client.ask("POST", "/api/sample")):
            assert answer.status == 507
            assert "could not be kept" in answer.json["error"]


def test_the_folder_goes_with_the_server():
    with PageServer() as server:
        client, folder = Client(server), server._uploads.folder
        client.upload(sound(np.zeros(99), RATE))
        assert list(folder.iterdir())
    assert not folder.exists()
