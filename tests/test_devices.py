"""Which device a name means, and what is said when it means none, two, or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rtdenoise.errors import DeviceError
from rtdenoise.live.devices import DeviceInfo, closed, find_device, opening, refresh_devices


def device(index, name, inputs=2, outputs=2, host_api="ALSA", **more):
    return DeviceInfo(index, name, host_api, inputs, outputs, 48000, **more)


LAPTOP = [
    device(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", inputs=2, outputs=2, is_default_input=True),
    device(1, "HDA Intel PCH: HDMI 0 (hw:0,3)", inputs=0, outputs=8, is_default_output=True),
    device(2, "USB Headset: Audio (hw:1,0)", inputs=1, outputs=2),
    device(3, "USB Webcam: Audio (hw:2,0)", inputs=2, outputs=0),
    device(4, "pulse", inputs=32, outputs=32),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "index"),
    [
        ("mic", "input", 0),
        ("Speakers", "output", 1),
        ("pulse", "output", 4),
        ("PULSE", "input", 4),
        ("headset", "input", 2),
        ("usb", "output", 2),  # the webcam cannot play
        ("hdmi 0", "output", 1),
        (3, "input", 3),
        ("4", "output", 4),
        (" webcam ", "input", 3),
    ],
)
def test_names_parts_and_indices_find_one_device(wanted, kind, index):
    assert find_device(wanted, kind, LAPTOP).index == index


def test_an_exact_name_wins_over_parts_and_over_an_index():
    devices = [device(0, "mixer"), device(1, "mixer two"), device(2, "1")]
    assert find_device("mixer", "input", devices).index == 0
    assert find_device("1", "input", devices).index == 2


@pytest.mark.parametrize(
    ("wanted", "first"), [("head set", "USB Headset"), ("webcan", "USB Webcam"), ("pluse", "pulse")]
)
def test_an_unknown_name_lists_what_there_is_the_closest_first(wanted, first):
    with pytest.raises(DeviceError) as caught:
        find_device(wanted, "input", LAPTOP)
    message = str(caught.value)
    assert message.startswith(f"no input device is called '{wanted}'; there is '{first}")
    assert "HDMI" not in message  # it cannot record
    assert "rtdenoise devices" in message
    assert "\n" not in message


@pytest.mark.parametrize("wanted", ["usb", "audio"])
def test_an_ambiguous_part_lists_the_candidates_only(wanted):
    with pytest.raises(DeviceError, match="could be 2 input devices") as caught:
        find_device(wanted, "input", LAPTOP)
    assert "Headset" in str(caught.value)
    assert "Webcam" in str(caught.value)
    assert "pulse" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "kind"), [(1, "input"), (3, "output"), (99, "input"), (-1, "output"), ("", "input")]
)
def test_an_index_that_cannot_do_it_and_an_empty_name_are_unknown(wanted, kind):
    with pytest.raises(DeviceError, match=f"no {kind} device is called '{wanted}'"):
        find_device(wanted, kind, LAPTOP)


def test_a_long_list_is_cut():
    with pytest.raises(DeviceError, match=r"and 12 more; see `rtdenoise devices`"):
        find_device("nothing like it", "input", [device(i, f"card {i}") for i in range(20)])


def test_no_default_device_asks_for_a_name():
    with pytest.raises(DeviceError, match="no default output device; there is 'pulse' "):
        find_device("speakers", "output", LAPTOP[4:])


def test_no_device_at_all_says_what_to_start_and_what_works_without():
    for devices, kind in (([], "input"), ([device(0, "HDMI", inputs=0)], "input"), ([LAPTOP[3]], "output")):
        with pytest.raises(DeviceError, match=f"no sound device for {kind}: start the sound server"):
            find_device("pulse", kind, devices)


def test_windows_lists_a_device_once_per_host_api_and_one_of_them_is_meant():
    apis = ["MME", "Windows DirectSound", "Windows WASAPI", "Windows WDM-KS"]
    devices = [
        device(i, "Microphone (USB Headset)"[: 23 if api == "MME" else None], host_api=api)
        for i, api in enumerate(apis)
    ]
    assert find_device("headset", "input", devices).host_api == "Windows WASAPI"
    assert find_device("Microphone (USB Headset)", "input", devices).host_api == "Windows WASAPI"
    assert find_device(0, "input", devices).host_api == "MME"
    assert find_device("headset", "input", devices[3:]).host_api == "Windows WDM-KS"


def run_python(code, **environment):
    """Run ``code`` where no sound server can be reached."""
    environment = {name: value for name, value in os.environ.items() if name != "ALSA_CONFIG_PATH"} | environment
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.path.exists("/dev/snd"), reason="this machine has sound hardware"
)
def test_without_a_sound_server_the_list_is_empty_and_finding_says_so(tmp_path):
    done = run_python(
        "from rtdenoise.live.devices import list_devices, find_device\n"
        "print(list_devices())\n"
        "try: find_device('mic', 'input')\n"
        "except Exception as error: print(type(error).__name__, error)\n",
        PULSE_SERVER="unix:/nowhere",
        XDG_RUNTIME_DIR=str(tmp_path),
    )
    assert done.stdout.splitlines()[0] == "[]"
    assert done.stdout.splitlines()[1].startswith("DeviceError there is no sound device for input: start the sound")


def test_without_the_portaudio_library_it_is_named_with_the_command_that_installs_it():
    done = run_python(
        "import ctypes.util\n"
        "ctypes.util.find_library = lambda name: None\n"
        "import sys; sys.modules['_sounddevice_data'] = None\n"
        "from rtdenoise.live.devices import list_devices\n"
        "try: list_devices()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    assert done.stdout.startswith("DeviceError live sound needs the PortAudio library, which is not there"), done
    assert "install" in done.stdout


def test_a_sound_system_that_does_not_start_again_is_a_device_error(monkeypatch):
    sounddevice = pytest.importorskip("sounddevice", exc_type=OSError)

    def fail():
        raise sounddevice.PortAudioError("Internal PortAudio error", -9986)

    with monkeypatch.context() as patched:
        patched.setattr(sounddevice, "_initialize", fail)
        with pytest.raises(DeviceError, match=r"cannot be started .*is it running"):
            refresh_devices()
    sounddevice._initialize()
    stream = object()
    with opening(stream):
        pass
    monkeypatch.setattr(sounddevice, "_terminate", fail)
    refresh_devices()  # not while a stream is open
    closed(stream)


def test_a_sound_system_that_does_not_answer_is_a_device_error(monkeypatch):
    sounddevice = pytest.importorskip("sounddevice", exc_type=OSError)

    def fail(*_):
        raise sounddevice.PortAudioError("Internal PortAudio error", -9986)

    monkeypatch.setattr(sounddevice, "query_devices", fail)
    with pytest.raises(DeviceError, match="cannot be asked for its devices"):
        find_device("mic", "input")
