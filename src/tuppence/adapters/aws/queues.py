"""Queues in SQS: a standard queue for pages, a FIFO queue for work items."""

import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tuppence import tracing
from tuppence.adapters.aws.clients import aws_errors
from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import FleetItem, Page

MAX_MESSAGES: Final = 10
"""Maximum number of messages in one request."""
MAX_BYTES: Final = 1_000_000
"""Maximum size of the messages in one request; SQS accepts 1,048,576."""
ATTEMPTS: Final = 5
"""Maximum number of attempts at messages that SQS rejects while it accepts others of a request."""


class SqsQueue:
    """A queue in SQS. Implements the port Queue; it is thread-safe.

    In a FIFO queue, items of the same customer are delivered one after another. Group identifiers
    are digests, which contain no personal data.

    Args:
        client: Client of SQS.
        url: Address of the queue; that of a FIFO queue ends with `.fifo`.
        deduplicate: Whether a FIFO queue accepts the same item of the same run only once in five
            minutes. SQS discards the others without an error, even if the first was taken out of
            the queue meanwhile.
    """

    def __init__(self, client: Any, url: str, *, deduplicate: bool = True) -> None:
        self._client = client
        self._url = url
        self._deduplicate = deduplicate

    def send(self, messages: Sequence[Page | FleetItem]) -> None:
        """Send messages; those that SQS rejects are sent again."""
        with aws_errors("queue", f"the queue {self._url.rsplit('/', 1)[-1]}"):
            for entries in _requests([self._entry(message) for message in messages]):
                self._send(entries)

    def _send(self, entries: Sequence[dict[str, Any]]) -> None:
        left = list(entries)
        for attempt in range(ATTEMPTS):
            time.sleep(0.1 * attempt)
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=left)
            failed = {entry["Id"] for entry in answer.get("Failed", ())}
            left = [entry for entry in left if entry["Id"] in failed]
            if not left:
                return
        code = next(iter(answer["Failed"]))["Code"]
        message = f"the queue rejected {len(left)} messages: {code}"
        raise UserError("queue.unavailable", message, "try again later")

    def postpone(self, delays: Mapping[str, int]) -> None:
        """Make messages visible again after a delay, instead of the queue's visibility timeout.

        Args:
            delays: Seconds by receipt handle; at most as many as SQS delivers in one batch.

        Raises:
            UserError: AWS refuses, or cannot be reached.
        """
        if not delays:
            return
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, (handle, seconds) in enumerate(delays.items())
        ]
        with aws_errors("queue", f"the queue {self._url.rsplit('/', 1)[-1]}"):
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _entry(self, message: Page | FleetItem) -> dict[str, Any]:
        entry: dict[str, Any] = {"MessageBody": msgspec.json.encode(message).decode()}
        if carried := _carrier(message):
            entry["MessageAttributes"] = carried
        if isinstance(message, FleetItem) and self._url.endswith(".fifo"):
            name = f"{message.run_id} {message.page} {message.number}"
            entry["MessageGroupId"] = _digest(message.customers[0])
            entry["MessageDeduplicationId"] = (
                _digest(name) if self._deduplicate else uuid.uuid4().hex
            )
        return entry


def _carrier(message: Page | FleetItem) -> dict[str, Any]:
    """Return the attributes of a message that carry its trace.

    Each page begins a trace of its own: that of a whole run would have millions of spans.
    """
    if isinstance(message, FleetItem):
        found = tracing.carrier()
    else:
        attributes: dict[str, tracing.Attribute] = {
            "run.id": message.run_id,
            "page.number": message.number,
        }
        with tracing.span("page", "PRODUCER", attributes=attributes, root=True):
            found = tracing.carrier()
    return {name: {"DataType": "String", "StringValue": value} for name, value in found.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _requests(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the entries in as few requests as the limits of SQS allow."""
    request: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        length = len(entry["MessageBody"].encode())
        if request and (len(request) == MAX_MESSAGES or size + length > MAX_BYTES):
            yield request
            request, size = [], 0
        request.append(entry | {"Id": str(len(request))})
        size += length
    if request:
        yield request
