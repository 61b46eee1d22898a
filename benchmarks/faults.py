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
import json
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from . import pulse

RATE = 48000
BACK_SECONDS = 3.0
_LISTEN_SECONDS = 4.5
_WINDOW = RATE // 5
_LONGEST_LATENCY = RATE // 4
_OTHER_RATES = (16000, 32000, 44100, 96000)


def run_child() -> None:
    """The process that suffers: prints its report for each line on standard input; ``raise`` breaks a hop before."""
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
    with Live("bench microphone", "bench speakers", model=model, attenuation_limit_db=0.0, tell=told.append) as live:
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
    """That process, from outside."""

    def __init__(self, server: pulse.Server) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults", "--child"],
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


@contextlib.contextmanager
def listening(server: pulse.Server) -> Iterator[list[np.ndarray]]:
    """Noise for the microphone and a recording of both ends while the block runs."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 8 * RATE).astype(np.float32)
    server.start_playing(noise, "bench_player")
    with server.recording("bench.monitor", 2) as recorded:
        yield recorded


def locate_ms(recorded: np.ndarray, start: int) -> float | None:
    """By how much the speakers are behind the microphone at a sample of a recording; None while there is nothing."""
    speakers = recorded[start : start + _WINDOW, 1].astype(np.float64)
    microphone = recorded[max(0, start - _LONGEST_LATENCY) : start + _WINDOW, 0].astype(np.float64)
    size = 1 << (len(microphone) + len(speakers)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(microphone, size) * np.conj(np.fft.rfft(speakers, size)), size)
    correlation = correlation[: len(microphone) - len(speakers) + 1]
    norm = np.linalg.norm(speakers) * np.linalg.norm(microphone) * np.sqrt(len(speakers) / max(1, len(microphone)))
    if not norm or correlation.max() < 0.5 * norm:
        return None
    return (min(start, _LONGEST_LATENCY) - int(np.argmax(correlation))) / RATE * 1e3


def listen(
    server: pulse.Server,
    since: float,
    before_ms: float | None,
    tolerance_ms: float,
    seconds: float = _LISTEN_SECONDS,
) -> tuple[float, float]:
    """Listen for a while: the seconds from ``since`` until the sound is there as before, and the latency at the end."""
    with listening(server) as recording:
        begun = time.monotonic()  # the recorder has its first samples
        time.sleep(seconds)
    recorded = recording[0]
    lags = [locate_ms(recorded, start) for start in range(0, len(recorded) - _WINDOW, _WINDOW // 2)]
    latency = next((lag for lag in reversed(lags) if lag is not None), float("nan"))
    wanted = latency if before_ms is None else before_ms
    good = [lag is not None and abs(lag - wanted) <= tolerance_ms for lag in lags]
    # the first moment from which on it stays so, but for single windows that a busy machine spoils
    first = next((i for i in range(len(good) - 4) if good[i] and sum(good[i : i + 5]) >= 4), None)
    back = float("inf") if first is None else begun - since + first * _WINDOW / 2 / RATE
    return back, latency


def run(count: int, seed: int, kinds: list[str]) -> int:
    """Run the faults and print a table; the exit code."""
    chance, failures = random.Random(seed), 0
    server = pulse.Server(RATE)
    try:
        victim = Victim(server)
        faults = Faults(server, victim, chance)
        tolerance_ms = 2.0 * victim.first_report["block_length"] / RATE * 1e3
        _, before_ms = listen(server, time.monotonic(), None, tolerance_ms)
        print(
            f"{count} faults, seed {seed}, latency {before_ms:.1f} ms before them, {tolerance_ms:.1f} ms allowed off\n"
        )
        print(
            "| # | fault | what | back after s | latency ms | stated | ok |\n|---|---|---|---|---|---|---|", flush=True
        )
        slowest = 0.0
        for i in range(count):
            kind = chance.choice(kinds)
            what, back, latency, died, stated = "", float("inf"), float("nan"), "", float("nan")
            try:
                what = FAULTS[kind](faults)
                back, latency = listen(server, time.monotonic(), before_ms, tolerance_ms)
                stated = victim.ask()["latency_ms"]
            except (RuntimeError, subprocess.SubprocessError, AssertionError) as error:
                died = str(error)
            good = not died and back <= BACK_SECONDS and abs(latency - before_ms) <= tolerance_ms
            failures += not good
            slowest = max(slowest, back)
            verdict = "yes" if good else died or "NO"
            print(f"| {i + 1} | {kind} | {what} | {back:.2f} | {latency:.1f} | {stated:.1f} | {verdict} |", flush=True)
            if victim.process.poll() is not None:
                break
        victim_alive = victim.process.poll() is None
        survived = "survived" if victim_alive else "DIED"
        print(
            f"\n{count - failures} of {count} as they should be, slowest back after {slowest:.2f} s; process {survived}"
        )
        if victim_alive:
            report = victim.ask()
            counters = ("underruns", "device_losses", "engine_failures", "overloads", "latency_corrections")
            print(", ".join(f"{name.replace('_', ' ')} {report[name]}" for name in counters))
        victim.end()
    finally:
        server.stop()
    return 1 if failures or not victim_alive else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(FAULTS), help="of faults, with commas; default: %(default)s")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child()
        return 0
    reason = pulse.why_not()
    if reason is not None:
        print(f"faults: no sound server can run here: {reason}", file=sys.stderr)
        return 2
    return run(arguments.count, arguments.seed, arguments.kinds.split(","))


if __name__ == "__main__":
    sys.exit(main())
