"""Hazard: the guide promises what is not so."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from serving import HELLO, begin, client, expected, fetch, run, server, url

from rtdenoise.cli import cli
from rtdenoise.files.pcm import S16LE, encode
from rtdenoise.serve.messages import CLOSE_CODES, read_control, read_hello

GUIDE = (Path(__file__).parent.parent / "docs" / "serve.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def examples() -> dict[str, dict]:
    """JSON of the guide by its type; the client's side of what both send last."""
    lines = [json.loads(line) for block in blocks("json") for line in block.splitlines()]
    return {line.get("type", "health" if "status" in line else "hello"): line for line in reversed(lines)}


def test_the_client_of_the_guide_works(stateful, noise):
    (code,) = blocks("python")
    names = {}
    exec(code, names)
    data = encode(noise(5000), S16LE)
    parts = [data[place : place + 640] for place in range(0, len(data), 640)]

    async def scenario():
        async with server(stateful) as there:
            return await asyncio.to_thread(lambda: b"".join(names["denoise"](parts, 16000, url(there))))

    assert run(scenario()) == expected(stateful, data)


def test_messages_are_what_the_server_takes_and_gives():
    async def scenario():
        from rtdenoise import Model

        async with server(Model.load("stream")) as there, client(there) as socket:
            health = json.loads((await fetch(there, "/health"))[1])
            ready = await begin(socket, attenuation_limit_db=12)
            await socket.send(bytes(2 * 160000 // 4))
            await socket.recv()
            return ready, health

    shown = examples()
    ready, health = run(scenario())
    assert shown["ready"] == ready
    assert shown["health"].keys() == health.keys()
    assert read_hello(json.dumps(shown["hello"])).attenuation_limit_db == 12
    assert HELLO.items() <= shown["hello"].items()
    for kind in ("set", "end"):
        read_control(json.dumps(shown[kind]))


def test_every_reason_is_explained_with_its_code():
    table = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", GUIDE, re.MULTILINE))
    told = {reason: str(code) for reason, code in CLOSE_CODES.items()}
    assert table == told


def test_options_and_their_defaults():
    """Of the table of limits; and every option that is named anywhere is one."""
    defaults = {option.opts[0]: option.default for option in cli.commands["serve"].params if option.opts[0] != "--help"}
    table = re.findall(r"^\| `(--[\w-]+)` \| ([\d.]+)", GUIDE, re.MULTILINE)
    assert len(table) == 7
    assert {name: float(value) for name, value in table} == {name: defaults[name] for name, _ in table}
    known = {*defaults, *(name for parameter in cli.params for name in parameter.opts)}
    assert set(re.findall(r"`(--[\w-]+)[ `]", GUIDE)) <= known


def test_commands_are_such():
    lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    ours = [words[1:] for words in lines if words[0] == "rtdenoise"]
    assert len(ours) == 2
    for words in ours:
        context = cli.make_context("rtdenoise", list(words))  # with its names of --help, which a command keeps
        cli.commands["serve"].make_context("serve", words[1:], parent=context)
