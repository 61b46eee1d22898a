"""What there is to do: recordings against results, as the journal knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ..errors import AudioFileError, ParameterError
from ..files.suffixes import FORMAT_BY_SUFFIX, LEGAL_SUFFIXES
from .folders import PART, Listing
from .journal import Journal
from .log import NAME
from .work import Task


@dataclass
class Plan:
    """What a run will do.

    Attributes:
        tasks: files to do, the largest first, so that all processes end at about the same time.
        finished: names of files that earlier runs have done.
        faults: files and folders that cannot be done, and why.
        remarks: what people should know before.
        parts: what a killed run has left half-made among the results.
    """

    tasks: list[Task] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)


def choose(listing: Listing, include: tuple[str, ...], exclude: tuple[str, ...], place: str) -> list[Task]:
    """The recordings of a folder, by name.

    Args:
        listing: what lies there.
        include, exclude: patterns of the shell, against the name, or the whole path where they have a ``/``; small and
            large letters are the same, as they are in suffixes.
        place: what the user calls the folder.

    Raises:
        AudioFileError: there are none.
    """
    made = results_of_others(listing)
    chosen = [
        Task(name, *about)
        for name, about in sorted(listing.files.items())
        if PurePosixPath(name).suffix.lower() in FORMAT_BY_SUFFIX
        and not any(part.startswith(".") for part in PurePosixPath(name).parts)
        and not any(name.startswith(f"{folder}/") for folder in made)
        and (not include or _matches(name, include))
        and not _matches(name, exclude)
    ]
    if not chosen and not listing.faults:
        other = f"{len(listing.files)} other files" if listing.files else "no files at all"
        picked = " that --include and --exclude leave" if include or exclude else ""
        raise AudioFileError(f"{place} has no recordings{picked}, {other}; recordings end in {LEGAL_SUFFIXES}")
    return chosen


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    name, base = name.lower(), PurePosixPath(name).name.lower()
    return any(fnmatchcase(name if "/" in pattern else base, pattern.lower()) for pattern in patterns)


def results_of_others(listing: Listing) -> list[str]:
    """Folders below that hold the journal of a run: what lies there is no recording, but made of one."""
    parts = [PurePosixPath(name).parts for name in listing.files if NAME in name]
    found = {"/".join(way[: way.index(NAME)]) for way in parts if NAME in way}
    return sorted(found - {""})


def make_plan(chosen: list[Task], source: Listing, there: Listing, journal: Journal, places: tuple[str, str]) -> Plan:
    """Hold recordings against results.

    Args:
        chosen: what is to be denoised in the end.
        source: what lies in IN_DIR.
        there: what lies in OUT_DIR.
        journal: what earlier runs have done.
        places: IN_DIR and OUT_DIR, as the journal names them.

    Raises:
        ParameterError: results of another folder bear the same names.
    """
    plan = Plan(faults=dict(source.faults), parts=_parts(there, journal))
    if made_before := results_of_others(source):
        plan.remarks.append(f"folders left out, for they hold results of other runs: {_some(made_before)}")
    others = len(source.files) - len(chosen)
    if others:
        plan.remarks.append(f"files left out, for they are no recordings or not wanted: {others}")
    if source.links:
        plan.remarks.append(
            f"links that lead out of the folder, or to folders, are not followed: {_some(source.links)}"
        )
    changed = 0
    for task in chosen:
        entry = journal.done.get(task.name)
        made = there.files.get(task.name)
        is_same = entry is not None and (entry["size"], entry["stamp"]) == (task.size, task.stamp)
        changed += entry is not None and not is_same
        if entry is not None and is_same and made is not None and made[0] == entry["made"]:
            plan.finished.append(task.name)
        elif link := _link_on_the_way(task.name, there):
            plan.faults[task.name] = f"{places[1]}/{link} is a link; results are not written through links"
        elif made is not None and not (journal.replaces or entry is not None or task.name in journal.claimed):
            plan.faults[task.name] = f"{places[1]}/{task.name} exists and was left as it is; --force replaces it"
        else:
            plan.tasks.append(task)
    if changed and journal.source != places[0]:
        raise ParameterError(
            f"OUT_DIR {places[1]} holds results of {journal.source}, {changed} of them of the same names as in "
            f"{places[0]}: take another OUT_DIR, or --force to do everything anew"
        )
    plan.tasks.sort(key=lambda task: -task.size)
    return plan


def _link_on_the_way(name: str, there: Listing) -> str | None:
    if not there.links:
        return None
    way = PurePosixPath(name)
    return next((str(part) for part in (way, *way.parents) if str(part) in there.links), None)


def _parts(there: Listing, journal: Journal) -> list[str]:
    """Files that a killed run was writing; others that look the same are somebody else's."""
    ours = {(str(way.parent), way.stem) for way in map(PurePosixPath, journal.claimed)}
    found = []
    for name in there.files:
        way = PurePosixPath(name)
        if (part := PART.fullmatch(way.name)) and (str(way.parent), part["stem"]) in ours:
            found.append(name)
    return found


def _some(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
