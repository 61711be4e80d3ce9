"""Operations on the fleet of an environment."""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.executions import Execution, begin_execution, execution_of
from tuppence.adapters.aws.functions import invoke_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.adapters.aws.secrets import read_secret
from tuppence.adapters.aws.stacks import stack_outputs
from tuppence.adapters.aws.tasks import migrate_database
from tuppence.logs import pseudonym
from tuppence.usecases.fleet.given_up import send_again
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
        self._outputs = stack_outputs(f"tuppence-{environment}-data")

    def start(self, start: Start) -> dict[str, Any]:
        """Start a run, and return the answer of the customer function.

        Raises:
            UserError: The function ended with an error.
        """
        return self._invoke("customer", msgspec.json.encode(start))

    def convert(self, start: Start) -> dict[str, Any]:
        """Build and publish a ruleset, and return the answer of the convert function."""
        return self._invoke("convert", msgspec.json.encode(start))

    def refresh(self, ruleset: str, edition: Sequence[int | str] | None = None) -> dict[str, Any]:
        """Have every engine serve a ruleset, and return the answer of the refresh function.

        Args:
            ruleset: Digest of the ruleset; the current one if empty.
            edition: Its edition, which replaces no newer one; None if a person has chosen it.
        """
        asked = {"ruleset": ruleset or None, "edition": edition}
        return self._invoke("refresh", msgspec.json.encode(asked))

    def begin_night(self, start: Start) -> str:
        """Begin a night by parts, or resume it; return the ARN of its execution."""
        arn = stack_outputs(f"tuppence-{self._environment}-nights")["NightsArn"]
        return begin_execution(arn, msgspec.json.encode(start).decode())

    def night(self, execution: str) -> Execution:
        """Return how far a night by parts is."""
        return execution_of(execution)

    def progress(self, run_id: str) -> Progress:
        """Return the progress of a run."""
        return progress(run_id, self._ledger)

    def redrive(self, run_id: str) -> tuple[int, int]:
        """Send given-up work of a run again, and return the number of pages and of items."""
        sqs, at = client("sqs"), self._outputs
        pages = SqsQueue(sqs, at["CustomerQueueUrl"])
        items = SqsQueue(sqs, at["InvokeQueueUrl"], deduplicate=False)  # they were sent before
        return send_again(run_id, self._ledger, pages, items)

    def pseudonym(self, customer: str) -> str:
        """Return the name of a customer in the logs of this environment."""
        return pseudonym(read_secret(self._outputs["PseudonymsSecret"]), customer)

    def migrate(self) -> None:
        """Run the task that migrates the database, and wait for its end.

        Raises:
            UserError: The task cannot be started, failed, or did not end in ten minutes.
        """
        name = f"tuppence-{self._environment}"
        outputs = {**stack_outputs(f"{name}-network"), **stack_outputs(f"{name}-migration")}
        migrate_database(client("ecs"), outputs)

    @functools.cached_property
    def _ledger(self) -> DynamoLedger:
        return DynamoLedger(client("dynamodb"), self._outputs["LedgerTable"])

    def _invoke(self, label: str, payload: bytes) -> dict[str, Any]:
        return invoke_function(f"tuppence-{self._environment}-{label}", payload)
