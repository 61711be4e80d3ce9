"""The fleet of an environment, for those who look after it."""

from typing import Any

import msgspec

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.adapters.aws.functions import invoke_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import redrive
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.fleet.progress import Progress, progress


class Fleet:
    """An environment's fleet, as those who look after it see it.

    Args:
        environment: Its name, such as `prod`.

    Raises:
        UserError: There is none of that name, or AWS cannot be asked.
    """

    def __init__(self, environment: str) -> None:
        self._environment = environment
        name = f"tuppence-{environment}-data"
        with aws_errors("fleet", f"the stack {name}"):
            (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        self._outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def start(self, start: Start) -> dict[str, Any]:
        """Have a run begun: what the customer function answers.

        Raises:
            UserError: The function refuses.
        """
        return self._ask("customer", msgspec.json.encode(start))

    def convert(self, start: Start) -> dict[str, Any]:
        """Have the approved definitions made into a ruleset: what the convert function answers."""
        return self._ask("convert", msgspec.json.encode(start))

    def refresh(self, ruleset: str) -> dict[str, Any]:
        """Have every engine serve a ruleset: what the refresh function answers."""
        return self._ask("refresh", msgspec.json.encode({"ruleset": ruleset} if ruleset else {}))

    def progress(self, run_id: str) -> Progress:
        """Where a run stands."""
        ledger = DynamoLedger(client("dynamodb"), self._outputs["LedgerTable"])
        return progress(run_id, ledger)

    def redrive(self) -> tuple[int, int]:
        """Send what was given up again: how many pages, and how many items."""
        sqs, at = client("sqs"), self._outputs
        pages = redrive(sqs, at["DeadPagesUrl"], at["CustomerQueueUrl"])
        return pages, redrive(sqs, at["DeadItemsUrl"], at["InvokeQueueUrl"])

    def _ask(self, label: str, payload: bytes) -> dict[str, Any]:
        return invoke_function(f"tuppence-{self._environment}-{label}", payload)
