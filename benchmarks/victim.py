"""A live stream in a process of its own, to be maltreated and asked; run as a module, it is that process."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import select
import subprocess
import sys

from . import pulse

#: Takes from a program, root's too, the right to a priority.
_WITHOUT_PRIORITY = ["prlimit", "--rtprio=0", "setpriv", "--bounding-set=-sys_nice"]


def run_child() -> None:
    """The process that suffers: prints its report for each line on standard input; ``raise`` breaks a hop before."""
    faulthandler.enable()  # if a library aborts, say where

    from rtdenoise.live.priority import supervising
    from rtdenoise.live.session import Live
    from rtdenoise.model import Model

    class Breakable(Model):
        broken = False

        def advance(self, state):  # type: ignore[no-untyped-def]
            if self.broken:
                self.broken = False
                raise FloatingPointError("a fault that was asked for")
            super().advance(state)

    packaged = Model.load("stream")
    model = Breakable(packaged.path, packaged._session, packaged.transform)
    told: list[str] = []
    # an attenuation limit of 0 dB runs the model and leaves the sound as it is
    live = Live("bench microphone", "bench speakers", model=model, attenuation_limit_db=0.0, tell=told.append)
    with live, supervising():
        print(json.dumps(live.report()), flush=True)
        while True:
            live.wait(0.05)
            if not select.select([sys.stdin], [], [], 0)[0]:
                continue
            line = sys.stdin.readline().strip()
            if not line:
                return
            model.broken = line == "raise"
            print(json.dumps({**live.report(), "told": told}), flush=True)
            told.clear()


class Victim:
    """That process, from outside.

    Args:
        server: where it plays.
        priority: whether the system may let it go before ordinary programs.
    """

    def __init__(self, server: pulse.Server, *, priority: bool = True) -> None:
        self.process = subprocess.Popen(
            [*([] if priority else _WITHOUT_PRIORITY), sys.executable, "-m", "benchmarks.victim"],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first_report = self._read()

    def ask(self, line: str = "report") -> dict:
        """Its report, after it has done what ``line`` says. Raises RuntimeError when it does not answer."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """Ends it, gently at first."""
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            self.process.communicate("\n", timeout=10)
        self.process.kill()

    def _read(self) -> dict:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], 30)[0]:
            raise RuntimeError("it does not answer")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"it has died, exit code {self.process.wait()}")
        return json.loads(line)


if __name__ == "__main__":
    run_child()
