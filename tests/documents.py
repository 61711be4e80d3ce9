"""Requests that are made from the OpenAPI document of a service, and sent to it.

What makes them is loaded by the tests that need it, as it takes longer than most tests.
"""

from collections.abc import Callable
from typing import Any, Final

from hypothesis import given
from local.servers import PATIENCE
from tests.examples import examples

MODES: Final = ("positive", "negative")
"""Kinds of requests: valid ones, and invalid ones."""


def check_operations(
    base: str, mode: str, count: int, headers_of: Callable[[str], dict[str, str]], strict: str = ""
) -> None:
    """Send requests to each operation of a document; the answers must have its shapes.

    Args:
        base: Address of the service.
        mode: Whether requests are valid or invalid; some operations take nothing that can be wrong.
        count: The number of operations that the document must have, all of them well-formed.
        headers_of: Returns the headers of a request to a path.
        strict: Part of the paths whose valid requests must be accepted; of none if empty.
    """
    import schemathesis  # noqa: PLC0415
    from schemathesis.core.result import Ok  # noqa: PLC0415
    from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: PLC0415

    kind = schemathesis.GenerationMode(mode)
    document = schemathesis.openapi.from_url(f"{base}/openapi.json", headers=headers_of(""))
    found = list(document.get_all_operations())
    well_formed = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(well_formed) == len(found) == count
    for operation in well_formed:
        if mode == "negative" and not (operation.body or operation.query):
            continue

        @examples(8, 200, derandomize=True, database=None)
        @given(case=operation.as_strategy(generation_mode=kind))
        def conforms(case: Any) -> None:
            is_strict = strict and strict in case.path
            excluded = [] if is_strict else [positive_data_acceptance]
            headers = headers_of(case.path)
            case.call_and_validate(headers=headers, excluded_checks=excluded, timeout=PATIENCE)

        conforms()
