"""Streamed answers, and work in threads that ends when its caller disconnects."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Final, TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
AGAIN_SECONDS: Final = 1.0
"""Seconds after which a cancellation that had no effect is repeated."""


class Stream(Response):
    """An answer in chunks. The generator is always closed, even if not all chunks were sent.

    An error that it raises before the first chunk becomes the answer.

    Args:
        chunks: Yields the body.
        media_type: Type of the body.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None], media_type: str) -> None:
        self._chunks = chunks
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
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
    """Return the next item of an iterator that runs in a thread, or None after the last.

    Args:
        items: Iterator, used by one thread at a time.
        cancel: Makes the iterator end soon; called in another thread if the request is cancelled,
            and again until the iterator has ended.
            The iterator's thread is awaited first, so that its resources are not reused while it
            still runs.
    """
    task = asyncio.ensure_future(run_in_threadpool(next, items, None))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not task.done():  # between two queries there is nothing to cancel
                await run_in_threadpool(cancel)
                await asyncio.wait([task], timeout=AGAIN_SECONDS)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not log it: the caller is gone
        raise
