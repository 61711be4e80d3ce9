"""Structured logs: one JSON object a line, joined across processes by the ids of requests and runs.

Lines name requests, runs, rulesets and callers, never customers. What could quote a customer's data
is left out: messages of exceptions, and the texts of most libraries.
"""

import datetime
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TextIO

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}
"""Attributes that every log record has; all others come from `extra`."""
_KNOWN: Final = frozenset({"tuppence", "uvicorn", "stamina"})
"""Loggers whose texts quote no data."""
_CUSTOMER: Final = "customer"
"""Field of the context with an identifier, which no line shows as it is."""
_ENCODER: Final = json.JSONEncoder(default=str)
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log", default=MappingProxyType({}))


def begin(request_id: str) -> None:
    """Begin a request: lines logged in this task or thread have its id and nothing older."""
    _context.set({"request_id": request_id})


def bind(**fields: str) -> None:
    """Add fields, such as `run_id`, to the lines that are logged in this task or thread."""
    _context.set({**_context.get(), **fields})


def bind_customer(customer: str) -> None:
    """Add a pseudonym of a customer to the lines of this task or thread, if this log has them."""
    bind(**{_CUSTOMER: customer})


def bound(field: str) -> str | None:
    """Return a field that the lines of this task or thread have, None if they do not have it."""
    return _context.get().get(field)


def request_id() -> str | None:
    """Return the id of the request that this task or thread works on, None outside of requests."""
    return bound("request_id")


def pseudonym(key: str, customer: str) -> str:
    """Return the name of a customer in logs; who has the key can find it out, and nobody else."""
    return hmac.new(key.encode(), customer.encode(), hashlib.sha256).hexdigest()[:16]


def write_logs(service: str, stream: TextIO, key: str = "") -> None:
    """Write the log of this process as JSON lines; call it once, when the process starts.

    Args:
        service: Name of the process in every line, such as `rules-engine`.
        stream: Receives the lines.
        key: See `JsonLines`.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(service, key))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Nothing looks for what the lines do not show: that was an eighth of the time of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("tuppence").setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """Formats a log record as one line of ASCII JSON.

    Every line has `time` (UTC), `level`, `service` and `event`, and what `begin` and `bind` gave.
    Fields of `extra` follow where the logger is one of Tuppence. An exception becomes `error`, the
    names of its classes, and `stack`, the places it passed; its message may quote data and is left
    out.

    Args:
        service: Name of the process.
        key: Secret from which pseudonyms of customers are made; lines have none if it is empty.
    """

    def __init__(self, service: str, key: str = "") -> None:
        super().__init__()
        self._service = service
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        root = record.name.partition(".")[0]
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "service": self._service,
            "event": record.getMessage().strip() if root in _KNOWN else "message of a library",
            **self._shown(_context.get()),
        }
        if root == "tuppence":
            line |= {name: x for name, x in vars(record).items() if name not in _STANDARD}
        else:
            line |= {"logger": record.name, "place": f"{record.filename}:{record.lineno}"}
        if record.exc_info and record.exc_info[1]:
            line |= describe(record.exc_info[1])
        return _ENCODER.encode(line)

    def _shown(self, context: Mapping[str, str]) -> dict[str, str]:
        """Return the fields of a context, with a pseudonym in place of a customer."""
        shown = dict(context)
        customer = shown.pop(_CUSTOMER, None)
        if customer is not None and self._key:
            shown[_CUSTOMER] = pseudonym(self._key, customer)
        return shown


def describe(error: BaseException) -> dict[str, list[str]]:
    """Return the classes of an exception and its causes, and the places they passed, as fields."""
    chain = list(_causes(error))
    return {
        "error": [type(one).__name__ for one in chain],
        "stack": [place for one in chain for place in _places(one)],
    }


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(error: BaseException) -> Iterator[str]:
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        path = Path(code.co_filename)
        yield f"{path.parent.name}/{path.name}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
