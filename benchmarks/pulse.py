"""A PulseAudio server of our own for tests and measurements, and what plays into it and records from it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

SCRIPT = Path(__file__).parent / "sound_server.sh"
NEEDED = ["pulseaudio", "pactl", "parec", "pacat"]


def why_not() -> str | None:
    """Why no server can run here, or None."""
    if not sys.platform.startswith("linux"):
        return "PulseAudio is started on Linux only"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        return (
            f"{', '.join(missing)} missing; "
            "apt-get install --no-install-recommends pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"
        )
    return None


class Server:
    """A running server; ``environment`` is what a program needs to find it."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.folder = Path(tempfile.mkdtemp(prefix="rtd"))  # short: a socket's path has 108 bytes at most
        self.start()
        self.environment = os.environ | {
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder}/socket",
            "ALSA_CONFIG_PATH": f"{self.folder}/alsa.conf",
        }

    def start(self) -> None:
        """Start it, again if it runs."""
        command = [SCRIPT, "start", self.folder, str(self.rate)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def send_signal(self, number: int) -> None:
        """Stop, continue or kill the server's process."""
        os.kill(int((self.folder / "pid").read_text()), number)

    def stop(self) -> None:
        """End the server and leave nothing behind."""
        subprocess.run([SCRIPT, "stop", self.folder], timeout=60, check=True)
        shutil.rmtree(self.folder)

    def start_playing(self, samples: np.ndarray, sink: str) -> None:
        """Begin to play (n,) float32 into a sink, from the server's own memory: no client can be late."""
        soundfile.write(self.folder / "sound.wav", samples, self.rate, subtype="FLOAT")
        self.pactl("upload-sample", str(self.folder / "sound.wav"), "sound")
        self.pactl("play-sample", "sound", sink)

    def play(self, samples: np.ndarray, sink: str) -> None:
        """Play (n,) float32 into a sink, however long, and return when it is over."""
        target = self.folder / "sound.raw"
        samples.astype(np.float32).tofile(target)
        command = ["pacat", "--raw", "--format=float32le", "--channels=1", f"--rate={self.rate}", f"--device={sink}"]
        with target.open("rb") as file:
            limit = 60 + len(samples) / self.rate
            subprocess.run(
                [*command, "--latency-msec=500"], stdin=file, env=self.environment, timeout=limit, check=True
            )

    def wait_for_silence(self) -> None:
        """Return when all that `start_playing` began is over; nothing can end it before."""
        deadline = time.monotonic() + 60
        while "play-memblockq" in self.pactl("list", "short", "sink-inputs") and time.monotonic() < deadline:
            time.sleep(0.1)

    def modules(self) -> str:
        """What is loaded, a line each."""
        return self.pactl("list", "short", "modules")

    def pactl(self, *arguments: str) -> str:
        """What `pactl` with these arguments prints."""
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, timeout=30, check=True
        ).stdout

    @contextlib.contextmanager
    def recording(self, source: str, channels: int = 1) -> Iterator[list[np.ndarray]]:
        """Record while the block runs; at its end the list holds one array, (n, channels) float32."""
        arguments = ["--raw", "--format=float32le", f"--channels={channels}", f"--rate={self.rate}"]
        target, recorded = self.folder / f"{source}.recording", []
        with target.open("wb") as file:
            process = subprocess.Popen(
                ["parec", *arguments, "--latency-msec=50", f"--device={source}"], stdout=file, env=self.environment
            )
            with contextlib.suppress(OSError):  # a recorder that is starved hears nothing
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(5))
            deadline = time.monotonic() + 10
            while not target.stat().st_size and time.monotonic() < deadline:
                time.sleep(0.02)
            try:
                yield recorded
            finally:
                time.sleep(0.3)  # what it has not been handed yet
                process.terminate()
                process.wait(timeout=10)
        samples = np.fromfile(target, np.float32)
        recorded.append(samples[: len(samples) // channels * channels].reshape(-1, channels))
