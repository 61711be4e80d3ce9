"""Checks the file of a team: what it may say, and how many approvals it asks for."""

from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from tuppence.errors import UserError
from tuppence.usecases.team_policy import TeamPolicy, read_team_policy, team_schema

WHOLE = """
address: https://console.example
sign_in:
  issuer: https://id.example
  client: tuppence
  secret: env:SECRET
  roles: {insights: author, checkers: reviewer}
approvers:
  - {approvers: 2, reach: 1000}
  - {approvers: 3, percent: 50}
  - {approvers: 2, communication: financial promotion}
idle_minutes: 15
hours: 8
"""


def read(tmp_path: Path, text: str) -> TeamPolicy:
    path = tmp_path / "team.yaml"
    path.write_text(text)
    return read_team_policy(path)


@pytest.mark.parametrize(
    ("reach", "customers", "communication", "needed"),
    [
        (1000, 100_000, "information", 1),
        (1001, 100_000, "information", 2),
        (51, 100, "information", 3),
        (50, 100, "information", 1),
        (0, 0, "information", 1),
        (1, 100, "financial promotion", 2),
        (99, 100, "financial promotion", 3),
    ],
)
def test_larger_reach_needs_more_approvers(
    tmp_path: Path, reach: int, customers: int, communication: str, needed: int
) -> None:
    policy = read(tmp_path, WHOLE)
    assert policy.approvers_of(reach, customers, communication) == needed  # type: ignore[arg-type]


def test_without_a_file_one_approval_is_enough() -> None:
    policy = read_team_policy(None)
    assert policy.approvers_of(10**6, 10**6, "financial promotion") == 1
    assert (policy.idle_minutes, policy.hours) == (30, 10)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("https://id.example", "http://id.example", "an address that begins with https://"),
        ("https://console.example", "https://console.example/x", "a whole host, without a path"),
        ("address: https://console.example\n", "", "sign_in needs the address"),
        ("approvers: 2, reach: 1000", "approvers: 2", "name a reach, a percent or a communication"),
        ("approvers: 3", "approvers: 1", ">= 2"),
        ("insights: author", "insights: owner", "Invalid enum value"),
        ("{insights: author, checkers: reviewer}", "{}", "at least one group"),
        ("hours: 8", "hours: 8\nhuors: 9", "huors"),
        ("idle_minutes: 15", "idle_minutes: 0", ">= 1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in WHOLE
    with pytest.raises(UserError) as error:
        read(tmp_path, WHOLE.replace(before, after))
    assert message in error.value.message


def test_the_schema_takes_what_is_taken_and_no_other_name() -> None:
    validator = jsonschema_rs.validator_for(team_schema())
    assert validator.is_valid(yaml.safe_load(WHOLE))
    assert not validator.is_valid(yaml.safe_load(WHOLE + "huors: 9\n"))
