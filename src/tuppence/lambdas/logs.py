"""Log lines of the functions, with the same keys as those of the services (see `tuppence.logs`)."""

import json
from typing import Any, Final

from aws_lambda_powertools import Logger

_KEYS: Final = {"timestamp": "time", "message": "event", "function_request_id": "request_id"}
_OMITTED: Final = frozenset({"function_arn", "function_memory_size", "function_name"})
"""Keys that the name of the log group already tells."""


def function_logger(service: str) -> Logger:
    """Return the logger of a function.

    Args:
        service: Name of the function in every line.
    """
    return Logger(
        service=service, location=None, utc=True, use_rfc3339=True, json_serializer=_encode
    )


def _encode(line: dict[str, Any]) -> str:
    renamed = {_KEYS.get(key, key): x for key, x in line.items() if key not in _OMITTED}
    return json.dumps(renamed, default=str)
