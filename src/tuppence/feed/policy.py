"""The policy of a feed: what its author decides for all rules together, in the file `feed.yaml`."""

import functools
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.schema import FieldType, Schema
from tuppence.feed.preferences import QuietHours, is_time_zone
from tuppence.rules.definition import loose_schema
from tuppence.rules.rule import Cap, Change, Days, Identifier, InsightKind, Rule
from tuppence.structured import read_yaml

URGENT: Final = 1
"""The tier of insights that no cap of the policy holds back."""
USUAL: Final = 2
"""The tier of insights of which nobody has said another."""
PROMOTIONS: Final = 9
"""The tier of financial promotions, which is always the last one."""
Tier = Annotated[int, Meta(ge=URGENT, le=PROMOTIONS - 1)]


class PolicyCap(Cap, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A limit on how often insights are seen; it holds for all tiers but the first.

    An insight counts once for each day on which it is seen.

    Attributes:
        at_most: Number of days on which insights may be seen, added up over insights.
        days: Length of the rolling period in days, of which the present day is the last.
        of: The insights that are counted together: each `insight` by itself, those of one `topic`,
            those of one `kind`, all financial `promotions`, or `everything`.
        only: The one topic or kind that is limited; each of them if omitted.
    """

    of: Literal["insight", "topic", "kind", "promotions", "everything"]
    only: Identifier | None = None

    def __post_init__(self) -> None:
        if self.only is not None and self.of not in {"topic", "kind"}:
            raise ValueError("only is allowed with of: topic and of: kind")
        if self.of == "kind" and self.only not in {None, *_KINDS}:
            raise ValueError(f"there is no kind {self.only}; kinds are {', '.join(_KINDS)}")

    def group(self, rule: Rule | None) -> str | None:
        """Return the group of insights in which a rule's insight counts; None if in none.

        Args:
            rule: The rule; None for one that is no longer in force.
        """
        if self.of == "everything":
            return ""
        if rule is None:
            return None
        match self.of:
            case "insight":
                return rule.id
            case "promotions":
                return "" if rule.promotes else None
        name = rule.topic if self.of == "topic" else rule.kind
        return name if self.only in {None, name} else None


class PolicyValue(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The value of insights to whoever offers them: a factor on the odds of a click.

    Attributes:
        of: Whether one `insight` or all of a `kind` have it.
        only: The insight's rule, or the kind.
        value: The factor, from 0.01 to 100; 1 changes nothing.
    """

    of: Literal["insight", "kind"]
    only: Identifier
    value: Annotated[float, Meta(ge=0.01, le=100)]

    def __post_init__(self) -> None:
        if self.of == "kind" and self.only not in _KINDS:
            raise ValueError(f"there is no kind {self.only}; kinds are {', '.join(_KINDS)}")


_KINDS: Final[tuple[str, ...]] = get_args(InsightKind)


class Policy(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True, dict=True
):
    """The settings of all insights of a feed, which a rule file may override.

    Attributes:
        name: Name of the policy, which is logged with every view.
        places: Maximum number of insights in a feed.
        tiers: Tier of the insights of a kind; 2 if omitted. Tier 1 is urgent: no cap of the policy
            holds it back, and nothing is promoted beside it.
        caps: Limits on how often insights are seen.
        brings_back: Change of a number that brings an acknowledged insight of a kind back, in
            percent; any other value brings it back when it differs. Insights of other kinds do not
            come back.
        mute_days: Number of days that an insight stays away after it was not helpful.
        longest_snooze_days: Longest time that an insight may be snoozed.
        vulnerable: A declared attribute of customers; nothing is promoted where it is true or
            unknown. Without it nobody is known to be vulnerable.
        time_zone: Time zone of customers who have not chosen one, such as Europe/London.
        values: Values of insights or kinds, which order learned feeds together with the chance of
            a click. They change no tier, and nothing in rule order.
        quiet_hours: Hours in which nobody is told of anything who has not chosen others.
        digest: Maximum number of insights that a person is told of at once.
    """

    name: Identifier = "standard"
    places: Annotated[int, Meta(ge=1, le=100)] = 5
    tiers: dict[InsightKind, Tier] = {}
    caps: list[PolicyCap] = []
    brings_back: dict[InsightKind, Change] = {}
    mute_days: Days = 60
    longest_snooze_days: Annotated[int, Meta(ge=1, le=366)] = 90
    vulnerable: str | None = None
    time_zone: str = "Europe/London"
    values: list[PolicyValue] = []
    quiet_hours: QuietHours = QuietHours("21:00", "08:00")
    digest: Annotated[int, Meta(ge=1, le=20)] = 3

    def value_points(self, rule_id: str, kind: str) -> int:
        """Return the points that values add to an insight: a hundred for each logit."""
        factors = [
            one.value for one in self.values if one.only == (kind if one.of == "kind" else rule_id)
        ]
        return round(100 * math.log(math.prod(factors)))

    @functools.cached_property
    def version(self) -> str:
        """The name with a digest of all that the policy says."""
        content = msgspec.json.encode(self, order="sorted")
        return f"{self.name}:{hashlib.sha256(content).hexdigest()[:8]}"

    def tier(self, rule: Rule) -> int:
        """Return the tier of a rule's insight."""
        if rule.promotes:
            return PROMOTIONS
        return rule.feed_settings.tier or self.tiers.get(rule.kind, USUAL)

    def changes(self, rule: Rule, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the changes that bring a rule's insight back, by the names of its values."""
        declared = rule.feed_settings.brings_back
        if declared is not None:
            return declared
        usual = self.brings_back.get(rule.kind)
        return {} if usual is None else dict.fromkeys(values, usual)


STANDARD: Final = Policy(
    caps=[
        PolicyCap(of="insight", at_most=4, days=7),
        PolicyCap(of="promotions", at_most=3, days=7),
    ],
    brings_back={"insight": "20", "saving": "20", "guidance": "20"},
)
"""The policy that holds where no file says another."""


def read_policy(path: Path, schema: Schema) -> Policy:
    """Read a policy file and check it.

    Args:
        path: The file.
        schema: The schema of the facts, which declares the attributes of customers.

    Raises:
        UserError: The file cannot be read, does not have the form of a policy, or names an
            attribute or a time zone that does not exist.
    """
    document = read_yaml(path, Policy)
    policy = document.value

    def wrong(key: str, message: str, hint: str) -> UserError:
        line, column = document.position((key,))
        return UserError("policy.value", f"{path}:{line}:{column}: {message}", hint)

    if policy.vulnerable is not None:
        kinds = {field.name: field.kind for field in schema.attributes}
        if kinds.get(policy.vulnerable) is not FieldType.BOOLEAN:
            declared = ", ".join(n for n, kind in kinds.items() if kind is FieldType.BOOLEAN)
            message = f"vulnerable: customers have no attribute {policy.vulnerable} of type boolean"
            raise wrong("vulnerable", message, f"declared are {declared or 'none'}")
    if not is_time_zone(policy.time_zone):
        message = f"time_zone: there is no time zone {policy.time_zone}"
        raise wrong("time_zone", message, "a time zone is written Europe/London")
    return policy


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file, for editors."""
    return loose_schema(Policy)
