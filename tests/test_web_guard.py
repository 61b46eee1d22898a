"""Hazard: somebody gets in without the token, or another page of the same browser acts in its name."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("uvicorn")
from web_client import Client
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rtdenoise.web.server import PageServer

PATHS = [
    ("GET", "/"),
    ("GET", "/static/main.js"),
    ("GET", "/api/about"),
    ("POST", "/api/files"),
    ("POST", "/api/sample"),
    ("GET", "/api/files/x/before"),
    ("GET", "/api/files/x/after"),
    ("GET", "/api/files/x/result"),
    ("GET", "/api/devices"),
    ("POST", "/api/live"),
    ("DELETE", "/api/live"),
    ("GET", "/nowhere"),
]


@pytest.fixture(scope="module")
def page_server():
    with PageServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(page_server) -> Client:
    return Client(page_server)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nothing_without_the_token(client, method, path):
    for cookie in ("", "rtdenoise=1", f"rtdenoise_{client.port}=guess", f"rtdenoise_{client.port}=", "a=b; \x01"):
        answer = client.bare(method, path, headers={"Origin": client.origin, "Cookie": cookie})
        assert answer.status == 403
        assert b"token" in answer.body
        assert "set-cookie" not in answer.headers


def test_the_token_opens_the_page_and_nothing_else(client, page_server):
    token = page_server.address.split("=")[1]
    assert len(token) > 40
    assert client.bare("GET", f"/?token={token}").status == 200
    for wrong in (token[:-1], token + "x", "", "%00", token.swapcase()):
        assert client.bare("GET", f"/?token={wrong}").status == 403
    assert client.bare("GET", f"/api/about?token={token}").status == 403
    assert client.bare("POST", f"/api/sample?token={token}", headers={"Origin": client.origin}).status == 403


def test_the_cookie_is_for_this_site_only_and_no_script_sees_it(client, page_server):
    answer = client.bare("GET", page_server.address.removeprefix(client.origin))
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page_server.address.split("=")[1] not in cookie


def test_the_token_of_another_server_is_no_use(client):
    with PageServer() as other:
        elsewhere = Client(other)
        token = other.address.split("=")[1]
        assert client.bare("GET", f"/?token={token}").status == 403
        theirs = elsewhere.cookie.split("=")[1]
        assert client.bare("GET", "/", headers={"Cookie": f"rtdenoise_{client.port}={theirs}"}).status == 403
        assert elsewhere.ask("GET", "/").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}"])
def test_a_name_that_points_here_is_not_ours(client, page_server, host):
    """DNS rebinding: the browser believes that it talks to that site."""
    host = host.format(port=client.port)
    for path in ("/api/about", page_server.address.removeprefix(client.origin)):
        answer = client.bare("GET", path, headers={"Cookie": client.cookie, "Host": host})
        assert answer.status == 403


def test_this_computer_has_two_names(client):
    name = f"localhost:{client.port}"
    assert client.bare("GET", "/api/about", headers={"Cookie": client.cookie, "Host": name}).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_other_pages_of_the_browser_are_refused(client, origin):
    origin = origin.format(port=client.port)
    for method, path in (("GET", "/api/about"), ("POST", "/api/sample"), ("DELETE", "/api/live")):
        assert client.ask(method, path, Origin=origin).status == 403
    uri = f"ws://127.0.0.1:{client.port}/api/live"
    with pytest.raises(InvalidStatus, match="403"):
        connect(uri, origin=origin, additional_headers={"Cookie": client.cookie})


def test_what_changes_something_has_to_say_where_it_comes_from(client):
    assert client.bare("POST", "/api/sample", headers={"Cookie": client.cookie}).status == 403
    assert client.bare("GET", "/api/about", headers={"Cookie": client.cookie}).status == 200
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{client.port}/api/live", additional_headers={"Cookie": client.cookie})


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_on_another_page_is_not_served(client, site):
    """Cookies do not tell ports apart, so a page of another program on this computer counts as the same site."""
    assert client.bare("GET", "/api/about", headers={"Cookie": client.cookie, "Sec-Fetch-Site": site}).status == 403


def test_the_socket_wants_the_cookie(client):
    uri = f"ws://127.0.0.1:{client.port}/api/live"
    with pytest.raises(InvalidStatus, match="403"):
        connect(uri, origin=client.origin)
    with connect(uri, origin=client.origin, additional_headers={"Cookie": client.cookie}) as socket:
        assert '"running"' in socket.recv(timeout=5)


def test_every_answer_says_what_the_page_may_do(client):
    for answer in (client.ask("GET", "/"), client.ask("GET", "/nowhere"), client.bare("GET", "/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?:|\*", policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers


def test_only_this_computer_can_connect(page_server):
    assert page_server._socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fengine.py", "%2e%2e/server.py", "../server.py", "/etc/passwd", "%2fetc%2fpasswd", "main.js%00", "x.js"],
)
def test_no_path_leads_out_of_the_page(client, name):
    answer = client.ask("GET", f"/static/{name}")
    assert answer.status == 404
    assert b"import" not in answer.body


def test_files_of_the_page_name_nothing_elsewhere(client):
    page = client.ask("GET", "/").body.decode()
    names = re.findall(r'(?:href|src)="(/static/[\w.-]+)"', page)
    scripts = {name for name in names if name.endswith(".js")}
    seen: set[str] = set()
    while scripts - seen:
        name = (scripts - seen).pop()
        seen.add(name)
        text = client.ask("GET", name).body.decode()
        scripts |= {f"/static/{other}" for other in re.findall(r'from "\./([\w-]+\.js)"', text)}
        scripts |= set(re.findall(r'"(/static/[\w-]+\.js)"', text))
    assert len(seen) >= 12
    for name in {*names, *seen}:
        answer = client.ask("GET", name)
        assert answer.status == 200
        assert not re.findall(rb"https?://(?!www\.w3\.org/2000/svg)", answer.body), name
