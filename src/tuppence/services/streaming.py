"""Answers that are made while they are sent, and work that ends when its caller is gone."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


class Stream(Response):
    """An answer in chunks. The generator is closed whether or not all of them were sent.

    What it raises before the first chunk is answered as an error.

    Args:
        chunks: The body.
        media_type: Its type.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None], media_type: str) -> None:
        self._chunks = chunks
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        async with aclosing(self._chunks) as chunks:
            chunk = await anext(chunks)
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def in_thread(items: Iterator[T], cancel: Callable[[], None]) -> T | None:
    """Return the next item, made in a thread, or None after the last.

    Args:
        items: Used by one thread at a time.
        cancel: Has the thread end soon; called in another one if the request is cancelled. The
            thread is waited for, so that nothing it holds is given away while it is at work.
    """
    making = asyncio.ensure_future(run_in_threadpool(next, items, None))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(cancel)
            await asyncio.wait([making])
        if not making.cancelled():
            making.exception()  # nobody is left who could be told
        raise
