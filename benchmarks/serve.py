"""``python -m benchmarks.serve``: how many streams one core serves in real time, and who can disturb them.

- Streams: `rtdenoise serve` with one compute thread on one core, clients in a process of their own (on the other cores,
  where there are some), each of which sends a block whenever it is due. Added delay: from sending a block to having its
  answer, all that the server, the sockets and the client's own process add. A count holds if the p99 of all blocks is
  under 30 ms, every block was answered, and the first stream is to the bit what a Denoiser gives. Ever more of them,
  until a count does not hold; then the promised number for longer.
- Trouble: while the promised number runs, 1000 clients connect and go: politely, with a reset, without a word, with
  half a sample, with random bytes instead of a request or of frames; others never read, or never answer a ping.
  Afterwards the server must hold as many sockets, tasks, threads and as much memory as before.

Exit code 1 where the promise is not kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from rtdenoise import Denoiser
from rtdenoise.files.pcm import S16LE, decode, encode

from .provenance import Others, write_document
from .scaling import RATE, usable_cores
from .serve_clients import sound
from .tables import table

STEPS = (10, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 120, 140)
PROMISED_STREAMS, PROMISED_P99_MS = 25, 30.0
#: Of memory, for a thousand clients: what an allocator may keep, and nothing that each of them leaves behind.
ALLOWED_MB = 8.0
_WARM_UP_CONNECTS = 250
#: After which a client that the server should have ended counts as kept.
_PATIENCE_SECONDS = 60.0


class Serving:
    """`rtdenoise serve` in a process of its own, on one core."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "rtdenoise", "serve", "--port", "0", "--workers", "1", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        keep_to(self.process.pid, ours=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"ws://(\S+:\d+)", line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line.strip()}")
        self.address = found[1]
        self.url = f"ws://{self.address}"

    def metrics(self) -> dict[str, float]:
        """What /metrics says, by name; labels are part of it."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=30) as page:
            lines = page.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    def held(self) -> dict[str, float]:
        """What could leak: of sockets and tasks the page's own are among them."""
        found = self.metrics()
        names = {"files": "process_open_fds", "tasks": "rtdenoise_serve_tasks", "streams": "rtdenoise_serve_streams"}
        held = {short: found[name] for short, name in names.items() if name in found}
        held["connections"] = found["rtdenoise_serve_connections"]
        held["mb"] = found.get("process_resident_memory_bytes", 0.0) / 1e6
        tasks = Path(f"/proc/{self.process.pid}/task")
        return held | ({"threads": float(len(list(tasks.iterdir())))} if tasks.exists() else {})

    def end(self) -> int:
        """By SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


def keep_to(process: int, *, ours: bool) -> None:
    """The server to the last core, clients to the others, where there are others."""
    if hasattr(os, "sched_setaffinity") and usable_cores() > 1:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(process, {max(cores)} if ours else cores - {max(cores)})


def start_clients(**job: Any) -> subprocess.Popen[str]:
    """The process that does a job of `serve_clients`."""
    command = [sys.executable, "-m", "benchmarks.serve_clients", json.dumps(job)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    keep_to(process.pid, ours=False)
    return process


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What came of it.

    Raises:
        RuntimeError: it failed.
    """
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the clients failed with exit code {process.returncode}")
    found: dict[str, Any] = json.loads(out)
    return found


def summary(streams: int, seconds: float, block: int, found: dict[str, Any], cpu_seconds: float) -> dict[str, Any]:
    """Of a run of paced clients."""
    delays, late = (1e3 * np.array(found[name] or [np.inf]) for name in ("delays", "late"))
    data = decode(sound(0, streams, seconds), S16LE)
    denoiser = Denoiser(RATE)
    expected = np.concatenate([denoiser.process(data), denoiser.flush()])
    exact = found["digest"] == hashlib.sha256(encode(expected, S16LE)).hexdigest()
    complete = not found["failures"] and set(found["samples"]) == {len(expected)}
    p50, p99 = np.percentile(delays, (50, 99), method="higher")
    return {
        "streams": streams,
        "seconds": seconds,
        "block": block,
        "p50_ms": p50,
        "p99_ms": p99,
        "max_ms": delays.max(),
        "clients_late_p99_ms": np.percentile(late, 99),
        "cpu": cpu_seconds / seconds,
        "failures": found["failures"][:10],
        "exact": exact,
        "holds": bool(p99 < PROMISED_P99_MS and complete and exact),
    }


def serve_paced(server: Serving, streams: int, seconds: float, block: int) -> dict[str, Any]:
    """So many real-time streams."""
    before = server.metrics().get("process_cpu_seconds_total", np.nan)
    found = result_of(start_clients(kind="paced", url=server.url, streams=streams, seconds=seconds, block=block))
    cpu = server.metrics().get("process_cpu_seconds_total", np.nan) - before
    return summary(streams, seconds, block, found, cpu)


def scan(steps: list[int], seconds: float, hold_seconds: float, block: int) -> dict[str, Any]:
    """Ever more streams, then the promised ones for longer."""
    server = Serving("--max-clients", "1000")
    rows = []
    try:
        serve_paced(server, 2, 1.0, block)
        for streams in steps:
            rows.append(serve_paced(server, streams, seconds, block))
            progress(rows[-1])
            if not rows[-1]["holds"]:
                break
        held = serve_paced(server, PROMISED_STREAMS, hold_seconds, block)
        progress(held)
    finally:
        server.end()
    most = max((row["streams"] for row in rows if row["holds"]), default=0)
    return {"scan": rows, "held": held, "most": most}


def trouble(connects: int, stubborn: int, streams: int, seconds: float, block: int) -> dict[str, Any]:
    """Rude clients beside real-time ones."""
    server = Serving("--max-clients", "1000", "--ping", "1", "--send-timeout", "2", "--hello-timeout", "3")
    try:
        job = {"kind": "rude", "url": server.url, "stubborn": stubborn, "seconds": _PATIENCE_SECONDS}
        beside(server, start_clients(**job, connects=_WARM_UP_CONNECTS), streams, seconds, block)
        before = settle(server)
        rows, behaved = beside(server, start_clients(**job, connects=connects), streams, seconds, block)
        after = settle(server)
        errors = {
            match[1]: count
            for name, count in server.metrics().items()
            if (match := re.fullmatch(r'rtdenoise_serve_errors_total\{reason="(\w+)"\}', name))
        }
    finally:
        code = server.end()
    leaks = leaked(before, after)
    return {
        "connects": connects,
        "stubborn": stubborn,
        "rows": rows,
        "before": before,
        "after": after,
        "leaks": leaks,
        "errors": errors,
        "failed": behaved["failed"],
        "failures": behaved["failures"],
        "kept": behaved["ended_by_server"].count(False),
        "exit_code": code,
        "holds": not leaks
        and not behaved["failed"]
        and code == 0
        and all(behaved["ended_by_server"])
        and all(row["holds"] for row in rows),
    }


def beside(
    server: Serving, rude: subprocess.Popen[str], streams: int, seconds: float, block: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Runs of paced clients for as long as there are rude ones, and what became of those."""
    rows = []
    while not rows or rude.poll() is None:
        rows.append(serve_paced(server, streams, seconds, block))
        progress(rows[-1])
    return rows, result_of(rude)


def leaked(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What there is more of, by how much; of memory, what is more than allowed."""
    grown = {name: after[name] - before[name] for name in before}
    return {name: by for name, by in grown.items() if by > (ALLOWED_MB if name == "mb" else 0)}


def settle(server: Serving) -> dict[str, float]:
    """What the server holds once the last client has gone."""
    for _ in range(100):
        held = server.held()
        if held["streams"] == 0 and held["connections"] <= 1:  # the page's own
            break
        time.sleep(0.1)
    return held


def progress(row: dict[str, Any]) -> None:
    """A line for who waits."""
    print(
        f"    {row['streams']} streams: p50 {row['p50_ms']:.1f}, p99 {row['p99_ms']:.1f} ms, CPU {row['cpu']:.2f}",
        file=sys.stderr,
        flush=True,
    )


def as_text(found: dict[str, Any]) -> str:
    """Tables in Markdown."""
    block_ms = 1e3 * found["block"] / RATE
    where = "others" if found["cores"] > 1 else "same one"
    head = ["streams", "seconds", "added delay p50 ms", "p99", "max", "clients late p99", "CPU of the server", "holds"]
    parts = [
        f"Real-time streams of {RATE // 1000} kHz in blocks of {block_ms:g} ms, server on one core, clients on the "
        f"{where}; the most that held: **{found['most']}**.",
        table(head, [_line(row) for row in [*found["scan"], found["held"]]]),
    ]
    if trouble := found.get("trouble"):
        errors = ", ".join(f"{reason} {count:.0f}" for reason, count in trouble["errors"].items())
        grown = ", ".join(
            f"{name} {trouble['before'][name]:.0f} -> {trouble['after'][name]:.0f}" for name in trouble["before"]
        )
        parts += [
            f"Beside {trouble['connects']} clients that connect and go, {trouble['stubborn']} that never read and "
            f"{trouble['stubborn']} that answer no ping:",
            table(head, [_line(row) for row in trouble["rows"]]),
            f"Before and after: {grown}. Leaks: {', '.join(trouble['leaks']) or 'none'}. Bad clients that were kept: "
            f"{trouble['kept']}. Clients that failed: {trouble['failed']}. Counted: {errors}.",
        ]
        parts += [f"- {failure}" for failure in trouble["failures"]]
    return "\n\n".join(parts)


def _line(row: dict[str, Any]) -> list[str]:
    times = [f"{row[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms", "clients_late_p99_ms")]
    holds = "yes" if row["holds"] else "no" + ("" if row["exact"] else ", not exact")
    return [f"{row['streams']}", f"{row['seconds']:g}", *times, f"{row['cpu']:.2f}", holds]


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of streams (10)")
    parser.add_argument("--hold-seconds", type=float, default=60.0, help="for the promised number (60)")
    parser.add_argument("--block-ms", type=float, default=20.0, help="of sound in a message (20)")
    parser.add_argument("--streams", action="append", type=int, help="again for more (until it is too many)")
    parser.add_argument("--connects", type=int, default=1000, help="clients that come and go; 0 for no trouble (1000)")
    parser.add_argument("--stubborn", type=int, default=10, help="that never read, and that answer no ping (10)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    given = parser.parse_args(arguments)
    block = max(1, round(given.block_ms * RATE / 1e3))
    others = Others()
    try:
        found = scan(given.streams or list(STEPS), given.seconds, given.hold_seconds, block)
        if given.connects:
            found["trouble"] = trouble(given.connects, given.stubborn, PROMISED_STREAMS, given.seconds, block)
    except RuntimeError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    found |= {"cores": usable_cores(), "block": block, "others_cores": others.cores}
    print(as_text(found))
    write_document(given.json, "serve", found)
    kept = found["held"]["holds"] and found.get("trouble", {"holds": True})["holds"]
    if not kept:
        print(f"not kept: {PROMISED_STREAMS} streams with p99 under {PROMISED_P99_MS:g} ms, no leak", file=sys.stderr)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
