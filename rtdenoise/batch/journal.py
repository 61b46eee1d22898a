"""What earlier runs have done in an OUT_DIR, kept in lines that are only added, so that a run can go on."""

from __future__ import annotations

import json
from typing import Any

from .. import __version__
from ..errors import AudioFileError, ParameterError
from .log import NAME, Log
from .work import Outcome, Task, Wishes

_FORMAT = 1
_CLAIMS_PER_LINE = 1000


class Journal:
    """The lines of one OUT_DIR.

    The first line of each run says what was meant, ``claim`` lines which files this work will make (none of them was
    there before, so one that is there later is ours), ``done`` lines what was made of which file.

    Args:
        log: where the lines are.
        wishes: of this run.
        force: begin anew, and replace whatever is there.

    Attributes:
        done: what was measured of each finished file, with ``size`` and ``stamp`` of its source.
        claimed: names that are ours.
        replaces: whether the work that goes on was begun with ``force``.
        source: IN_DIR of the run before, or ``None``.

    Raises:
        ParameterError: earlier runs had other options.
        AudioFileError: it is no journal of ours.
    """

    def __init__(self, log: Log, wishes: Wishes, *, force: bool) -> None:
        self._log, self._wishes = log, wishes
        self.done: dict[str, dict[str, Any]] = {}
        self.claimed: set[str] = set()
        self.replaces, self.source = force, None
        self._restart = force
        for number, line in enumerate(log.lines()):
            try:
                self._take(json.loads(line))
            except ParameterError:
                raise
            except (ValueError, KeyError, TypeError, AttributeError):
                if number == 0 and not force:
                    raise AudioFileError(
                        f"{wishes.target} has a journal that cannot be read, {NAME}; take another OUT_DIR, or --force "
                        "to do everything anew"
                    ) from None
                # the end of a run that was cut off in the middle of a line

    def _take(self, line: dict[str, Any]) -> None:
        if "claim" in line:
            self.claimed.update(line["claim"])
        elif self._restart:
            return
        elif "done" in line:
            self.done[line.pop("done")] = line
        else:
            run = line["run"]
            if run["format"] != _FORMAT:
                raise KeyError
            self._check(run)
            self.replaces, self.source = self.replaces or run["force"], run["source"]

    def _check(self, run: dict[str, Any]) -> None:
        now = self._options()
        other = [name for name in now if run[name] != now[name]]
        if other:
            before = ", ".join(f"{name} {_short(run[name])}" for name in other)
            here = ", ".join(f"{name} {_short(now[name])}" for name in other)
            raise ParameterError(
                f"{self._wishes.target} was begun with {before}, and this is {here}: repeat the options of then, take "
                "another OUT_DIR, or --force to do everything anew"
            )

    def _options(self) -> dict[str, Any]:
        wishes = self._wishes
        return {
            "--model": wishes.digest,
            "--attenuation-limit": wishes.attenuation_limit_db,
            "--overlap": wishes.overlap,
        }

    def begin(self, tasks: list[Task]) -> None:
        """Write down what this run means and will make. Raises NotWrittenError."""
        if self._restart:
            self._log.clear()
            self.claimed.clear()
        run = {"format": _FORMAT, "rtdenoise": __version__, "source": self._wishes.source, "force": self.replaces}
        names = [task.name for task in tasks if task.name not in self.claimed]
        claims = [{"claim": names[i : i + _CLAIMS_PER_LINE]} for i in range(0, len(names), _CLAIMS_PER_LINE)]
        self._log.append([json.dumps(line) for line in ({"run": run | self._options()}, *claims)])
        self.claimed.update(names)

    def add(self, task: Task, outcome: Outcome) -> None:
        """Write down that a file is finished. Raises NotWrittenError."""
        entry = {"size": task.size, "stamp": task.stamp, **outcome.facts}
        self._log.append([json.dumps({"done": task.name, **entry})])
        self.done[task.name] = entry

    def close(self) -> None:
        """Let others have it."""
        self._log.close()


def _short(value: Any) -> str:
    return "not given" if value is None else f"{value}"[:12]
