"""The stack of a nightly run: its schedule and its functions."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra import grants
from infra.functions import CODE, make_function
from infra.nag_suppressions import suppress
from infra.stacks.data import Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.network import Network
from infra.stacks.services import ENGINE_PORT, Services
from tuppence.capacity.environments import (
    FUNCTION_MEMORY,
    MESSAGES_PER_CALL,
    RULE_CONCURRENCY,
    Environment,
)

NAMESPACE: Final = "tuppence"
"""Namespace of the metrics that functions write."""


class Fleet(EnvironmentStack):
    """The functions.

    Attributes:
        customer: Lists the customers of a run.
        rule: Splits pages.
        invoke: Sends items to the engines.
        dead: Enters messages that queues gave up in the ledger.
        watch: Reports the progress of the nightly run.
        convert: Makes rulesets from approved rules.
        refresh: Makes the engines serve a ruleset.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        data: Data,
        services: Services,
    ) -> None:
        super().__init__(scope, environment, "fleet")
        self._network = network
        self._data = data
        timing = environment.timing
        self._settings = {
            "TUPPENCE_RELAY": services.relay_url,
            "TUPPENCE_RELAY_SECRET": data.relay_token.secret_arn,
            "TUPPENCE_ENGINES": services.engines_url,
            "TUPPENCE_ENGINES_SECRET": data.engines_token.secret_arn,
            "TUPPENCE_ENGINES_NAMESPACE": services.namespace_name,
            "TUPPENCE_ENGINES_SERVICE": "engines",
            "TUPPENCE_ENGINES_PORT": str(ENGINE_PORT),
            "TUPPENCE_RULESETS": data.rulesets.bucket_name,
            "TUPPENCE_DEFINITIONS": environment.definitions,
            "TUPPENCE_INBOX": data.inbox.bucket_name,
            "TUPPENCE_LEDGER": data.ledger.table_name,
            "TUPPENCE_CUSTOMER_QUEUE": self._data.customer_queue.queue_url,
            "TUPPENCE_INVOKE_QUEUE": self._data.invoke_queue.queue_url,
            "TUPPENCE_TIME_ZONE": environment.time_zone,
            "TUPPENCE_CUSTOMERS_PER_ITEM": str(environment.customers_per_item),
            "TUPPENCE_RULES_PER_ITEM": str(environment.rules_per_item),
            "TUPPENCE_PSEUDONYMS_SECRET": data.pseudonyms.secret_arn,
            "TUPPENCE_CUSTOMER_FUNCTION": self._name("customer"),
            "TUPPENCE_WHOLE_BY": environment.whole_by,
            "TUPPENCE_TRIES": str(timing.tries),
            "TUPPENCE_ENGINE_SECONDS": str(timing.engine),
            "TUPPENCE_LONGEST_WAIT": str(timing.longest_wait),
            "TUPPENCE_MARGIN_SECONDS": str(timing.margin),
        }
        if not CODE.exists():
            raise FileNotFoundError(f"{CODE} is missing: run `make functions`")
        self.customer = self._customer()
        self.rule = self._rule()
        self.invoke = self._invoke()
        self.dead = self._dead()
        self.watch = self._watch()
        self.refresh = self._refresh()
        self.convert = self._convert()
        self._schedules()
        self._suppress_nags()

    # -- functions -------------------------------------------------------------------------------

    def _customer(self) -> functions.Function:
        timing = self._environment.timing
        found = self._function(
            "customer",
            timing.customer,
            FUNCTION_MEMORY,
            self._reads_relay
            | {
                "TUPPENCE_RULESETS",
                "TUPPENCE_LEDGER",
                "TUPPENCE_CUSTOMER_QUEUE",
                "TUPPENCE_TIME_ZONE",
                "TUPPENCE_CUSTOMERS_PER_ITEM",
                "TUPPENCE_RULES_PER_ITEM",
                "TUPPENCE_MARGIN_SECONDS",
            },
        )
        grants.grant_secret(found, self._data.relay_token)
        grants.grant_rulesets(found, self._data)
        grants.grant_table(found, self._data, self._data.ledger, "GetItem", "PutItem", "UpdateItem")
        grants.grant_send(found, self._data, self._data.customer_queue)
        again = self.format_arn(
            service="lambda",
            resource="function",
            resource_name=self._name("customer"),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        grants.grant(found, again, "lambda:InvokeFunction")
        return found

    def _schedules(self) -> None:
        environment = self._environment
        self._call_by("Watching", "watches the nightly run", "rate(5 minutes)", self.watch)
        if environment.schedule:
            self._call_by("Nightly", "begins the nightly run", environment.schedule, self.customer)
        if environment.publish_schedule:
            what = "publishes what is approved"
            self._call_by("Publishing", what, environment.publish_schedule, self.convert)

    def _call_by(self, label: str, what: str, schedule: str, function: functions.Function) -> None:
        """Make a schedule that calls a function with the time at which the call was due."""
        role = iam.Role(
            self,
            f"{label}Role",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description=f"of the schedule that {what}",
        )
        grants.grant(role, function.function_arn, "lambda:InvokeFunction")
        grants.grant_send(role, self._data, self._data.dead_schedules)
        scheduler.CfnSchedule(
            self,
            label,
            description=what,
            schedule_expression=schedule,
            schedule_expression_timezone=self._environment.time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                input='{"scheduled": "<aws.scheduler.scheduled-time>"}',
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=3),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._data.dead_schedules.queue_arn
                ),
            ),
        )

    def _rule(self) -> functions.Function:
        timing = self._environment.timing
        names = {"TUPPENCE_RULESETS", "TUPPENCE_LEDGER", "TUPPENCE_INVOKE_QUEUE"}
        found = self._function("rule", timing.rule, FUNCTION_MEMORY, names)
        grants.grant_rulesets(found, self._data)
        grants.grant_table(found, self._data, self._data.ledger, "UpdateItem")
        grants.grant_send(found, self._data, self._data.invoke_queue)
        found.add_event_source(
            sources.SqsEventSource(
                self._data.customer_queue,
                batch_size=MESSAGES_PER_CALL,
                report_batch_item_failures=True,
                max_concurrency=RULE_CONCURRENCY,
            )
        )
        return found

    def _invoke(self) -> functions.Function:
        timing = self._environment.timing
        found = self._function(
            "invoke",
            timing.invoke,
            FUNCTION_MEMORY,
            {
                "TUPPENCE_ENGINES",
                "TUPPENCE_ENGINES_SECRET",
                "TUPPENCE_LEDGER",
                "TUPPENCE_INVOKE_QUEUE",
                "TUPPENCE_PSEUDONYMS_SECRET",
                "TUPPENCE_TRIES",
                "TUPPENCE_ENGINE_SECONDS",
                "TUPPENCE_LONGEST_WAIT",
                "TUPPENCE_MARGIN_SECONDS",
            },
        )
        grants.grant_secret(found, self._data.engines_token)
        grants.grant_secret(found, self._data.pseudonyms)
        grants.grant_table(found, self._data, self._data.ledger, "GetItem", "PutItem", "UpdateItem")
        found.add_event_source(
            sources.SqsEventSource(
                self._data.invoke_queue,
                batch_size=MESSAGES_PER_CALL,
                report_batch_item_failures=True,
                max_concurrency=self._environment.invoke_concurrency,
            )
        )
        return found

    def _dead(self) -> functions.Function:
        found = self._function(
            "dead", self._environment.timing.rule, FUNCTION_MEMORY, {"TUPPENCE_LEDGER"}
        )
        grants.grant_table(found, self._data, self._data.ledger, "PutItem")
        for queue in (self._data.dead_pages, self._data.dead_items):
            found.add_event_source(
                sources.SqsEventSource(
                    queue, batch_size=MESSAGES_PER_CALL, report_batch_item_failures=True
                )
            )
        return found

    def _watch(self) -> functions.Function:
        names = {
            "TUPPENCE_LEDGER",
            "TUPPENCE_CUSTOMER_FUNCTION",
            "TUPPENCE_TIME_ZONE",
            "TUPPENCE_WHOLE_BY",
            "TUPPENCE_INBOX",
        }
        found = self._function("watch", self._environment.timing.publish, FUNCTION_MEMORY, names)
        grants.grant_table(found, self._data, self._data.ledger, "GetItem", "Query")
        listed = {"StringLike": {"s3:prefix": "inbox/*"}}
        grants.grant(found, self._data.inbox.bucket_arn, "s3:ListBucket", conditions=listed)
        grants.grant(found, self.customer.function_arn, "lambda:InvokeFunction")
        return found

    def _convert(self) -> functions.Function:
        names = self._reads_relay | {
            "TUPPENCE_RULESETS",
            "TUPPENCE_DEFINITIONS",
            "TUPPENCE_TIME_ZONE",
        }
        found = self._function(
            "convert", self._environment.timing.publish, 2_048, names, large=True
        )
        found.add_environment("TUPPENCE_REFRESH_FUNCTION", self.refresh.function_name)
        grants.grant_secret(found, self._data.relay_token)
        grants.grant(found, self._data.rulesets.arn_for_objects(grants.RULESETS), "s3:PutObject")
        if self._environment.definitions == "bucket":
            grants.grant_definitions(found, self._data)
        grants.grant(found, self._data.key.key_arn, "kms:Decrypt", "kms:GenerateDataKey")
        grants.grant(found, self.refresh.function_arn, "lambda:InvokeFunction")
        return found

    def _refresh(self) -> functions.Function:
        names = {
            "TUPPENCE_RULESETS",
            "TUPPENCE_ENGINES_SECRET",
            "TUPPENCE_ENGINES_NAMESPACE",
            "TUPPENCE_ENGINES_SERVICE",
            "TUPPENCE_ENGINES_PORT",
        }
        found = self._function(
            "refresh", self._environment.timing.publish, 1_024, names, large=True
        )
        grants.grant_secret(found, self._data.engines_token)
        grants.grant_rulesets(found, self._data)
        grants.grant(found, self._data.rulesets.arn_for_objects(grants.CURRENT), "s3:PutObject")
        grants.grant(found, self._data.key.key_arn, "kms:GenerateDataKey")
        grants.grant(
            found, "*", "servicediscovery:DiscoverInstances"
        )  # the action does not support resources
        return found

    @property
    def _reads_relay(self) -> set[str]:
        return {"TUPPENCE_RELAY", "TUPPENCE_RELAY_SECRET"}

    def _name(self, label: str) -> str:
        return f"tuppence-{self._environment.name}-{label}"

    def _function(
        self, label: str, seconds: int, memory: int, names: set[str], *, large: bool = False
    ) -> functions.Function:
        settings = {one: value for one, value in self._settings.items() if one in names}
        size = (seconds, memory)
        return make_function(
            self, self._environment, self._network, self._data, label, size, settings, large=large
        )

    def _suppress_nags(self) -> None:
        suppress(self, {"IAM5[Resource::*]": "X-Ray, EC2 and Cloud Map do not support resources"})
        for function in (self.customer, self.rule, self.invoke, self.dead, self.watch):
            suppress(function, {"L1": "the packages of the functions are built for this version"})
