"""What `rtdenoise devices` and `rtdenoise models` print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..errors import DeviceError


def devices(as_json: bool) -> str:
    """All sound devices as a table, or as a JSON array of objects with the fields of `devices.DeviceInfo`.

    Raises:
        DeviceError: there is no PortAudio, or, for the table, no device.
    """
    from ..live.devices import list_devices

    found = list_devices()
    if as_json:
        return json.dumps([asdict(device) for device in found], indent=2)
    if not found:
        raise DeviceError(
            "there is no sound device: start the sound server (PipeWire, PulseAudio) or plug one in; files, pipes and "
            "`rtdenoise demo` work without"
        )
    rows = [
        (
            str(device.index),
            device.name,
            device.host_api,
            f"{device.input_channels or '-'}{' mic' * device.is_default_input}",
            f"{device.output_channels or '-'}{' speakers' * device.is_default_output}",
            f"{device.sample_rate} Hz",
        )
        for device in found
    ]
    return _table(("index", "name", "system", "inputs", "outputs", "rate"), rows)


def models(as_json: bool) -> str:
    """All packaged models as a table, or as a JSON array of objects with the fields of `model.ModelInfo`."""
    from ..model import available_models

    found = available_models()
    if as_json:
        return json.dumps([asdict(model) | {"path": str(model.path)} for model in found], indent=2)
    rows = [
        (
            model.name,
            model.version,
            f"{model.latency_seconds * 1e3:g} ms",
            f"{model.parameters / 1e3:.0f} k",
            f"{model.macs_per_hop / 1e6:.1f} M",
            model.weights_licence,
        )
        for model in found
    ]
    return _table(("name", "version", "latency", "parameters", "MACs a hop", "licence"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))
