"""PortAudio streams: one for input, one for output, never one for both, which loses samples without a word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..config import NATIVE_RATES
from ..errors import DeviceError
from .devices import DeviceInfo, Kind, closed, opening, portaudio
from .priority import CALLBACK_PRIORITY, promote_thread
from .sound_server import choosing

Callback = Callable[[Any, int, Any, Any], None]

_DEVICE_UNAVAILABLE = -9985
_WRONG_CHANNELS, _WRONG_RATE, _WRONG_FORMAT = -9998, -9997, -9994


class NoCommonRateError(DeviceError):
    """Devices that can all be asked, and take no rate that all of them take."""


class DeviceStream:
    """One open direction of one device. float32, two channels where the device has them.

    Args:
        device: where.
        kind: ``"input"`` or ``"output"``.
        sample_rate: Hz, one that `agree_on_rate` found.
        block_length: samples a callback.
        latency: ``"low"``, ``"high"`` or seconds: what to ask of the driver.
        callback: called in the driver's thread, ``(data, frames, time, status)``.

    Attributes:
        latency_seconds: what the driver says it holds.
        calls: how often it has called back.
        slow_thread: the system's number of the thread that calls back, where it could not be made to go first.

    Raises:
        DeviceError: the device is busy, gone or forbidden.
    """

    def __init__(
        self,
        device: DeviceInfo,
        kind: Kind,
        sample_rate: int,
        block_length: int,
        latency: str | float,
        callback: Callback,
    ) -> None:
        sounddevice = portaudio()
        stream_class = sounddevice.InputStream if kind == "input" else sounddevice.OutputStream
        self._device, self._kind = device, kind
        self._callback, self.calls = callback, 0
        self.slow_thread: int | None = None
        try:
            with opening(self), choosing(kind, device.server_name):
                self._stream = stream_class(
                    device=device.portaudio_index,
                    samplerate=sample_rate,
                    blocksize=block_length,
                    channels=_accepted_channels(device, kind, sample_rate),
                    dtype="float32",
                    latency=latency,
                    callback=self._call_back,
                    extra_settings=_extra_settings(device),
                )
        except sounddevice.PortAudioError as error:
            raise _explained(error, device, kind) from None
        self.latency_seconds: float = self._stream.latency

    def _call_back(self, data: Any, frames: int, time: Any, status: Any) -> None:
        if not self.calls and not promote_thread(CALLBACK_PRIORITY):  # the driver's thread: only from inside
            self.slow_thread = threading.get_native_id()
        self.calls += 1
        self._callback(data, frames, time, status)

    @property
    def active(self) -> bool:
        """False once the driver has given the stream up."""
        return bool(self._stream.active)

    def start(self) -> None:
        """Start calling back. Raises DeviceError when the device is gone meanwhile."""
        try:
            self._stream.start()
        except portaudio().PortAudioError as error:
            raise _explained(error, self._device, self._kind) from None

    def stop(self) -> None:
        """Stop at once, without playing what waits, and close."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        closed(self)


def agree_on_rate(devices: Sequence[tuple[DeviceInfo, Kind]], wishes: Sequence[int] = ()) -> int:
    """The first sample rate in Hz that all devices take.

    Tried are the wishes (a file's rate), the devices' own rates where the engine runs at them natively, 48 kHz and the
    other native rates downwards, and the devices' own rates whatever they are.

    Raises:
        DeviceError: they have none in common, or one of them cannot be asked.
    """
    own = [device.sample_rate for device, _ in devices]
    native = [rate for rate in own if rate in NATIVE_RATES]
    tried = list(dict.fromkeys([*wishes, *native, *sorted(NATIVE_RATES, reverse=True), *own]))
    for rate in tried:
        if all(_accepted_channels(device, kind, rate) for device, kind in devices):
            return rate
    names = " and ".join(repr(device.name) for device, _ in devices)
    raise NoCommonRateError(
        f"{names} {'have no sample rate in common' if len(devices) > 1 else 'takes no known sample rate'} "
        f"(tried {', '.join(map(str, tried))} Hz); set 48000 Hz in the system's sound settings or choose another device"
    )


def agree_on_rates(devices: Sequence[tuple[DeviceInfo, Kind]], wishes: Sequence[int] = ()) -> dict[Kind, int]:
    """The rate for each kind of device: one for all if there is one, else for each what `agree_on_rate` finds.

    A headset's microphone over Bluetooth has 8 or 16 kHz, and what it plays to may take 48 only.
    """
    if len(devices) > 1:
        try:
            return dict.fromkeys([kind for _, kind in devices], agree_on_rate(devices, wishes))
        except NoCommonRateError:
            pass
    return {kind: agree_on_rate([(device, kind)], wishes) for device, kind in devices}


def _accepted_channels(device: DeviceInfo, kind: Kind, sample_rate: int) -> int:
    """Channels to open at a rate: two, one, or all of them; 0 if the device does not take the rate."""
    sounddevice = portaudio()
    check = sounddevice.check_input_settings if kind == "input" else sounddevice.check_output_settings
    most = device.channels(kind)
    for channels in dict.fromkeys([min(2, most), 1, most]):
        try:
            check(device.portaudio_index, channels, "float32", _extra_settings(device), sample_rate)
        except sounddevice.PortAudioError as error:
            if _code(error) not in (_WRONG_CHANNELS, _WRONG_RATE, _WRONG_FORMAT):
                raise _explained(error, device, kind) from None
        else:
            return channels
    return 0


def _extra_settings(device: DeviceInfo) -> Any:
    """Shared WASAPI takes the mixer's rate only, unless it is told to convert.

    CoreAudio converts any rate, at its best quality, and leaves the device as other programs want it, by default.
    """
    return portaudio().WasapiSettings(auto_convert=True) if "WASAPI" in device.host_api else None


def _explained(error: Exception, device: DeviceInfo, kind: Kind) -> DeviceError:
    if _code(error) == _DEVICE_UNAVAILABLE:
        return DeviceError(
            f"{kind} device {device.name!r} is in use by another program or gone; close that program or choose another "
            "device, see `rtdenoise devices`"
        )
    reason = str(error).split("\n")[0]
    return DeviceError(
        f"{kind} device {device.name!r} cannot be opened ({reason}); is the sound server running, and may this program "
        "use the device? For others see `rtdenoise devices`"
    )


def _code(error: Exception) -> int:
    return next((argument for argument in error.args if isinstance(argument, int)), 0)
