"""Timeouts, visibility and retries as one consistent set.

timeout of an engine  <  timeout of a function  <  visibility of its messages
"""

from dataclasses import dataclass
from typing import Final

VISIBILITY: Final = 6
"""Visibility timeout of a message in multiples of its function's timeout: AWS recommends at least
this, since a throttled function keeps the messages that it has received."""
ATTEMPTS: Final = 5
"""Maximum number of attempts at an engine in one call of a function."""
MAX_SECONDS: Final = 900
"""Maximum timeout of a function on AWS."""
MAX_RECEIVES: Final = 1_000
"""Maximum number of receives that SQS supports before a message goes to the dead-letter queue."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Timeouts in seconds, and numbers of retries.

    Attributes:
        customer: Timeout of the function that lists customers, which can continue in another call.
        rule: Timeout of the function that splits pages.
        invoke: Timeout of the function that has items evaluated.
        publish: Timeout of the functions that build and publish rulesets, or watch a run.
        engine: Timeout of one attempt at an engine.
        longest_wait: Maximum pause between two attempts.
        margin: Time that a function reserves for its end.
        tries: Number of receives after which a page, or an item that an engine refuses, goes to
            the dead-letter queue.
        max_receives: Maximum number of receives of an item; until then it is not given up because
            engines are busy, restarting or out of reach.

    Raises:
        ValueError: The values are inconsistent.
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
            raise ValueError(f"the pauses between attempts, {self.longest_backoff} s, are too long")
        if self.engine + self.margin > self.invoke:
            raise ValueError("the invoke function has no time for one attempt at an engine")
        if max(self.customer, self.rule, self.invoke, self.publish) > MAX_SECONDS:
            raise ValueError(f"a function cannot run for more than {MAX_SECONDS} s")
        if not 2 <= self.tries <= self.max_receives <= MAX_RECEIVES:
            raise ValueError(f"tries and max_receives must be between 2 and {MAX_RECEIVES}")

    @property
    def longest_backoff(self) -> float:
        """Maximum total of the pauses between attempts in one call of a function."""
        return (ATTEMPTS - 1) * self.longest_wait

    @property
    def rule_visibility(self) -> int:
        """Visibility timeout of pages."""
        return VISIBILITY * self.rule

    @property
    def invoke_visibility(self) -> int:
        """Visibility timeout of work items."""
        return VISIBILITY * self.invoke
