"""Operations on the fleet of an environment."""

from typing import Any

import msgspec

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.adapters.aws.functions import invoke_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import redrive
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.fleet.progress import Progress, progress


class Fleet:
    """Operates the fleet of an environment.

    Args:
        environment: Name of the environment, such as `prod`.

    Raises:
        UserError: There is no such environment, or AWS cannot be reached.
    """

    def __init__(self, environment: str) -> None:
        self._environment = environment
        name = f"tuppence-{environment}-data"
        with aws_errors("fleet", f"the stack {name}"):
            (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        self._outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def start(self, start: Start) -> dict[str, Any]:
        """Start a run, and return the answer of the customer function.

        Raises:
            UserError: The function ended with an error.
        """
        return self._invoke("customer", msgspec.json.encode(start))

    def convert(self, start: Start) -> dict[str, Any]:
        """Build and publish a ruleset, and return the answer of the convert function."""
        return self._invoke("convert", msgspec.json.encode(start))

    def refresh(self, ruleset: str) -> dict[str, Any]:
        """Have every engine serve a ruleset, and return the answer of the refresh function."""
        return self._invoke("refresh", msgspec.json.encode({"ruleset": ruleset} if ruleset else {}))

    def progress(self, run_id: str) -> Progress:
        """Return the progress of a run."""
        ledger = DynamoLedger(client("dynamodb"), self._outputs["LedgerTable"])
        return progress(run_id, ledger)

    def redrive(self) -> tuple[int, int]:
        """Send given-up messages again, and return the number of pages and of items."""
        sqs, at = client("sqs"), self._outputs
        pages = redrive(sqs, at["DeadPagesUrl"], at["CustomerQueueUrl"])
        return pages, redrive(sqs, at["DeadItemsUrl"], at["InvokeQueueUrl"])

    def _invoke(self, label: str, payload: bytes) -> dict[str, Any]:
        return invoke_function(f"tuppence-{self._environment}-{label}", payload)
