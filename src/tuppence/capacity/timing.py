"""Time-outs, visibility and retries as one set: change one, and what follows from it changes.

engine's try  <  function's time-out  <  visibility of its messages
"""

from dataclasses import dataclass
from typing import Final

VISIBILITY: Final = 6
"""A message stays hidden for so many time-outs of its function: AWS asks for at least that, since
a function that is throttled keeps what it has received."""
ATTEMPTS: Final = 5
"""Tries of an engine within one invocation."""
MOST_SECONDS: Final = 900
"""The longest that a function may run on AWS."""
MAX_RECEIVES: Final = 1_000
"""The most that SQS counts before it moves a message to the dead-letter queue."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """In seconds.

    Attributes:
        customer: Time-out of the function that lists customers; it goes on in another call.
        rule: Time-out of the function that cuts pages.
        invoke: Time-out of the function that has items evaluated.
        publish: Time-out of the functions that make and publish rulesets.
        engine: One try of an engine may take.
        longest_wait: Between two tries, at most.
        margin: What a function keeps back, to end in good order.
        tries: A page goes to the dead-letter queue when it was received so often, and so does an
            item that an engine refuses.
        max_receives: An item is received so often at most; engines that are busy, restarting or out
            of reach do not have it given up before.

    Raises:
        ValueError: They do not go together.
    """

    customer: int = 900
    rule: int = 60
    invoke: int = 60
    publish: int = 300
    engine: float = 10.0
    longest_wait: float = 4.0
    margin: float = 2.0
    tries: int = 5
    max_receives: int = MAX_RECEIVES

    def __post_init__(self) -> None:
        if self.longest_backoff >= self.invoke - self.margin:
            raise ValueError(f"the waits between tries, {self.longest_backoff} s, are too long")
        if self.engine + self.margin > self.invoke:
            raise ValueError("a function has no time for one try of an engine")
        if max(self.customer, self.rule, self.invoke, self.publish) > MOST_SECONDS:
            raise ValueError(f"a function cannot run for more than {MOST_SECONDS} s")
        if not 2 <= self.tries <= self.max_receives <= MAX_RECEIVES:
            raise ValueError(f"tries are 2 at least, and at most the {MAX_RECEIVES} of SQS")

    @property
    def longest_backoff(self) -> float:
        """All waits of an item in one invocation, at most."""
        return (ATTEMPTS - 1) * self.longest_wait

    @property
    def rule_visibility(self) -> int:
        """Of pages."""
        return VISIBILITY * self.rule

    @property
    def invoke_visibility(self) -> int:
        """Of work items."""
        return VISIBILITY * self.invoke
