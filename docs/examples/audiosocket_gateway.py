"""Asterisk AudioSocket: takes the noise out of a caller's voice on its way to a voice agent.

    python audiosocket_gateway.py --listen 127.0.0.1:9092 --agent 127.0.0.1:9093

    ; extensions.conf
    same => n,Answer()
    same => n,AudioSocket(${UUID()},127.0.0.1:9092)

The agent is any AudioSocket server; what it says goes to the caller as it is. Without --agent callers hear themselves,
denoised. Messages keep their lengths; the sound is 16 ms later.
"""

import argparse
import asyncio
import struct

from rtdenoise import Model
from rtdenoise.integrations.pcm import PcmDenoiser

#: Kinds of messages that carry 16-bit samples, and their rates in Hz.
AUDIO = dict(zip(range(0x10, 0x19), (8000, 12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000), strict=True))


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: Model | None) -> None:
    """Pass messages on until the end, denoised where there is a model."""
    streams: dict[int, PcmDenoiser] = {}
    try:
        while True:
            header = await reader.readexactly(3)
            kind, length = struct.unpack(">BH", header)
            payload = await reader.readexactly(length)
            if model and kind in AUDIO:
                if kind not in streams:
                    streams[kind] = PcmDenoiser(AUDIO[kind], model=model, profile="asr")
                payload = streams[kind].process(payload)
                header = struct.pack(">BH", kind, len(payload))
            writer.write(header + payload)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # one of the two has hung up
    finally:
        writer.close()


async def serve(listen: tuple[str, int], agent: tuple[str, int] | None) -> None:
    """Take calls until the end of days."""
    model = Model.load("stream")  # once, for all calls

    async def take_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if agent is None:
            await carry(reader, writer, model)
            return
        try:
            agent_reader, agent_writer = await asyncio.open_connection(*agent)
        except OSError as error:
            print(f"the agent at {agent[0]}:{agent[1]} does not answer: {error}", flush=True)
            writer.close()
            return
        await asyncio.gather(carry(reader, agent_writer, model), carry(agent_reader, writer, None))

    server = await asyncio.start_server(take_call, *listen)
    print("listening on {}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
    await server.serve_forever()


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=address, default=("127.0.0.1", 9092), metavar="HOST:PORT")
    parser.add_argument("--agent", type=address, metavar="HOST:PORT")
    options = parser.parse_args()
    asyncio.run(serve(options.listen, options.agent))
