"""The file `team.yaml`: how people sign in to the console, and how many approve which rule."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tuppence.rules.definition import loose_schema
from tuppence.rules.rule import Communication, Text
from tuppence.structured import read_yaml
from tuppence.usecases.team import Role

Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Approvers = Annotated[int, Meta(ge=2, le=5)]


class SignIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """An identity provider with OpenID Connect.

    Attributes:
        issuer: Its address, which is also the issuer of identities.
        client: The identifier of the console there.
        secret: The secret of the console there: a file, or env:NAME.
        roles: The role that each group gives; people in none of them cannot sign in.
        groups: Name of the claim with the groups of a person.
    """

    issuer: Text
    client: Text
    secret: Text
    roles: dict[str, Role]
    groups: Text = "groups"

    def __post_init__(self) -> None:
        _check_address(self.issuer, "issuer")
        if not self.roles:
            raise ValueError("roles: name the role of at least one group")


class Needed(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Rules that need more than one approval; all that is named must be true of them.

    Attributes:
        approvers: Number of people who must approve.
        reach: More customers than this qualify.
        percent: A larger share of all customers than this qualifies.
        communication: The legal class.
    """

    approvers: Approvers
    reach: Count | None = None
    percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    communication: Communication | None = None

    def __post_init__(self) -> None:
        if (self.reach, self.percent, self.communication) == (None, None, None):
            raise ValueError("name a reach, a percent or a communication")

    def holds(self, reach: int, customers: int, communication: Communication) -> bool:
        """Return whether it is about a rule."""
        return (
            (self.reach is None or reach > self.reach)
            and (self.percent is None or 100 * reach > self.percent * customers)
            and self.communication in {None, communication}
        )


class TeamPolicy(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The decisions of a team about its console.

    Attributes:
        address: The address at which people reach the console; https unless it is on this machine.
        sign_in: The identity provider; people have passwords if omitted.
        approvers: Rules that need more than one approval. The largest number that applies counts.
        idle_minutes: Minutes without use after which a session ends.
        hours: Hours after which a session ends, however much it is used.
        proxies: Addresses or networks of load balancers, such as 10.0.0.0/16, whose header
            X-Forwarded-For says who asks. Otherwise all who come through one are one host, and
            one of them can use up the attempts to sign in of all.
    """

    address: Text | None = None
    sign_in: SignIn | None = None
    approvers: list[Needed] = []
    idle_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 30
    hours: Annotated[int, Meta(ge=1, le=168)] = 10
    proxies: list[Text] = []

    def __post_init__(self) -> None:
        if self.address is not None:
            _check_address(self.address, "address")
            if urlsplit(self.address).path not in {"", "/"}:
                raise ValueError("address: the console has a whole host, without a path")
        if self.sign_in is not None and self.address is None:
            raise ValueError("sign_in needs the address, to which people are sent back")
        for one in self.proxies:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                message = f"proxies: {one!r} is no address or network, such as 10.0.0.0/16"
                raise ValueError(message) from None

    def approvers_of(self, reach: int, customers: int, communication: Communication) -> int:
        """Return how many people must approve a rule.

        Args:
            reach: Number of customers who qualify.
            customers: Number of all customers.
            communication: The legal class of the rule.
        """
        found = [
            one.approvers for one in self.approvers if one.holds(reach, customers, communication)
        ]
        return max(found, default=1)


def read_team_policy(path: Path | None) -> TeamPolicy:
    """Return the policy in a file; the standard one if there is no file.

    Raises:
        UserError: The file cannot be read, or something in it has another shape.
    """
    return TeamPolicy() if path is None else read_yaml(path, TeamPolicy).value


def team_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return loose_schema(TeamPolicy)


def _check_address(text: str, name: str) -> None:
    parts = urlsplit(text)
    is_here = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    schemes = {"https", "http"} if is_here else {"https"}
    if parts.scheme not in schemes or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{name}: write an address that begins with https://")
