"""Opens the personal data in a store."""

from tuppence.adapters.embedded.privacy import PersonalFolder
from tuppence.adapters.embedded.store_folder import StoreFolder


def personal_folder(store: StoreFolder) -> PersonalFolder:
    """Return the access to personal data in a store."""
    return PersonalFolder(store)
