"""Byte streams that arrive in odd pieces, lie about their length, or break off."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from rtdenoise.errors import AudioFileError
from rtdenoise.files.pcm import F32LE, S16LE, S24LE, encode
from rtdenoise.files.pipes import PipeReader, PipeWriter, RawFormat, unbuffered
from rtdenoise.files.wav_header import WavHeader, build_header

RAW = RawFormat(16000, S16LE, 2)


class Trickle(io.RawIOBase):
    """Gives the bytes in pieces of the sizes named, again and again."""

    def __init__(self, data: bytes, sizes=(1, 2, 3, 5, 700)) -> None:
        self.data, self.sizes, self.turn = data, sizes, 0

    def read(self, size=-1):
        self.turn += 1
        take = min(size, self.sizes[self.turn % len(self.sizes)])
        piece, self.data = self.data[:take], self.data[take:]
        return piece


def drain(reader, n=160):
    blocks = []
    while len(block := reader.read(n)):
        assert len(block) <= n
        blocks.append(block)
    return np.concatenate([np.zeros((0, reader.channels), np.float32), *blocks])


@pytest.fixture
def samples():
    return (np.random.default_rng(3).integers(-9000, 9000, (4001, 2)) / 32768).astype(np.float32)


def test_raw_in_odd_pieces(samples):
    reader = PipeReader(Trickle(encode(samples, S16LE)), RAW)
    assert not reader.is_wav
    assert reader.frames is None
    assert np.array_equal(drain(reader), samples)
    reader.check_end()


def test_less_than_a_header_is_still_raw():
    assert drain(PipeReader(io.BytesIO(b"\x00\x40"), RawFormat(8000))).tolist() == [[0.5]]


@pytest.mark.parametrize("left_over", [1, 2, 3])
def test_raw_cut_in_the_middle_of_a_sample(samples, left_over):
    reader = PipeReader(Trickle(encode(samples, S16LE) + bytes(left_over)), RAW)
    assert np.array_equal(drain(reader), samples)
    with pytest.raises(AudioFileError, match=f"{left_over} of 4 bytes.*s16le with 2 channels"):
        reader.check_end()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("audio_format", ["WAV", "WAVEX", "RF64"])
def test_wav_as_libsndfile_writes_it(samples, subtype, audio_format):
    file = io.BytesIO()
    soundfile.write(file, samples, 22050, format=audio_format, subtype=subtype)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0]
    reader = PipeReader(Trickle(file.getvalue()), None)
    assert (reader.is_wav, reader.sample_rate, reader.channels, reader.frames) == (True, 22050, 2, 4001)
    assert np.array_equal(drain(reader), expected)
    reader.check_end()


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF - 36])
def test_wav_whose_length_nobody_knew(samples, stated):
    """As ffmpeg (0xFFFFFFFF, with a LIST chunk before), gstreamer (0), sox and arecord write into pipes."""
    data = encode(samples, S16LE)
    form = struct.pack("<HHIIHH", 1, 2, 16000, 64000, 4, 16)
    info = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + form + info
    reader = PipeReader(Trickle(head + b"data" + struct.pack("<I", stated) + data), None)
    assert reader.frames is None
    assert np.array_equal(drain(reader), samples)


@pytest.mark.parametrize(("missing", "is_told"), [(44, False), (4000, True)])
def test_wav_that_ends_before_its_header_says(samples, missing, is_told):
    data = build_header(WavHeader(S16LE, 16000, 2, len(samples))) + encode(samples, S16LE)[:-missing]
    reader = PipeReader(Trickle(data), None)
    assert len(drain(reader)) == len(samples) - missing // 4
    if is_told:
        with pytest.raises(AudioFileError, match=r"ended early: its header says 0\.3 s, and 0\.2 s came"):
            reader.check_end()
    else:
        reader.check_end()


@pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed")
def test_wav_from_sox_through_a_pipe(tmp_path, samples):
    soundfile.write(tmp_path / "in.wav", samples, 16000)
    data = subprocess.run(
        ["sox", tmp_path / "in.wav", "-t", "wav", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout
    assert np.array_equal(drain(PipeReader(Trickle(data), None)), samples)


def test_what_stands_behind_the_samples_is_swallowed_not_played(samples):
    data = encode(samples, S16LE)
    stream = Trickle(build_header(WavHeader(S16LE, 16000, 2, len(samples))) + data + b"LIST\x04\0\0\0INFO")
    assert np.array_equal(drain(PipeReader(stream, None)), samples)
    assert stream.data == b""


def test_a_wav_header_wins_over_what_was_said_of_raw_samples(samples):
    data = build_header(WavHeader(S24LE, 48000, 2, len(samples))) + encode(samples, S24LE)
    reader = PipeReader(io.BytesIO(data), RawFormat(8000, F32LE, 1))
    assert (reader.encoding, reader.sample_rate) == (S24LE, 48000)
    assert np.array_equal(drain(reader), samples)


def wav(form: bytes = b"", rest: bytes = b"data\x08\0\0\0" + bytes(8), length: int | None = None) -> bytes:
    length = len(form) if length is None else length
    return b"RIFF\xff\xff\xff\xffWAVE" + (b"fmt " + struct.pack("<I", length) + form if form else b"") + rest


def form(tag=1, channels=1, rate=16000, bits=16) -> bytes:
    return struct.pack("<HHIIHH", tag, channels, rate, rate * 2, 2, bits)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ended before its first sample"),
        (b"fLaC....", "holds FLAC; pipes carry WAV, or raw"),
        (b"\x12\x34\x56\x78", "holds no WAV"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0", "ended within its WAV header"),
        (wav(form())[:30], "ended within its WAV header"),
        (wav(form(), length=8), "chunk of 8 bytes"),
        (wav(form(), length=0xFFFFFFF0), "chunk of 4294967280 bytes"),
        (wav(form(tag=7, bits=8)), "format 7 with 8 bits"),
        (wav(form(channels=0)), "0 channels"),
        (wav(form(rate=0)), "0 Hz; rates from 4000 to 384000"),
        (wav(form(rate=10_000_000)), "10000000 Hz"),
        (wav(), "before it says their format"),
        (wav(form(), rest=b"data\x01\0\0\0\0"), "no samples behind it"),
        (wav(form(), rest=b"data\xff\xff\xff\xff"), "no samples behind it"),
    ],
)
def test_what_is_no_sound_is_said_in_one_line(data, message):
    with pytest.raises(AudioFileError, match=message) as caught:
        PipeReader(io.BytesIO(data), None)
    assert "\n" not in str(caught.value)


def test_a_stream_that_cannot_be_read():
    write_only = os.open(os.devnull, os.O_WRONLY)
    try:
        with pytest.raises(AudioFileError, match="cannot be read: Bad file descriptor"):
            PipeReader(io.FileIO(write_only, "r", closefd=False))
    finally:
        os.close(write_only)


@pytest.mark.parametrize("frames", [4001, None])
def test_what_is_written_can_be_read(samples, frames):
    stream = io.BytesIO()
    writer = PipeWriter(stream, S24LE, 44100, 2, is_wav=True, frames=frames)
    writer.write(samples)
    reader = PipeReader(io.BytesIO(stream.getvalue()), None)
    assert (reader.encoding, reader.sample_rate, reader.frames) == (S24LE, 44100, frames)
    assert np.array_equal(drain(reader), samples)
    written, rate = soundfile.read(io.BytesIO(stream.getvalue()), dtype="float32")
    assert rate == 44100
    assert np.array_equal(written, samples)


def test_a_wav_over_4_gb_says_that_its_length_is_unknown():
    assert build_header(WavHeader(F32LE, 48000, 2, 2**30))[-4:] == b"\xff\xff\xff\xff"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_pipe_is_an_error_and_a_closed_reader_is_not(samples):
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(AudioFileError, match="No space left"):
        PipeWriter(full, F32LE, 16000, 2, is_wav=False).write(samples)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb", buffering=0) as gone, pytest.raises(BrokenPipeError):
        PipeWriter(gone, F32LE, 16000, 2, is_wav=True)


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for():
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.write(write_end, b"\x00\x40" * 8)
    os.close(write_end)
    with unbuffered(read_end, "rb") as stream:
        assert os.get_blocking(read_end)
        assert len(drain(PipeReader(stream, RawFormat(8000)))) == 8
    os.close(read_end)
