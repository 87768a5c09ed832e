"""Hand connections from this machine's loopback on to an address in a network namespace. Run by path.

forward.py NAMESPACE_FILE ADDRESS PORT PORT_FILE: listens on a free port of 127.0.0.1, writes its number to PORT_FILE,
then steps into the namespace: the listening socket stays where it was made, every later one is made inside.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender has no more, then tell the other side so."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def serve(listening: socket.socket, address: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(connected, sock=listening)
    await server.serve_forever()


def main() -> None:
    namespace, address, port, said = sys.argv[1:5]
    listening = socket.create_server(("127.0.0.1", 0))
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(namespace).open("rb") as opened:
        if libc.setns(opened.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    new = Path(f"{said}.new")
    new.write_text(str(listening.getsockname()[1]))
    new.replace(said)
    asyncio.run(serve(listening, address, int(port)))


if __name__ == "__main__":
    main()
