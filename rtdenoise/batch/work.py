"""One file of many: what every process and every machine of a cluster does, and what it says about it afterwards."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import ModelError, RtdenoiseError
from ..files.audio_file import FileReader, FileWriter, check_different
from ..files.convert import convert
from ..files.full_disk import NotWrittenError
from ..model import Model
from .folders import open_folder
from .levels import HeardReader, HeardWriter


@dataclass(frozen=True)
class Wishes:
    """What is meant for all files.

    Attributes:
        source, target: folders or URLs.
        model: name or path.
        digest: SHA-256 of the model's file in hex, so that all machines have the same.
        attenuation_limit_db, overlap: see `engine.Denoiser`.
    """

    source: str
    target: str
    model: str
    digest: str
    attenuation_limit_db: float | None
    overlap: float | None


@dataclass(frozen=True)
class Task:
    """One file to do.

    Attributes:
        name: its path below the folder, with ``/``.
        size: in bytes.
        stamp: what changes when the file does: its modification time, or what a store has for that.
    """

    name: str
    size: int
    stamp: str


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        name: of the file.
        facts: what was measured: seconds, rates, levels; empty where it failed.
        fault: why it failed, or ``None``.
        is_final: the reason would meet every other file too, such as a full disk: stop.
    """

    name: str
    facts: dict[str, Any]
    fault: str | None = None
    is_final: bool = False


#: What an engine yields: outcomes, and in between names of files with the share that is done, 0 to 1.
Events = Generator[Outcome | tuple[str, float], None, None]


def digest_of(model: Model) -> str:
    """SHA-256 of a model's file, in hex."""
    return hashlib.sha256(model.path.read_bytes()).hexdigest()


@lru_cache(maxsize=4)
def load_model(model: str, digest: str) -> Model:
    """The model, once in a process.

    Raises:
        ModelError: it is not here, or another one than where the work was given out.
    """
    loaded = Model.load(model)
    if digest_of(loaded) != digest:
        raise ModelError(
            f"the model {model} is another one where the files are denoised ({loaded.path}); "
            "install the same rtdenoise there, or copy the model's file"
        )
    return loaded


def denoise_file(task: Task, wishes: Wishes, tell: Callable[[float], None] = lambda share: None) -> Outcome:
    """Do what ``rtdenoise --input FILE --output FILE`` does, and measure.

    Args:
        task: the file.
        wishes: what is meant for all.
        tell: called about every second of sound with the share that is done, 0 to 1.

    Returns:
        What became of it; nothing that is wrong with a file is raised.
    """
    try:
        model = load_model(wishes.model, wishes.digest)
    except RtdenoiseError as error:
        return Outcome(task.name, {}, str(error), is_final=True)
    try:
        return Outcome(task.name, _denoise(task, wishes, model, tell))
    except NotWrittenError as error:
        return Outcome(task.name, {}, str(error), is_final=True)
    except RtdenoiseError as error:
        return Outcome(task.name, {}, str(error))
    except Exception as error:
        return Outcome(task.name, {}, f"unexpected {type(error).__name__}: {error}".split("\n")[0])


def _denoise(task: Task, wishes: Wishes, model: Model, tell: Callable[[float], None]) -> dict[str, Any]:
    begun = time.perf_counter()
    source, target = open_folder(wishes.source), open_folder(wishes.target)
    with source.reading(task.name) as noisy, target.writing(task.name) as clean:
        check_different(noisy, clean)
        with contextlib.closing(HeardReader(FileReader(noisy))) as reader:
            rate, seconds = reader.sample_rate, (reader.frames or 0) / reader.sample_rate
            writer = HeardWriter(FileWriter(clean, rate, reader.channels, like=reader.subtype, force=True))
            stats = convert(
                reader,
                writer,
                model=model,
                attenuation_limit_db=wishes.attenuation_limit_db,
                overlap=wishes.overlap,
                progress=lambda done: tell(min(1.0, done / seconds)),
            )
        made = clean.stat().st_size
    before, after = reader.loudness, writer.loudness
    return {
        "made": made,
        "seconds": round(stats.samples_in / rate, 3),
        "sample_rate": rate,
        "channels": reader.channels,
        "active_before_db": round(before.active_db, 1),
        "active_after_db": round(after.active_db, 1),
        "peak_before_db": round(before.peak_db, 1),
        "peak_after_db": round(after.peak_db, 1),
        "reduction_db": round(before.level_db - after.level_db, 1),
        "took_seconds": round(time.perf_counter() - begun, 3),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
