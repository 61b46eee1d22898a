"""RTP with G.711 (PCMU, PCMA), as FreeSWITCH and all SIP telephones speak it: denoises it on its way.

    python rtp_gateway.py --listen 127.0.0.1:4000 --to 127.0.0.1:5000

What comes to --listen goes to --to, denoised; what comes back from there goes to where the first came from, as it is.
Packets keep their headers and lengths, so nobody notices but the ear; the sound is 16 ms later. One call; start one for
each. A packet that was lost is silence to the denoiser, one that comes too late is left out.
"""

import argparse
import asyncio

import numpy as np

from rtdenoise.integrations.pcm import PcmDenoiser


def mu_law() -> np.ndarray:
    """The 256 values of PCMU (ITU-T G.711), in 16 bits."""
    code = ~np.arange(256) & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -size, size).astype("<i2")


def a_law() -> np.ndarray:
    """The 256 values of PCMA."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    size = np.where(exponent, (mantissa << 4) + 0x108 << np.maximum(exponent, 1) - 1, (mantissa << 4) + 8)
    return np.where(code & 0x80, size, -size).astype("<i2")


def codes_for(values: np.ndarray) -> np.ndarray:
    """The code of the nearest value, for each sample from -32768 to 32767, indexed by the sample as uint16."""
    order = np.argsort(values, kind="stable")
    middles = (values[order][1:].astype(int) + values[order][:-1]) / 2
    nearest = np.searchsorted(middles, np.arange(-32768, 32768))
    return np.roll(order[nearest], 32768).astype(np.uint8)


#: RTP's payload types for them, both at 8 kHz.
DECODE = {0: mu_law(), 8: a_law()}
ENCODE = {kind: codes_for(values) for kind, values in DECODE.items()}


class Call(asyncio.DatagramProtocol):
    """One call: packets of the caller are denoised, all others are not."""

    LONGEST_GAP = 50  # packets; after more of them it is another stream

    def __init__(self, to: tuple[str, int]) -> None:
        self.to, self.caller, self.last = to, None, None
        self.denoiser = PcmDenoiser(8000, profile="asr")

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        """Called by asyncio."""
        self.transport = transport

    def datagram_received(self, packet: bytes, sender: tuple[str, int]) -> None:
        """Called by asyncio for each packet."""
        if sender == self.to:
            if self.caller:
                self.transport.sendto(packet, self.caller)
            return
        self.caller = sender
        clean = self.denoised(packet)
        if clean is not None:
            self.transport.sendto(clean, self.to)

    def denoised(self, packet: bytes) -> bytes | None:
        """The packet with another payload; as it is where it is no G.711, None where it comes too late."""
        start = 12 + 4 * (packet[0] & 0x0F) if len(packet) >= 12 and packet[0] >> 6 == 2 else len(packet)
        kind = packet[1] & 0x7F if start < len(packet) else None
        if kind not in DECODE or packet[0] & 0x30:  # padding and extensions: not from telephones
            return packet
        number, payload = int.from_bytes(packet[2:4], "big"), np.frombuffer(packet[start:], np.uint8)
        ahead = 1 if self.last is None else (number - self.last + 32768) % 65536 - 32768
        if -self.LONGEST_GAP < ahead < 1:
            return None
        if 1 < ahead < self.LONGEST_GAP:
            self.denoiser.process(bytes(2 * len(payload) * (ahead - 1)))
        self.last = number
        clean = self.denoiser.process(DECODE[kind][payload].tobytes())
        return packet[:start] + ENCODE[kind][np.frombuffer(clean, "<u2")].tobytes()


async def serve(listen: tuple[str, int], to: tuple[str, int]) -> None:
    """Carry one call until the end of days."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Call(to), local_addr=listen)
    print("listening on {}:{}".format(*transport.get_extra_info("sockname")[:2]), flush=True)
    await asyncio.Event().wait()


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=address, default=("127.0.0.1", 4000), metavar="HOST:PORT")
    parser.add_argument("--to", type=address, required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    asyncio.run(serve(options.listen, options.to))
