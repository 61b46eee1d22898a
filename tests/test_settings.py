"""Settings are options that stay: same names, same checks, less than the command line, and no surprise for files."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
import soundfile
from command_line import interrupt, refused, run, start
from real_server import needs_server, start_server

from rtdenoise.cli import _run, cli
from rtdenoise.commands import settings
from rtdenoise.commands.reporter import Reporter

GOOD = """
input = "Blue Yeti"
output = "virtual-mic"
model = "unet8k"
attenuation-limit = 18      # dB
latency = 40
on-device-loss = "exit"
record-output = "calls.flac"
"""


@pytest.fixture
def toml(tmp_path, monkeypatch):
    """``toml(text)``: the file where it is looked for, in a home and folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "default_path", lambda: tmp_path / "rtdenoise.toml")

    def write(text) -> Path:
        (tmp_path / "rtdenoise.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "rtdenoise.toml"

    return write


def options(*arguments) -> dict:
    """What the main job would get."""
    context = cli.make_context("rtdenoise", list(arguments), obj=Reporter(-1))
    return context.params | settings.of_this_run(context)


def test_every_setting_is_an_option_of_that_name():
    names = {option.opts[0] for option in cli.params}
    assert {f"--{key}" for key in settings.KEYS} <= names


def test_without_a_file_everything_is_as_before(toml):
    assert options() == cli.make_context("rtdenoise", []).params


def test_what_the_file_says_counts_and_the_command_line_more(toml):
    toml(GOOD)
    said = options("--latency", "high", "--model", "stream")
    assert (said["source"], said["target"]) == ("Blue Yeti", "virtual-mic")
    assert (said["model"], said["latency"], said["attenuation_limit"]) == ("stream", "high", 18.0)
    assert (said["on_device_loss"], said["record_output"]) == ("exit", "calls.flac")
    assert options()["latency"] == 40.0
    assert options("--input", "mic", "--output", "speakers")["latency"] == 40.0


def test_a_default_that_is_typed_is_typed(toml):
    toml(GOOD)
    assert options("--latency", "low")["latency"] == "low"


def test_another_file_and_none(toml, tmp_path):
    toml(GOOD)
    (tmp_path / "other.toml").write_text('model = "other"')
    assert options("--config", "other.toml")["model"] == "other"
    assert options("--config", "other.toml")["source"] is None
    assert options("--config", "")["model"] == "stream"


@pytest.mark.parametrize(
    "ends",
    [("in.wav", "out.wav"), ("-", "none"), ("in.wav", None), (None, "-"), (None, "none"), ("-", None), (None, "a.wav")],
)
def test_files_and_pipes_get_no_device_and_nothing_that_is_for_live_sound(toml, ends):
    toml(GOOD)
    arguments = [word for end, name in zip(("--input", "--output"), ends, strict=True) if name for word in (end, name)]
    said = options(*arguments)
    assert (said["source"], said["target"]) == ends
    assert (said["latency"], said["on_device_loss"], said["record_output"]) == ("low", "wait", None)
    assert (said["model"], said["attenuation_limit"]) == ("unet8k", 18.0)


@pytest.mark.parametrize("ends", [("mic", "out.wav"), ("in.wav", "speakers"), ("virtual-speakers", "-")])
def test_a_device_and_a_file_are_live(toml, ends):
    toml(GOOD)
    said = options("--input", ends[0], "--output", ends[1])
    assert (said["source"], said["target"]) == ends
    assert (said["latency"], said["on_device_loss"], said["record_output"]) == (40.0, "exit", "calls.flac")


def test_one_device_is_completed_by_the_other(toml):
    toml(GOOD)
    assert options("--input", "mic")["target"] == "virtual-mic"
    assert options("--output", "speakers")["source"] == "Blue Yeti"


def test_a_recording_of_the_settings_is_a_new_one_each_time(toml, tmp_path):
    toml(GOOD)
    (tmp_path / "calls.flac").touch()
    (tmp_path / "calls-2.flac").touch()
    assert options()["record_output"] == str(Path("calls-3.flac"))
    assert options("--record-output", "calls.flac")["record_output"] == "calls.flac"


def test_a_user_without_a_home_has_no_settings(monkeypatch):
    """As in a container, for a user whom the system does not know."""
    pwd = pytest.importorskip("pwd")

    def nobody(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert settings.default_path() is None
    assert options()["model"] == "stream"


def test_a_home_is_found(toml, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    toml('model = "~/my.onnx"')
    if sys.platform != "win32":
        assert options()["model"] == "/home/me/my.onnx"


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ('inptu = "mic"', ["there is no setting 'inptu' (did you mean 'input'?); settings are input, output, model"]),
        ("attenuation_limit = 6", ["'attenuation_limit' (did you mean 'attenuation-limit'?)"]),
        ("colour = 6", ["there is no setting 'colour'; settings are input"]),
        ("force = true", ["force is for one run, so it is no setting: give --force on the command line"]),
        ("[live]\nlatency = 40", ["there are no sections such as [live]"]),
        ("latency = true", ["latency = true: text in quotes or a number is needed, as after --latency"]),
        ("latency = 40\nmodel = 3", ["model = 3: text in quotes is needed"]),
        ('input = ["mic"]', ['input = ["mic"]: text in quotes is needed']),
        ("input = 2024-01-01", ['input = "2024-01-01": text in quotes is needed']),
        (
            'latency = "lowest"',
            ["latency = \"lowest\": 'lowest' is neither low, high, nor milliseconds from 1"],
        ),
        ("latency = 0", ["latency = 0: '0' is neither low, high"]),
        ("attenuation-limit = -3", ["attenuation-limit = -3: '-3' is not a number of decibels from 0 up"]),
        ("attenuation-limit = nan", ["'nan' is not a number of decibels"]),
        ('on-device-loss = "stop"', ["on-device-loss = \"stop\": 'stop' is not one of 'wait', 'exit'"]),
        ('input = "speakers"', ["--input speakers: that is an output"]),
        ('output = "clean.wav"', ['output = "clean.wav" is no sound device; settings name devices only', "--output"]),
        ('input = "-"', ['input = "-" is no sound device']),
        ('output = "none"', ['output = "none" is no sound device']),
        ('input = ""', ["an empty name is no input"]),
        ('latency = 40\nlatency "low"', ["is no TOML", "line 2, column 9"]),
        ("latency = 40\nlatency = 50", ["is no TOML", "Cannot overwrite a value"]),
        (b'input = "\xff"', ["is no TOML", "utf-8"]),
    ],
)
def test_what_is_wrong_is_said_in_a_line(toml, capsys, text, fragments):
    path = toml(text)
    assert _run([], Reporter()) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for fragment in (str(path), *fragments):
        assert fragment in err


def test_a_file_that_cannot_be_read(toml, tmp_path, capsys):
    (tmp_path / "rtdenoise.toml").mkdir()
    assert _run([], Reporter()) == 2
    assert "cannot be read: Is a directory; --config names another" in capsys.readouterr().err
    assert _run(["--config", "absent.toml"], Reporter()) == 2
    assert "settings absent.toml cannot be read: No such file" in capsys.readouterr().err


def test_other_commands_run_whatever_is_in_the_file(toml, capsys):
    toml("what = is this")
    assert _run(["models"], Reporter()) == 0
    assert _run(["config", "path"], Reporter()) == 0
    assert _run(["config", "show"], Reporter()) == 2
    assert _run(["--config", "a.toml", "models"], Reporter()) == 2
    assert "--config does not go with 'models'" in capsys.readouterr().err


def test_show_tells_where_each_comes_from(toml, capsys):
    path = toml(GOOD)
    assert _run(["--latency", "high", "config", "show"], Reporter()) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    shown = {row[0]: (row[1:-1], row[-1].strip()) for row in ([part for part in row if part] for row in rows)}
    assert [row[0] for row in rows] == list(settings.KEYS)
    assert shown["latency"][1] == "command line"
    assert shown["input"][1] == str(path)
    assert shown["record-input"][1] == "default"
    assert _run(["--latency", "high", "config", "show", "--json"], Reporter()) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["path"], report["exists"]) == (str(path), True)
    assert report["settings"]["attenuation-limit"] == {"value": 18.0, "origin": str(path)}
    assert report["settings"]["latency"] == {"value": "high", "origin": "command line"}
    assert report["settings"]["record-input"] == {"value": None, "origin": "default"}


def test_path_is_on_standard_output_and_the_rest_for_people(toml, tmp_path, capsys):
    path = tmp_path / "rtdenoise.toml"
    for exists in (False, True):
        assert _run(["config", "path"], Reporter()) == 0
        out, err = capsys.readouterr()
        assert out == f"{path}\n"
        assert ("there is no such file yet" in err) == (not exists)
        assert _run(["config", "path", "--json"], Reporter()) == 0
        assert json.loads(capsys.readouterr().out) == {"path": str(path), "exists": exists}
        toml(GOOD)
    assert _run(["--config", "", "config", "path"], Reporter()) == 0
    assert "no settings are read" in capsys.readouterr().err


def test_the_page_shows_settings_that_exist(toml, capsys):
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    toml(example)
    said = options()
    assert None not in (said["source"], said["target"], said["attenuation_limit"])
    assert all(f"`{key}`" in page for key in settings.KEYS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder is another elsewhere")
def test_the_folder_is_that_of_the_platform(tmp_path):
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    expected = tmp_path / "rtdenoise" / "rtdenoise.toml"
    outcome = run("config", "path", env=environment)
    assert (outcome.code, outcome.out.decode()) == (0, f"{expected}\n")
    expected.parent.mkdir()
    expected.write_text('modle = "stream"')
    refused(run(env=environment), 2, str(expected), "did you mean 'model'?")
    assert run("models", env=environment).code == 0


def test_a_file_is_denoised_with_the_model_of_the_settings(tmp_path, leaky, speechlike):
    soundfile.write(tmp_path / "in.wav", speechlike(4000), 16000)
    (tmp_path / "my.toml").write_text(f'model = {json.dumps(str(leaky.path))}\noutput = "virtual-mic"\nlatency = 40')
    arguments = ["--config", tmp_path / "my.toml", "--input", tmp_path / "in.wav"]
    assert "model tiny 1.0" in run(*arguments, "--output", "none").err
    refused(run(*arguments), 2, "--output is missing")


@pytest.mark.live
@needs_server
def test_with_both_ends_in_the_settings_the_name_alone_starts_it(tmp_path, leaky):
    (tmp_path / "rtdenoise").mkdir()
    (tmp_path / "rtdenoise" / "rtdenoise.toml").write_text(
        f'input = "fake microphone"\noutput = "fake speakers"\nmodel = {json.dumps(str(leaky.path))}\nlatency = 60\n'
    )
    server = start_server()
    try:
        running = start(env=server.environment | {"XDG_CONFIG_HOME": str(tmp_path)})
        line = running.stderr.readline().decode()
        assert "fake microphone -> fake speakers" in line
        assert "model tiny" in line
        time.sleep(0.3)
        assert interrupt(running).code == 130
    finally:
        server.stop()
