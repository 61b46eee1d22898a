"""Hazard: those who look after the server see something else than what is."""

from __future__ import annotations

import json

from prometheus_client.parser import text_string_to_metric_families
from serving import begin, client, end, fetch, refusal, run, server, stream

import rtdenoise


def values(page: str) -> dict[str, float]:
    """Samples by name; labels in braces."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


async def metrics(there, port=None) -> dict[str, float]:
    status, page = await fetch(there, "/metrics", port=port)
    assert status == 200
    return values(page)


def test_metrics_count_what_happened(identity):
    async def scenario():
        async with server(identity) as there:
            before = await metrics(there)
            async with client(there) as running:
                await begin(running)
                await stream(there, bytes(32000), list(range(3200, 32000, 3200)))
                async with client(there) as bad:
                    await begin(bad)
                    await bad.send(b"odd")
                    await refusal(bad)
                during = await metrics(there)
                await end(running)
            return before, during

    before, during = run(scenario())
    prefix = "rtdenoise_serve"
    assert before[f"{prefix}_streams"] == before[f"{prefix}_blocks_total"] == 0
    assert during[f"{prefix}_streams"] == 1
    assert during[f"{prefix}_streams_begun_total"] == 3
    assert during[f"{prefix}_blocks_total"] == 10
    assert abs(during[f"{prefix}_audio_seconds_total"] - 1.0) < 1e-9
    assert during[f"{prefix}_errors_total{{reason=odd_bytes}}"] == 1
    assert during[f"{prefix}_connections"] >= 2  # the stream, and this page's own
    assert during[f"{prefix}_queue_blocks"] == 0
    assert during[f"{prefix}_info{{version={rtdenoise.__version__}}}"] == 1
    for name in ("processing", "delay"):
        histogram = f"{prefix}_{name}_seconds"
        assert during[f"{histogram}_count"] == during[f"{histogram}_bucket{{le=+Inf}}"] == 10
        counts = [value for sample, value in during.items() if sample.startswith(f"{histogram}_bucket")]
        assert counts == sorted(counts)
        assert 0 < during[f"{histogram}_sum"] < 10
    assert during[f"{prefix}_delay_seconds_sum"] > during[f"{prefix}_processing_seconds_sum"]


def test_health_says_how_it_is(identity):
    async def scenario():
        async with server(identity, limits={"clients": 7}) as there, client(there) as socket:
            await begin(socket)
            fine = await fetch(there, "/health")
            there.draining = True
            draining = await fetch(there, "/health?verbose")
            await end(socket)
            return fine, draining, dict(there.metrics.errors)

    fine, draining, errors = run(scenario())
    assert fine[0] == 200
    assert json.loads(fine[1]) == {
        "status": "ok",
        "streams": 1,
        "max_streams": 7,
        "version": rtdenoise.__version__,
    }
    assert draining[0] == 503
    assert json.loads(draining[1])["status"] == "draining"
    assert not errors


def test_a_port_of_their_own(identity):
    async def scenario():
        async with server(identity, metrics_port=0) as there:
            assert there.metrics_port not in (0, there.port)
            assert "rtdenoise_serve_streams" in await metrics(there, port=there.metrics_port)
            assert (await fetch(there, "/health", port=there.metrics_port))[0] == 200
            assert (await fetch(there, "/health"))[0] == 200
            assert (await fetch(there, "/metrics"))[0] == 404
            handshake = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
            handshake.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            assert (await fetch(there, "/", *handshake, port=there.metrics_port))[0] == 404

    run(scenario())


def test_other_pages_are_not_there(identity):
    async def scenario():
        async with server(identity) as there:
            for path in ("/index.html", "/../../etc/passwd", "/stream"):
                status, text = await fetch(there, path)
                assert (status, text) == (404, "there is nothing here; there is /, /health, /metrics\n")
            status, text = await fetch(there, "/")  # a browser's address bar
            assert status == 426
            assert "WebSocket" in text
            return dict(there.metrics.errors)

    assert run(scenario()) == {"http_404": 3, "http_426": 1}
