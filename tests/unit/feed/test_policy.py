"""The policy of a feed, as its author writes it."""

from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import yaml

from tuppence.errors import UserError
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feed.policy import STANDARD, Policy, PolicyCap, policy_schema, read_policy

TEXT = """
name: weekly
places: 3
tiers: {tip: 3, saving: 1}
caps:
  - {of: insight, at_most: 3, days: 7}
  - {of: kind, only: offer, at_most: 2, days: 7}
  - {of: topic, only: energy, at_most: 1, days: 30}
  - {of: everything, at_most: 20, days: 7}
brings_back: {insight: 10, saving: any}
mute_days: 30
longest_snooze_days: 14
vulnerable: needs care
time_zone: Europe/Dublin
"""
SCHEMA = Schema((Field("needs care", FieldType.BOOLEAN, "x"), Field("tariff", FieldType.TEXT, "x")))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "feed.yaml"
    path.write_text(text)
    return path


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    policy = read_policy(write(tmp_path, TEXT), SCHEMA)
    assert policy == Policy(
        name="weekly",
        places=3,
        tiers={"tip": 3, "saving": 1},
        caps=[
            PolicyCap(of="insight", at_most=3, days=7),
            PolicyCap(of="kind", only="offer", at_most=2, days=7),
            PolicyCap(of="topic", only="energy", at_most=1, days=30),
            PolicyCap(of="everything", at_most=20, days=7),
        ],
        brings_back={"insight": "10", "saving": "any"},
        mute_days=30,
        longest_snooze_days=14,
        vulnerable="needs care",
        time_zone="Europe/Dublin",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("place: 3", "unknown field `place`"),
        ("places: 0", "places: Expected `int` >= 1"),
        ("tiers: {tip: 9}", "tiers.*<= 8"),
        ("tiers: {tips: 1}", "tiers: Invalid enum value"),
        ("caps: [{of: kind, only: offers, at_most: 1, days: 1}]", "there is no kind offers"),
        ("caps: [{of: insight, only: a, at_most: 1, days: 1}]", "only is allowed with"),
        ("caps: [{of: insight, at_most: 1, days: 400}]", "days.*<= 366"),
        ("brings_back: {insight: ten}", "brings_back.*matching regex"),
        ("vulnerable: tariff", r"feed.yaml:1:13: .*no attribute tariff of type boolean"),
        ("time_zone: Mars/Base", r"feed.yaml:1:12: .*no time zone Mars/Base"),
        ("a: [", "not YAML"),
    ],
)
def test_a_mistake_in_a_policy_is_named_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_policy(write(tmp_path, text), SCHEMA)


def test_the_schema_for_editors_takes_what_the_program_takes() -> None:
    validator = jsonschema_rs.validator_for(policy_schema())
    assert validator.is_valid(yaml.safe_load(TEXT))
    assert not validator.is_valid({"place": 3})
    assert not validator.is_valid({"caps": [{"of": "insight"}]})


def test_the_standard_policy_is_one_that_can_be_written(tmp_path: Path) -> None:
    text = yaml.safe_dump(msgspec.to_builtins(STANDARD))
    assert read_policy(write(tmp_path, text), Schema()) == STANDARD
