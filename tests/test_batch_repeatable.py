"""Hazard: the same samples become other bytes, by the time of day or a random number in the file."""

from __future__ import annotations

import time

import numpy as np
import soundfile

from rtdenoise.files.audio_file import FileWriter
from rtdenoise.files.suffixes import FORMAT_BY_SUFFIX

RATE = 16000


def write(folder, samples):
    folder.mkdir(parents=True)
    for suffix in FORMAT_BY_SUFFIX:
        for like in ("PCM_16", "FLOAT"):
            channels = 1 if suffix == ".mp3" else samples.shape[1]
            writer = FileWriter(folder / f"{like}{suffix}", RATE, channels, like=like)
            writer.write(samples[:, :channels])
            writer.close()


def test_files_are_the_same_whenever_they_are_written(tmp_path, noise):
    sounds = {channels: 0.3 * noise(RATE * channels).reshape(-1, channels) for channels in (1, 2, 8)}
    for channels, samples in sounds.items():
        write(tmp_path / f"{channels}" / "then", samples)
    time.sleep(1.1)  # libsndfile's clock counts seconds
    for channels, samples in sounds.items():
        write(tmp_path / f"{channels}" / "now", samples)
        compare(tmp_path / f"{channels}", channels)


def compare(folder, channels):
    for path in (folder / "then").iterdir():
        assert path.read_bytes() == (folder / "now" / path.name).read_bytes(), path.name
        read, rate = soundfile.read(path, always_2d=True)
        assert (rate, read.shape[1]) == (RATE, 1 if path.suffix == ".mp3" else channels)
        assert abs(len(read) / rate - 1) < 0.1, "pages of Ogg with a wrong checksum are skipped"


def test_a_wrong_checksum_would_be_noticed(tmp_path, noise):
    writer = FileWriter(tmp_path / "a.ogg", RATE, 1)
    writer.write(0.3 * noise(4 * RATE)[:, np.newaxis])
    writer.close()
    data = bytearray((tmp_path / "a.ogg").read_bytes())
    last = data.rindex(b"OggS")
    data[last + 22] ^= 1
    (tmp_path / "b.ogg").write_bytes(data)
    assert len(soundfile.read(tmp_path / "a.ogg")[0]) == 4 * RATE
    assert soundfile.info(tmp_path / "b.ogg").frames < 4 * RATE
