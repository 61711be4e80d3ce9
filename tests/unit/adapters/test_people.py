"""The customers of a store, as feeds need them."""

import contextlib
from pathlib import Path

import pytest
from tests.building import TODAY, bank, rule

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.people import StorePeople
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.nights import night_dependencies
from tuppence.bootstrap.store_feed import read_feed
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.schema import Schema
from tuppence.feed.items import DAY
from tuppence.feel.values import Date
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.run_night import run_night

CARD = "4111111111111111"
NOW = TODAY * DAY


def test_a_service_knows_a_customer_by_one_name_and_the_command_by_the_original_too(
    tmp_path: Path,
) -> None:
    facts = FactStore.create(tmp_path / "store", Schema())
    store = StoreFolder(tmp_path / "store")
    name = store.tokens.of(CARD)
    facts.append(bank([{"booking date": TODAY, "amount": -100}], name), partition_size=10)
    facts.compact()
    ruleset = make_ruleset([rule("true", name="always")])
    use = Use(PURPOSES, TODAY, TODAY)
    run_night(night_dependencies(store, use), ruleset, Date(TODAY), 1, lambda _: None)
    with contextlib.closing(StorePeople(store, PURPOSES, None)) as people:
        assert people.find(name, Date(TODAY)).customer == name
        with pytest.raises(UserError, match="there is no customer"):
            people.find(CARD, Date(TODAY))
        assert (people.has_rule("always"), people.has_rule("never")) == (True, False)
        person, earlier = people.find_with_earlier(name, Date(TODAY))
        assert (person, earlier) == (people.find(name, Date(TODAY)), None)
        run_night(night_dependencies(store, use), ruleset, Date(TODAY + 1), 1, lambda _: None)
        later, earlier = people.find_with_earlier(name, Date(TODAY + 1))
        assert later.as_of == Date(TODAY + 1)
        assert earlier is not None
        assert earlier.day == Date(TODAY)
        assert earlier.person is not None
        assert earlier.person.results == person.results
    feed, _ = read_feed(store, CARD, PURPOSES, None, None, NOW, "en_GB", compare=False)
    assert feed.customer == name
    assert [one.candidate.rule.id for one in feed.items] == ["always"]
