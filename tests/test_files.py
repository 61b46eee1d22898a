"""Sound files: every format, its depth, its length; and never half a file under the final name."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import COMMAND, interrupt, refused, run, start

import rtdenoise
from rtdenoise.errors import AudioFileError, ParameterError
from rtdenoise.files.audio_file import Discard, FileReader, FileWriter, Limited, best_subtype
from rtdenoise.files.convert import convert
from rtdenoise.files.suffixes import FORMAT_BY_SUFFIX

LOSSY = (".ogg", ".oga", ".opus", ".mp3")


@pytest.fixture
def speech(tmp_path, speechlike) -> Path:
    """Two seconds at 16 kHz, stereo, 24 bits."""
    samples = np.stack([speechlike(32000, seed=1), 0.5 * speechlike(32000, seed=2)], axis=1)
    soundfile.write(tmp_path / "speech.wav", samples, 16000, subtype="PCM_24")
    return tmp_path / "speech.wav"


@pytest.mark.parametrize("suffix", FORMAT_BY_SUFFIX)
def test_every_format_keeps_rate_channels_and_length(tmp_path, speech, leaky, suffix):
    out = tmp_path / f"out{suffix}"
    reader = FileReader(speech)
    convert(reader, FileWriter(out, reader.sample_rate, reader.channels, like=reader.subtype), model=leaky)
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.frames) == (16000, 2, 32000)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    if suffix not in LOSSY:
        assert info.subtype == "PCM_24"
        expected = rtdenoise.denoise(soundfile.read(speech, dtype="float32")[0], 16000, leaky)
        assert np.abs(soundfile.read(out)[0] - expected).max() <= 2.0**-24


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_aligned_to_the_sample_at_any_rate(tmp_path, identity, sample_rate):
    """With a model that changes nothing, the output is the input: no shift, no lost tail, no gain."""
    time = np.arange(sample_rate // 2 + 77) / sample_rate
    samples = sum(np.sin(2 * np.pi * f * time + f) / 9 for f in (97, 311, 733, 1291, 2477)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", samples, sample_rate, subtype="FLOAT")
    reader = FileReader(tmp_path / "in.wav")
    convert(reader, FileWriter(tmp_path / "out.wav", sample_rate, 1, like="FLOAT"), model=identity)
    out, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (rate, len(out)) == (sample_rate, len(samples))
    native = sample_rate in (8000, 48000)
    edge = sample_rate // 100  # a resampler rings where the signal begins and ends out of nothing
    assert np.abs(out - samples)[edge:-edge].max() < (1e-6 if native else 1e-3)
    assert np.abs(out - samples).max() < 0.1


@pytest.mark.parametrize(
    ("audio_format", "like", "expected"),
    [
        ("WAV", "PCM_U8", "PCM_U8"),
        ("FLAC", "PCM_U8", "PCM_S8"),
        ("FLAC", "PCM_S8", "PCM_S8"),
        ("WAV", "PCM_S8", "PCM_U8"),
        ("FLAC", "PCM_32", "PCM_24"),
        ("FLAC", "FLOAT", "PCM_24"),
        ("AIFF", "FLOAT", "FLOAT"),
        ("WAV", "DOUBLE", "DOUBLE"),
        ("CAF", "ALAC_24", "ALAC_24"),
        ("WAV", "ALAC_24", "PCM_24"),
        ("WAV", "ULAW", "ULAW"),
        ("FLAC", "ULAW", "PCM_16"),
        ("WAV", "MPEG_LAYER_III", "PCM_16"),
        ("WAV", "IMA_ADPCM", "PCM_16"),
        ("OGG", "OPUS", "OPUS"),
        ("OGG", "PCM_24", "VORBIS"),
        ("WAV", None, "PCM_16"),
    ],
)
def test_depth_is_kept_where_the_format_can_hold_it(audio_format, like, expected):
    assert best_subtype(audio_format, like, None) == expected


def test_loud_float_files_are_not_clipped(tmp_path, identity):
    samples = (8 * np.sin(np.arange(4000) / 7)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", samples, 16000, subtype="FLOAT")
    convert(FileReader(tmp_path / "in.wav"), FileWriter(tmp_path / "out.wav", 16000, 1, like="FLOAT"), model=identity)
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0] - samples).max() < 1e-4


def test_nan_and_infinity_in_a_file_do_no_harm(tmp_path, leaky):
    samples = np.full(4000, 0.1, np.float32)
    samples[[100, 200, 300]] = np.nan, np.inf, 1e30
    soundfile.write(tmp_path / "in.wav", samples, 16000, subtype="FLOAT")
    convert(FileReader(tmp_path / "in.wav"), FileWriter(tmp_path / "out.wav", 16000, 1, like="FLOAT"), model=leaky)
    out = soundfile.read(tmp_path / "out.wav")[0]
    assert len(out) == 4000
    assert np.isfinite(out).all()


def test_duration_takes_the_beginning(tmp_path, speech, leaky):
    convert(Limited(FileReader(speech), 0.5), FileWriter(tmp_path / "o.wav", 16000, 2), model=leaky)
    expected = rtdenoise.denoise(soundfile.read(speech, dtype="float32", frames=8000)[0], 16000, leaky)
    out = soundfile.read(tmp_path / "o.wav")[0]
    assert out.shape == (8000, 2)
    assert np.abs(out - expected).max() < 1e-4


def test_progress_and_counters_tell_what_was_done(speech, leaky):
    seen: list[float] = []
    stats = convert(FileReader(speech), Discard(16000, 2), model=leaky, progress=seen.append)
    assert seen == [1.0, 2.0]
    assert (stats.samples_in, stats.samples_out, stats.hops) == (32000, 32000, 250)
    assert stats.load.maximum > 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.wav", None, "No such file"),
        ("empty.wav", b"", "empty (0 bytes)"),
        ("text.wav", b"this is a letter, not a sound\n" * 9, "no audio file"),
        ("headerless.raw", b"\0" * 99, "no audio file"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioFileError) as caught:
        FileReader(tmp_path / name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(AudioFileError, match="directory"):
        FileReader(tmp_path)


def test_no_permission_to_read(speech):
    speech.chmod(0)
    root = os.geteuid() == 0
    if root:  # whom nothing is forbidden
        os.seteuid(65534)
    try:
        with pytest.raises(AudioFileError, match="Permission denied; check the path"):
            FileReader(speech)
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(("sample_rate", "frames", "message"), [(1000, 9, "1000 Hz"), (16000, 0, "no samples")])
def test_headers_that_make_no_sense(tmp_path, sample_rate, frames, message):
    soundfile.write(tmp_path / "x.wav", np.zeros(frames), sample_rate)
    with pytest.raises(AudioFileError, match=message):
        FileReader(tmp_path / "x.wav")


@pytest.mark.parametrize(("place", "value", "message"), [(24, 10_000_000, "10000000 Hz"), (22, 0, "no audio file")])
def test_headers_with_an_absurd_rate_or_no_channel(tmp_path, speech, place, value, message):
    data = bytearray(speech.read_bytes())
    data[place : place + (4 if place == 24 else 2)] = value.to_bytes(4 if place == 24 else 2, "little")
    speech.write_bytes(data)
    with pytest.raises(AudioFileError, match=message):
        FileReader(speech)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_24"), ("wav", "FLOAT"), ("aiff", "PCM_16"), ("au", "ULAW")]
)
def test_a_file_that_was_not_copied_to_its_end(tmp_path, speechlike, suffix, subtype):
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, speechlike(16000, 16000, 0), 16000, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioFileError, match=r"x.\w+ is cut off: its header says 1\.0 s, and 0\.5 s are"):
        FileReader(path)
    path.write_bytes(whole[:-40])  # as after programs that count their header among the samples
    assert FileReader(path).frames < 16000


@pytest.mark.parametrize("said", [0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_that_programs_invent_are_not_believed(tmp_path, said):
    soundfile.write(tmp_path / "x.wav", np.zeros(16000), 16000)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data[40:44] = said.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(data)
    assert FileReader(tmp_path / "x.wav").frames == 16000


def test_a_file_that_is_damaged_in_the_middle(tmp_path, speechlike, leaky):
    soundfile.write(tmp_path / "x.flac", speechlike(160000), 16000)
    data = bytearray((tmp_path / "x.flac").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20000] = bytes(20000)
    (tmp_path / "x.flac").write_bytes(data)
    with pytest.raises(AudioFileError, match=r"damaged \d+\.\d s after its start"):
        convert(FileReader(tmp_path / "x.flac"), FileWriter(tmp_path / "out.wav", 16000, 1), model=leaky)
    assert [path.name for path in tmp_path.iterdir()] == ["x.flac"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("out", ParameterError, "has no suffix.*[.]wav .*[.]flac"),
        ("out.m4a", ParameterError, "'.m4a'.*[.]wav .*[.]flac"),
        ("no/where/out.wav", AudioFileError, "there is no folder .*no/where"),
        ("speech.wav", AudioFileError, "exists and was left as it is; --force"),
        ("folder.wav", AudioFileError, "not a regular file"),
    ],
)
def test_names_that_cannot_be_written(tmp_path, speech, name, error, message):
    (tmp_path / "folder.wav").mkdir()
    before = speech.read_bytes()
    with pytest.raises(error, match=message):
        FileWriter(tmp_path / name, 16000, 1)
    assert speech.read_bytes() == before


def test_a_format_that_cannot_hold_the_rate(tmp_path):
    with pytest.raises(AudioFileError, match=r"OPUS cannot hold 1 channels at 44100 Hz; take .wav"):
        FileWriter(tmp_path / "out.opus", 44100, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder where nobody may write")
def test_a_folder_that_takes_no_files():
    with pytest.raises(AudioFileError, match=r"cannot be written: .*; choose a folder that you may write to"):
        FileWriter("/proc/self/out.wav", 16000, 1)


def test_nothing_appears_before_close_and_nothing_after_abort(tmp_path):
    writer = FileWriter(tmp_path / "out.wav", 16000, 1)
    writer.write(np.zeros((100, 1), np.float32))
    assert not (tmp_path / "out.wav").exists()
    writer.abort()
    writer.abort()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_only_at_the_end_and_keeps_mode_and_link(tmp_path, speech):
    speech.chmod(0o640)
    (tmp_path / "link.wav").symlink_to(speech)
    before = speech.read_bytes()
    writer = FileWriter(tmp_path / "link.wav", 16000, 1, force=True)
    writer.write(np.zeros((100, 1), np.float32))
    assert speech.read_bytes() == before
    writer.close()
    assert (tmp_path / "link.wav").is_symlink()
    assert soundfile.info(speech).frames == 100
    assert speech.stat().st_mode & 0o777 == 0o640


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path):
    writer = FileWriter(tmp_path / "out.wav", 16000, 1)
    (tmp_path / "out.wav").write_bytes(b"somebody else's")
    with pytest.raises(AudioFileError, match="exists"):
        writer.close()
    assert (tmp_path / "out.wav").read_bytes() == b"somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("limit", [0, 100, 20000, 150000])
@pytest.mark.parametrize("suffix", FORMAT_BY_SUFFIX)
def test_a_full_disk_leaves_nothing(tmp_path, suffix, limit):
    """RLIMIT_FSIZE refuses bytes as a full disk does; at whatever byte it happens, the end is the same."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (160000, 1)).astype(np.float32)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    message = ""
    try:
        writer = FileWriter(tmp_path / f"out{suffix}", 16000, 1)
        try:
            for first in range(0, len(noise), 16000):
                writer.write(noise[first : first + 16000])
            writer.close()
        finally:
            writer.abort()
    except AudioFileError as error:
        message = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    if message:
        assert "could not be written" in message
        assert "make room" in message
        assert "\n" not in message
        assert list(tmp_path.iterdir()) == []
    else:  # small enough, and then it is whole
        assert suffix in LOSSY
        assert len(soundfile.read(tmp_path / f"out{suffix}")[0]) == 160000


@pytest.fixture
def long_take(tmp_path) -> Path:
    """Long enough to be caught in the middle: ten minutes of two channels."""
    soundfile.write(tmp_path / "long.wav", np.zeros((16000 * 600, 2), np.int16), 16000)
    return tmp_path / "long.wav"


def wait_for_part(folder: Path, process) -> Path:
    for _ in range(1000):
        for path in folder.glob(".out.*.part"):
            if path.stat().st_size > 100000:
                return path
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("no temporary file appeared")


def test_killed_in_the_middle_leaves_nothing_under_the_final_name(tmp_path, long_take, leaky):
    process = start("--input", long_take, "--output", tmp_path / "out.wav", "--model", leaky.path)
    wait_for_part(tmp_path, process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_in_the_middle_leaves_nothing_at_all(tmp_path, long_take, leaky, number):
    (tmp_path / "out.wav").write_bytes(b"the old one")
    process = start("--input", long_take, "--output", tmp_path / "out.wav", "--model", leaky.path, "--force")
    wait_for_part(tmp_path, process)
    outcome = interrupt(process, number)
    assert outcome.code == 130
    assert "nothing was kept" in outcome.err
    assert "Traceback" not in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.wav", "out.wav"]
    assert (tmp_path / "out.wav").read_bytes() == b"the old one"


def test_input_is_never_the_output_through_whatever_links(tmp_path, speech, leaky):
    (tmp_path / "soft.wav").symlink_to(speech)
    (tmp_path / "hard.wav").hardlink_to(speech)
    before = speech.read_bytes()
    for other in ("speech.wav", "soft.wav", "hard.wav"):
        outcome = run("--input", speech, "--output", tmp_path / other, "--force", "--model", leaky.path)
        refused(outcome, 2, "the same file", "give the output another name")
    assert speech.read_bytes() == before


def test_a_bar_is_drawn_on_a_terminal_only(tmp_path, long_take, leaky):
    pty = pytest.importorskip("pty")
    arguments = ["--input", long_take, "--output", "none", "--duration", "30", "--model", leaky.path]
    quiet = run(*arguments)
    assert quiet.code == 0
    assert len(quiet.err.splitlines()) == 2
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=theirs, env=os.environ | {"TERM": "xterm"})
    os.close(theirs)
    drawn = b""
    try:
        while piece := os.read(ours, 4096):
            drawn += piece
    except OSError:  # Linux says EIO at the end of a terminal
        pass
    assert process.wait(timeout=30) == 0
    assert b"denoising" in drawn
    assert b"100%" in drawn
