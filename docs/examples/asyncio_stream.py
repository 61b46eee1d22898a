"""An asyncio stream: raw 16-bit samples come in by TCP, go back denoised, block by block.

    python asyncio_stream.py --port 9000 --rate 16000
    parec --raw --rate=16000 --channels=1 --latency-msec=20 | nc 127.0.0.1 9000 | pacat --raw --rate=16000 --channels=1

`denoised` is what to copy: it goes around any asynchronous iterator of bytes.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator

from rtdenoise import Model
from rtdenoise.integrations.pcm import PcmDenoiser


async def denoised(blocks: AsyncIterator[bytes], rate: int, model: Model) -> AsyncIterator[bytes]:
    """Blocks of 16-bit mono samples, as many bytes out as in, and at the end what was still inside."""
    denoiser = PcmDenoiser(rate, model=model)
    async for block in blocks:
        yield denoiser.process(block)
    yield denoiser.flush()


async def arriving(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whatever has come, at once."""
    while block := await reader.read(65536):
        yield block


async def serve(port: int, rate: int) -> None:
    """Take connections until the end of days."""
    model = Model.load("stream")  # once, for all connections

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for block in denoised(arriving(reader), rate, model):
                writer.write(block)
                await writer.drain()  # one that does not read is not read from either
        except ConnectionError:
            pass  # it has gone
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    print("listening on {}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--rate", type=int, default=16000, help="in Hz (16000)")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.rate))
