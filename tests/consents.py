"""Generated consents and uses, for what must hold of all of them."""

from hypothesis import strategies as st

from tuppence.facts.consent import Consent, Use

WORDS = (
    "accounts", "balances", "transactions", "transactions:A", "transactions:B", "balances:A",
    "balances:", "transactionsX", "Transactions", "allPsd2", "ReadBalances", "ReadAccountsBasic",
    "ReadTransactionsBasic", "ReadTransactionsDetail", "ReadTransactionsCredits",
    "ReadTransactionsDebits", 'a "quoted", {word}',
)  # fmt: skip
DAYS = st.integers(0, 60)


def uses() -> st.SearchStrategy[Use]:
    """Uses for one or several purposes, on and as of days 0 to 60."""
    purposes = st.frozensets(st.sampled_from(["insights", "account information"]), min_size=1)
    return st.builds(Use, purposes, DAYS, DAYS)


@st.composite
def _consent(draw: st.DrawFn, customer: str, number: int) -> Consent:
    granted = draw(DAYS)
    later = st.none() | st.integers(granted + 1, granted + 40)
    scopes = st.lists(st.sampled_from(WORDS), max_size=6, unique=True)
    full = st.just([word for word in WORDS if word.startswith("Read")])
    return Consent(
        customer,
        str(number),
        draw(st.sampled_from(["insights", "insights", "account information", "marketing"])),
        tuple(draw(scopes | full)),
        "GB",
        granted,
        draw(later),
        draw(later),
        draw(st.none() | st.none() | later),
    )


@st.composite
def consents(draw: st.DrawFn, customer: str) -> list[Consent]:
    """Up to three consents of a customer."""
    return [draw(_consent(customer, number)) for number in range(draw(st.integers(0, 3)))]
