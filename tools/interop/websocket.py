"""The client of Python's `websockets` against an echo: `websocket.py URL CERTIFICATE`."""

import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus


async def main(url, certificate):
    options = {"max_size": None}
    if url.startswith("wss"):
        options["ssl"] = ssl.create_default_context(cafile=certificate)

    async with connect(url, **options) as peer:
        assert any(one.name == "permessage-deflate" for one in peer.protocol.extensions)
        for text in ["", "x", "Grüße, 世界 😀", "long " * 100_000]:
            await peer.send(text)
            assert await peer.recv() == text
        for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_003]:
            data = os.urandom(length)
            await peer.send(data)
            assert await peer.recv() == data
        await peer.send(["frag", "ment", "", "s"])
        assert await peer.recv() == "fragments"
        waiter = await peer.ping(b"there?")
        await asyncio.wait_for(waiter, 5)
        # Many at once, the answers in order.
        for number in range(2000):
            await peer.send(f"message {number}")
        for number in range(2000):
            assert await peer.recv() == f"message {number}"
        await peer.close(4321, "enough")
        assert peer.close_code == 4321

    big = os.urandom(16 * 1024 * 1024)
    async with connect(url, compression=None, **options) as peer:
        await peer.send(big)
        assert await peer.recv() == big
        try:
            await peer.send([bytes(1024 * 1024)] * 16 + [b"one more"])
            await peer.recv()
            raise AssertionError("a message over the limit came back")
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1009, closed

    try:
        await connect(url.replace("/ws/echo", "/json"), **options)
        raise AssertionError("no WebSocket there")
    except InvalidStatus as invalid:
        assert invalid.response.status_code == 200


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
print("ok")
