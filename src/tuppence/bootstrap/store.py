"""Opens a store in a folder, and checks or compacts one as a whole."""

from pathlib import Path

from tuppence.adapters.embedded.checking import check_store as check_store  # noqa: PLC0414
from tuppence.adapters.embedded.checking import upgrade_store as upgrade_store  # noqa: PLC0414
from tuppence.adapters.embedded.store_folder import StoreFolder as StoreFolder  # noqa: PLC0414


def open_store(path: Path) -> StoreFolder:
    """Return the store in a folder, without checking whether it exists."""
    return StoreFolder(path)
