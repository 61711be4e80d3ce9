"""The process of a service."""

import gc

import pytest
import uvicorn
from starlette.applications import Starlette

from tuppence.services.server import NEW_OBJECTS, serve


def test_what_a_service_has_at_its_start_is_not_looked_through_for_cycles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = list[tuple[int, int]]()

    def run(_: uvicorn.Server) -> None:
        found.append((gc.get_freeze_count(), gc.get_threshold()[0]))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    before = gc.get_threshold()
    try:
        serve(Starlette(), "127.0.0.1", 0, 1)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    ((frozen, threshold),) = found
    assert frozen > 1_000
    assert threshold == NEW_OBJECTS
