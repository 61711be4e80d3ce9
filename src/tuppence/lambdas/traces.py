"""Traces of the functions, which continue those that messages carry."""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuppence import tracing
from tuppence.bootstrap.tracing import begin_tracing

Handler: TypeAlias = Callable[[dict[str, Any], LambdaContext], Any]


def traced(service: str) -> Callable[[Handler], Handler]:
    """Return a decorator of a handler: each call sends its spans, as AWS may stop the process.

    Args:
        service: Name of the function.
    """
    send_spans = begin_tracing(service)

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def call(event: dict[str, Any], context: LambdaContext) -> Any:
            try:
                if "Records" in event:  # each message has a span of its own
                    return handler(event, context)
                with tracing.span(service, "SERVER"):
                    return handler(event, context)
            finally:
                send_spans()

        return call

    return decorate


def message_span(
    name: str, record: SQSRecord, run_id: str, page: int
) -> AbstractContextManager[Any]:
    """Return a span of the work on a message, in the trace that the message carries.

    Args:
        name: Name of the span.
        record: The message.
        run_id: Run that it belongs to.
        page: Page of the run that it belongs to.
    """
    attributes: dict[str, tracing.Attribute] = {"run.id": run_id, "page.number": page}
    return tracing.span(name, "CONSUMER", _carried(record), attributes)


def _carried(record: SQSRecord) -> Mapping[str, str]:
    attributes = record.raw_event.get("messageAttributes") or {}
    return {name: attributes[name]["stringValue"] for name in tracing.CARRIED if name in attributes}
