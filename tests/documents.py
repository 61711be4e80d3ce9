"""Requests that are made from the OpenAPI document of a service."""

from typing import Any

import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.result import Ok


def operations(
    base: str, mode: GenerationMode, count: int, headers: dict[str, str] | None = None
) -> list[Any]:
    """Return the operations of a document of which such requests can be made.

    Args:
        base: Address of the service.
        mode: Whether requests are valid or invalid; some operations take nothing that can be wrong.
        count: The number of operations that the document must have, all of them well-formed.
        headers: Headers of the request for the document.
    """
    document = schemathesis.openapi.from_url(f"{base}/openapi.json", headers=headers or {})
    found = list(document.get_all_operations())
    well_formed = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(well_formed) == len(found) == count
    if mode is GenerationMode.NEGATIVE:
        return [one for one in well_formed if one.body or one.query]
    return well_formed
