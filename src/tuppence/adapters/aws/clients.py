"""Clients of AWS, and its errors as ours."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tuppence.errors import UserError

ATTEMPTS: Final = 8
"""Of each request: after a throttle, an error of the server or a broken connection it is sent
again, after a pause that grows and is drawn by chance (the mode `standard` of botocore)."""
CONNECTIONS: Final = 64
DAY_SECONDS: Final = 86_400


def client(service: str, seconds: float = 10.0, attempts: int = ATTEMPTS) -> Any:
    """A client of a service, for many threads; region and credentials come from the environment.

    Args:
        service: Such as `s3`.
        seconds: A try may take.
        attempts: Tries at most.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=2,
        read_timeout=seconds,
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": "path"},
        tcp_keepalive=True,
    )
    return boto3.session.Session().client(service, config=config)


@contextlib.contextmanager
def aws_errors(code: str, what: str) -> Iterator[None]:
    """What AWS refuses, or does not answer, as an error with our code.

    Args:
        code: Its first part, such as `results`: `results.unavailable` where trying again may help,
            `results.refused` where it does not.
        what: What could not be used, for the sentence.
    """
    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {}).get("Code", "")
        if found in _FINAL:
            message = f"{what}: AWS refused: {found}"
            hint = "see that it exists and that the role may use it"
            raise UserError(f"{code}.refused", message, hint) from error
        raise UserError(
            f"{code}.unavailable", f"{what}: AWS answered {found}", "try again later"
        ) from error
    except BotoCoreError as error:
        message = f"{what}: AWS cannot be reached ({type(error).__name__})"
        raise UserError(f"{code}.unavailable", message, "try again later") from error


def error_code(error: ClientError) -> str:
    """What AWS calls an error."""
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
