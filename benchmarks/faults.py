"""Everything that happens to sound on a real machine, at random, in a row, and whether the stream comes through.

python -m benchmarks.faults --count 200 --seed 1

Between the sinks of a PulseAudio server of our own runs `Live` with a model that leaves the sound as it is. After each
fault the sound is recorded for some seconds: the process has to be alive, the sound back within 3 s, and the latency
what it was, to two blocks: one is ours, one the server's, whose buffers lie differently for each new stream. Exit code
1 if anything of this fails.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import pulse
from .listening import RATE, listen
from .victim import Victim

BACK_SECONDS = 3.0
_OTHER_RATES = (16000, 32000, 44100, 96000)


class Faults:
    """What can happen. Each method does it, returns what it was in a word or two, and leaves the machine whole."""

    def __init__(self, server: pulse.Server, victim: Victim, chance: random.Random) -> None:
        self.server, self.victim, self.chance = server, victim, chance

    def stop_process(self) -> str:
        """The process does not get the processor."""
        seconds = self._seconds(0.01, 3.0)
        self.victim.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.victim.process.send_signal(signal.SIGCONT)
        return f"{seconds:.2f} s"

    def stop_server(self) -> str:
        """The sound server does not get the processor."""
        seconds = self._seconds(0.05, 3.0)
        self.server.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.server.send_signal(signal.SIGCONT)
        return f"{seconds:.2f} s"

    def unplug(self) -> str:
        """One end or both vanish and come back."""
        names = self.chance.choice([["bench_speakers"], ["bench_microphone"], ["bench_speakers", "bench_microphone"]])
        return self._reload(names, self._seconds(0.1, 2.0), RATE)

    def unplug_card(self) -> str:
        """The card behind both ends vanishes and comes back."""
        return self._reload(["bench"], self._seconds(0.1, 2.0), RATE)

    def change_rate(self) -> str:
        """The card comes back at another rate, and later at its own."""
        rate = self.chance.choice(_OTHER_RATES)
        self._reload(["bench"], 0.2, rate)
        time.sleep(self._seconds(0.5, 3.0))
        return f"{rate} Hz and back, {self._reload(['bench'], 0.2, RATE)}"

    def kill_server(self) -> str:
        """The sound server crashes and is started again."""
        seconds = self._seconds(0.1, 2.0)
        self.server.send_signal(signal.SIGKILL)
        time.sleep(seconds)
        self.server.start()
        return f"{seconds:.2f} s"

    def restart_server(self) -> str:
        """The sound server is ended and started again."""
        self.server.start()
        return ""

    def break_engine(self) -> str:
        """A hop raises."""
        self.victim.ask("raise")
        return ""

    def hog(self) -> str:
        """Another program computes on every core."""
        seconds = self._seconds(1.0, 3.0)
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        time.sleep(seconds)
        for process in hogs:
            process.kill()
            process.wait()
        return f"{seconds:.2f} s"

    def _seconds(self, least: float, most: float) -> float:
        return least * (most / least) ** self.chance.random()

    def _reload(self, names: list[str], seconds: float, rate: int) -> str:
        """Unload modules of the server by the names of their sinks or sources, and load them again, dependants too."""
        modules = [line.split("\t") for line in self.server.pactl("list", "short", "modules").splitlines()]
        lost = [
            (number, module, arguments)
            for number, module, arguments, *_ in modules
            if any(f"_name={name} " in arguments or f"master={name}" in arguments for name in names)
        ]
        for number, _, _ in lost:
            with contextlib.suppress(subprocess.CalledProcessError):  # gone with its master
                self.server.pactl("unload-module", number)
        time.sleep(seconds)
        for _, module, arguments in lost:
            words = [f"rate={rate}" if word.startswith("rate=") else word for word in arguments.split()]
            self.server.pactl("load-module", module, *words)
        return f"{'+'.join(names)} {seconds:.2f} s"


FAULTS: dict[str, Callable[[Faults], str]] = {
    name.replace("_", "-"): method
    for name, method in vars(Faults).items()
    if not name.startswith("_") and callable(method)
}


@dataclass
class Outcome:
    """What came of a fault.

    Attributes:
        kind, what: the fault.
        back: seconds until the sound was there as before; infinite where it was not.
        latency_ms: measured at the end.
        stated_ms: what the process says of its latency.
        drift_ppm: by how much it plays faster at the end, as it takes the clocks to differ.
        levels: RMS at the microphone and the speakers.
        died: why the process does not answer.
        good: whether all is as it should be.
    """

    kind: str
    what: str = ""
    back: float = float("inf")
    latency_ms: float = float("nan")
    stated_ms: float = float("nan")
    drift_ppm: float = float("nan")
    levels: tuple[float, float] = (0.0, 0.0)
    died: str = ""
    good: bool = False


def try_fault(faults: Faults, kind: str, before_ms: float, tolerance_ms: float) -> Outcome:
    """Let a fault happen, and see what comes of it."""
    outcome = Outcome(kind)
    try:
        outcome.what = FAULTS[kind](faults)
        heard = listen(faults.server, time.monotonic(), before_ms, tolerance_ms)
        if not heard.levels[0]:  # the bench's own player was starved: the microphone heard nothing
            heard = listen(faults.server, time.monotonic(), before_ms, tolerance_ms)
        outcome.back, outcome.latency_ms, outcome.levels = heard.back, heard.latency_ms, heard.levels
        report = faults.victim.ask()
        outcome.stated_ms, outcome.drift_ppm = report["latency_ms"], report["drift_ppm"]
    except (RuntimeError, subprocess.SubprocessError, AssertionError) as error:
        outcome.died = str(error)
    right = abs(outcome.latency_ms - before_ms) <= tolerance_ms
    outcome.good = not outcome.died and outcome.back <= BACK_SECONDS and right
    return outcome


def by_kind(outcomes: list[Outcome]) -> list[str]:
    """A table: how often, how often well, the slowest return, and between which values the latency was afterwards."""
    rows = ["| fault | times | as it should be | slowest back s | latency ms |", "|---|---|---|---|---|"]
    for kind in sorted({outcome.kind for outcome in outcomes}):
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        measured = [outcome.latency_ms for outcome in mine if outcome.latency_ms == outcome.latency_ms]
        between = f"{min(measured):.1f} to {max(measured):.1f}" if measured else "-"
        good = sum(outcome.good for outcome in mine)
        rows.append(f"| {kind} | {len(mine)} | {good} | {max(outcome.back for outcome in mine):.2f} | {between} |")
    return rows


def run(count: int, seed: int, kinds: list[str]) -> int:
    """Run the faults and print a table; the exit code."""
    chance, outcomes = random.Random(seed), []
    server = pulse.Server(RATE)
    try:
        victim = Victim(server)
        faults = Faults(server, victim, chance)
        tolerance_ms = 2.0 * victim.first_report["block_length"] / RATE * 1e3
        before_ms = listen(server, time.monotonic(), None, tolerance_ms).latency_ms
        print(f"{count} faults, seed {seed}, latency {before_ms:.1f} ms before, {tolerance_ms:.1f} ms allowed off\n")
        print("| # | fault | what | back after s | latency ms | stated | ok |\n|---|---|---|---|---|---|---|")
        while len(outcomes) < count and victim.process.poll() is None:
            outcomes.append(now := try_fault(faults, chance.choice(kinds), before_ms, tolerance_ms))
            verdict = (
                "yes"
                if now.good
                else now.died or f"NO (levels {now.levels[0]:.2f}, {now.levels[1]:.2f}, {now.drift_ppm:+.0f} ppm)"
            )
            print(
                f"| {len(outcomes)} | {now.kind} | {now.what} | {now.back:.2f} | {now.latency_ms:.1f} "
                f"| {now.stated_ms:.1f} | {verdict} |",
                flush=True,
            )
        alive = victim.process.poll() is None
        good = sum(outcome.good for outcome in outcomes)
        slowest = max((outcome.back for outcome in outcomes), default=0.0)
        print("", *by_kind(outcomes), sep="\n")
        print(f"\n{good} of {count} as they should be, slowest back after {slowest:.2f} s; ", end="")
        print(f"process {'survived' if alive else 'DIED'}")
        if alive:
            report = victim.ask()
            counters = ("underruns", "device_losses", "engine_failures", "overloads", "latency_corrections")
            print(", ".join(f"{name.replace('_', ' ')} {report[name]}" for name in counters))
        victim.end()
    finally:
        server.stop()
    return 0 if alive and good == count else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(FAULTS), help="of faults, with commas; default: %(default)s")
    arguments = parser.parse_args()
    reason = pulse.why_not()
    if reason is not None:
        print(f"faults: no sound server can run here: {reason}", file=sys.stderr)
        return 2
    return run(arguments.count, arguments.seed, arguments.kinds.split(","))


if __name__ == "__main__":
    sys.exit(main())
