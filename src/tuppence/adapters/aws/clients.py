"""Clients of AWS services, and the translation of their errors."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader

from tuppence.errors import TransientError, UserError

ATTEMPTS: Final = 8
"""Attempts of each request: after throttling, a server error or a broken connection it is sent
again, after a growing pause with jitter (botocore's retry mode `standard`)."""
CONNECTIONS: Final = 64
"""Maximum number of connections of a client."""
DAY_SECONDS: Final = 86_400


def client(service: str, seconds: float = 10.0, attempts: int = ATTEMPTS) -> Any:
    """Return a thread-safe client of a service; region and credentials come from the environment.

    Args:
        service: Name of the service, such as `s3`.
        seconds: Timeout of an attempt.
        attempts: Maximum number of attempts.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=2,
        read_timeout=seconds,
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": "path"},
        tcp_keepalive=True,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    return session.create_client(service, config=config)


@functools.cache
def _descriptions() -> Loader:
    """Return a reader of the services' descriptions that keeps the megabytes it has read."""
    return create_loader()


@contextlib.contextmanager
def aws_errors(code: str, what: str) -> Iterator[None]:
    """Raise errors of AWS as errors with a stable code.

    Args:
        code: First part of the code, such as `results`.
        what: The resource that the message names.

    Raises:
        TransientError: `CODE.unavailable`: trying again may help.
        UserError: `CODE.refused`: it does not.
    """
    try:
        yield
    except ClientError as error:
        aws_code = error_code(error)
        if aws_code in _FINAL:
            message = f"{what}: AWS refused: {aws_code}"
            hint = "check that it exists and that the role may use it"
            raise UserError(f"{code}.refused", message, hint) from error
        raise TransientError(
            f"{code}.unavailable", f"{what}: AWS answered {aws_code}", "try again later"
        ) from error
    except BotoCoreError as error:
        message = f"{what}: AWS cannot be reached ({type(error).__name__})"
        raise TransientError(f"{code}.unavailable", message, "try again later") from error


def error_code(error: ClientError) -> str:
    """Return the error code of AWS."""
    return str(error.response.get("Error", {}).get("Code", ""))


_FINAL: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidParameterValue",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
