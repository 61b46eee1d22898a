"""Hazard: somebody gets in without the token, or what it is can be seen."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from serving import HELLO, begin, client, end, fetch, refusal, run, server, url
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rtdenoise.errors import ParameterError
from rtdenoise.serve.access import allows_origin, find_token, is_loopback, tls_context
from rtdenoise.serve.settings import Settings

TOKEN = "correct-horse-battery-staple"


async def status_of(there, **options) -> int:
    """Of a handshake."""
    try:
        async with client(there, **options):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def bearer(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def test_the_token_opens_in_the_header_or_in_the_hello(identity):
    async def scenario():
        async with server(identity, token=TOKEN) as there:
            async with client(there, **bearer(TOKEN)) as socket:
                assert (await begin(socket))["type"] == "ready"
                await end(socket)
            async with client(there) as socket:
                assert (await begin(socket, token=TOKEN))["type"] == "ready"
                await end(socket)
            assert not there.metrics.errors

    run(scenario())


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\ud800", "ü"])
def test_nobody_gets_in_with_another_one(identity, token):
    async def scenario():
        told = []
        async with server(identity, token=TOKEN, told=told) as there:
            async with client(there) as socket:
                await socket.send(json.dumps(HELLO if token is None else HELLO | {"token": token}))
                answer = await refusal(socket)
            if token is not None and token.isascii():
                assert await status_of(there, **bearer(token)) == 401
            assert there.metrics.streams_begun == 0
            return answer, told

    (reason, text, code), told = run(scenario())
    assert (reason, code) == ("unauthorised", 1008)
    assert TOKEN not in text + "".join(told)


def test_a_wrong_header_is_not_mended_by_a_right_hello(identity):
    async def scenario():
        async with server(identity, token=TOKEN) as there:
            assert await status_of(there, additional_headers={"Authorization": f"Basic {TOKEN}"}) == 401
            assert await status_of(there, additional_headers={"Authorization": TOKEN}) == 401

    run(scenario())


def test_metrics_need_the_token_and_health_does_not(identity):
    async def scenario():
        async with server(identity, token=TOKEN) as there:
            assert (await fetch(there, "/metrics"))[0] == 401
            assert (await fetch(there, f"/metrics?token={TOKEN}"))[0] == 401
            assert (await fetch(there, "/metrics", "Authorization: Bearer no"))[0] == 401
            assert (await fetch(there, "/metrics", f"Authorization: bearer {TOKEN}"))[0] == 200
            assert (await fetch(there, "/health"))[0] == 200

    run(scenario())


def test_without_a_token_only_this_machine_is_served():
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org", ""):
        with pytest.raises(ParameterError, match=r"lets other machines in.*RTDENOISE_TOKEN.*--insecure-no-token"):
            Settings(host=host)
    assert Settings(host="0.0.0.0", token=TOKEN).token == TOKEN
    assert Settings(host="0.0.0.0", insecure_no_token=True).token is None
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST.")))
    assert not any(map(is_loopback, ("localhost.example.org", "127.0.0.1.example.org", "10.0.0.1")))


@pytest.mark.parametrize(
    ("origin", "allowed", "open_to_all", "may"),
    [
        ("http://localhost:3000", (), True, True),
        ("http://127.0.0.1", (), True, True),
        ("http://[::1]:80", (), True, True),
        ("https://evil.example", (), True, False),
        ("https://localhost.evil.example", (), True, False),
        ("null", (), True, False),
        ("", (), True, False),
        ("https://anywhere.example", (), False, True),
        ("https://anywhere.example", ("https://app.example",), False, False),
        ("https://app.example", ("https://app.example",), False, True),
        ("http://app.example", ("https://app.example",), True, False),
    ],
)
def test_pages_of_other_origins(origin, allowed, open_to_all, may):
    assert allows_origin(origin, allowed, open_to_all=open_to_all) is may


def test_the_origin_is_looked_at_before_anything_else(identity):
    async def scenario():
        async with server(identity) as there:
            assert await status_of(there, origin="https://evil.example") == 403
            assert await status_of(there, origin="http://localhost:8000") == 101
            assert (await fetch(there, "/metrics", "Origin: https://evil.example"))[0] == 403
            assert there.metrics.errors["http_403"] == 2
        async with server(identity, token=TOKEN, origins=("https://app.example",)) as there:
            assert await status_of(there, origin="https://other.example", **bearer(TOKEN)) == 403
            assert await status_of(there, origin="https://app.example", **bearer(TOKEN)) == 101
            assert await status_of(there, **bearer(TOKEN)) == 101  # no browser

    run(scenario())


def test_where_the_token_may_stand(tmp_path, monkeypatch):
    monkeypatch.delenv("RTDENOISE_TOKEN", raising=False)
    assert find_token(None, None) is None
    monkeypatch.setenv("RTDENOISE_TOKEN", "from-environment")
    (tmp_path / "token").write_text("from-file\n")
    assert find_token(None, None) == "from-environment"
    assert find_token(None, tmp_path / "token") == "from-file"
    assert find_token("typed", tmp_path / "token") == "typed"


@pytest.mark.parametrize("token", ["", "two words", "schlüssel", "tab\t"])
def test_what_is_no_token_is_said_without_showing_it(tmp_path, monkeypatch, token):
    with pytest.raises(ParameterError, match=r"--token: .*openssl rand") as caught:
        find_token(token, None)
    assert not token or token not in str(caught.value)
    monkeypatch.setenv("RTDENOISE_TOKEN", token)
    with pytest.raises(ParameterError, match="RTDENOISE_TOKEN: "):
        find_token(None, None)
    with pytest.raises(ParameterError, match="token: "):
        Settings(token=token)


def test_a_token_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ParameterError, match=r"No such file.*check the path"):
        find_token(None, tmp_path / "nothing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ParameterError, match="it is no text"):
        find_token(None, tmp_path / "binary")


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_tls(identity, pair):
    trusting = ssl.create_default_context(cafile=pair[0])

    async def scenario():
        told = []
        async with server(identity, told=told, certificate=pair[0], key=pair[1]) as there:
            async with connect(url(there, "wss"), ssl=trusting) as socket:
                await begin(socket)
                await socket.send(bytes(320))
                assert len(await socket.recv()) >= 320
                await end(socket)
            with pytest.raises(ssl.SSLCertVerificationError):
                async with connect(url(there, "wss"), ssl=ssl.create_default_context()):
                    pass
            reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")  # plain text to a port that speaks TLS
            assert b"HTTP" not in await asyncio.wait_for(reader.read(), 10)
            writer.close()
            async with connect(url(there, "wss"), ssl=trusting) as socket:
                await begin(socket)
                await end(socket)
            assert there.metrics.streams_begun == 2

    run(scenario())


def test_files_that_are_no_pair(pair, tmp_path):
    certificate, key = pair
    with pytest.raises(ParameterError, match=r"--tls-cert .*nothing.*No such file"):
        tls_context(tmp_path / "nothing", key)
    with pytest.raises(ParameterError, match=r"--tls-key .*nothing.*No such file"):
        tls_context(certificate, tmp_path / "nothing")
    with pytest.raises(ParameterError, match="are no pair of a PEM certificate and its key"):
        tls_context(key, certificate)
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    with pytest.raises(ParameterError, match="without a password"):
        tls_context(certificate, locked)
    with pytest.raises(ParameterError, match="both a certificate and its key"):
        Settings(certificate=certificate)
