"""Records what comes in and what goes out into files, beside the running sound.

The audio threads only copy into rings; a thread writes. It could be a process of its own, but needs none: four times a
second it is awake for about a millisecond, nearly all of it inside numpy and libsndfile, where other threads of Python
run, and a disk that hangs, hangs it alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from ..errors import AudioFileError
from ..files.recording import check_recording, free_name, open_recording
from .track import Tap, Track

_PERIOD_SECONDS = 0.25
_PATIENCE_SECONDS = 5.0  # at the end, with a disk that does not answer


class Recorder:
    """Switches recording on and off; names its files.

    Args:
        input_path: record what comes in to this ``.wav`` or ``.flac``, from the start on.
        output_path: the same for what goes out. Without either, both are recorded when `toggle` asks for it, into
            files of the current folder that are named by the time.
        force: replace existing files of these names.

    Raises:
        ParameterError, AudioFileError: see `files.recording.check_recording`.

    Attributes:
        input: the tap before the engine, to be fed by whatever has the samples.
        output: the one behind it.
        finished: what was recorded before, in types that JSON knows.
    """

    def __init__(
        self, input_path: str | Path | None = None, output_path: str | Path | None = None, *, force: bool = False
    ) -> None:
        self.input, self.output = Tap(), Tap()
        self.finished: list[dict[str, Any]] = []
        given = {"input": input_path, "output": output_path}
        self._paths = {end: Path(path) for end, path in given.items() if path is not None}
        self._force = force
        self._begun = False  # ever
        self._current: _Recording | None = None
        self._news: list[str] = []
        self._lock = threading.RLock()  # of those who switch; no audio thread is among them
        for path in self._paths.values():
            check_recording(path, force=force)

    @property
    def recording(self) -> bool:
        """Whether it runs."""
        current = self._current
        return current is not None and current.failure is None

    def start(self, sample_rate: int, sink_rate: int) -> str:
        """Begin; what comes from now on is recorded.

        Args:
            sample_rate: of what comes in, in Hz.
            sink_rate: of what goes out, in Hz.

        Returns:
            A line for people.

        Raises:
            AudioFileError: a file cannot be made; then there is no recording.
        """
        with self._lock:
            rates = {"input": sample_rate, "output": sink_rate}
            tracks: dict[str, Track] = {}
            try:
                for end, path in self._names().items():
                    file = open_recording(path, rates[end], force=self._force and not self._begun)
                    tracks[end] = Track(file, rates[end], tracks.get("input"))
            except AudioFileError:
                for track in tracks.values():
                    track.file.close()
                raise
            self._begun = True
            self._current = _Recording(tracks)
            self.input.track, self.output.track = tracks.get("input"), tracks.get("output")
            return f"recording to {self._current.names}"

    def stop(self) -> str | None:
        """End it, if there is one, and return a line for people."""
        with self._lock:
            self.input.track = self.output.track = None
            current, self._current = self._current, None
            if current is None:
                return None
            line = current.end()
            self.finished.append(current.as_dict())
            return line

    def toggle(self, sample_rate: int, sink_rate: int) -> str:
        """Stop or start, see there; whatever comes of it is in the line for people."""
        with self._lock:
            try:
                return self.stop() or self.start(sample_rate, sink_rate)
            except AudioFileError as error:
                return f"no recording: {error}"

    def begin(self, sample_rate: int, sink_rate: int) -> None:
        """Sound is about to flow: start, see there, if names were given; `news` tells."""
        if self._paths:
            self._news.append(self.start(sample_rate, sink_rate))

    def go_on(self, sample_rate: int, sink_rate: int) -> None:
        """Sound is about to flow again. A file has one rate, so at other rates the recording ends; `news` tells."""
        with self._lock:
            tracks = {} if self._current is None else self._current.tracks
        rates = {"input": sample_rate, "output": sink_rate}
        if any(track.sample_rate != rates[end] for end, track in tracks.items()):
            self._news.append(f"{self.stop()}; the devices have other rates now")

    def finish(self) -> None:
        """Sound has ended, and with it the recording, whole to the last sample; `news` tells."""
        ended = self.stop()
        if ended is not None:
            self._news.append(ended)

    def news(self) -> list[str]:
        """Lines for people since the last call, that the disk is full for example. To be asked now and then."""
        if self._current is not None and not self.recording:
            self.finish()
        news, self._news = self._news, []
        return news

    def _names(self) -> dict[str, Path]:
        if not self._paths:
            stamp = time.strftime("rtdenoise-%Y%m%d-%H%M%S")
            return {end: free_name(Path(f"{stamp}-{end}.flac")) for end in ("input", "output")}
        if self._begun:  # what was recorded before stays
            return {end: free_name(path) for end, path in self._paths.items()}
        return self._paths


class _Recording:
    """One of them: its tracks, and the thread that writes them."""

    def __init__(self, tracks: dict[str, Track]) -> None:
        self.tracks = tracks
        self.failure: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtdenoise recorder", daemon=True)
        self._thread.start()

    @property
    def names(self) -> str:
        """Of its files."""
        return " and ".join(str(track.file.path) for track in self.tracks.values())

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(track.seconds for track in self.tracks.values())

    @property
    def lost_seconds(self) -> float:
        """How much of it is silence because the disk was too slow."""
        return max(track.lost / track.sample_rate for track in self.tracks.values())

    def end(self) -> str:
        """Write the rest and close; returns a line for people."""
        self._ending.set()
        self._thread.join(_PATIENCE_SECONDS)
        if self._thread.is_alive():
            return f"recording to {self.names} is not complete: the disk does not answer"
        if self.failure is not None:
            return f"recording has ended after {self.seconds:.1f} s: {self.failure}"
        if not self.seconds:
            return "recording ended before any sound came; there is no file"
        lost = f", {self.lost_seconds:.1f} s of it silence as the disk was too slow" if self.lost_seconds else ""
        return f"recording ended: {self.seconds:.1f} s in {self.names}{lost}"

    def as_dict(self) -> dict[str, Any]:
        """What there is to know of it."""
        return {
            **{end: str(track.file.path) for end, track in self.tracks.items()},
            "seconds": round(self.seconds, 3),
            "lost_seconds": round(self.lost_seconds, 3),
            "failure": self.failure,
        }

    def _run(self) -> None:
        try:
            while not self._ending.wait(_PERIOD_SECONDS):
                for track in self.tracks.values():
                    track.drain()
                    track.file.keep()
            for track in self.tracks.values():
                track.finish()
        except AudioFileError as error:
            self.failure = str(error)
        finally:
            for track in self.tracks.values():
                with contextlib.suppress(AudioFileError):
                    track.file.close()
