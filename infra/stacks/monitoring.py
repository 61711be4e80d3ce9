"""Alarms, a dashboard that shows where a run's time goes, and a budget."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.stacks.data import NOTIFIERS, Data
from infra.stacks.deliver import Deliver
from infra.stacks.environment import EnvironmentStack
from infra.stacks.feed import Feed
from infra.stacks.fleet import NAMESPACE, Fleet
from infra.stacks.nights import Nights
from infra.stacks.services import Services
from infra.stacks.take_in import TakeIn
from tuppence.capacity.environments import Environment

MINUTE = cdk.Duration.minutes(1)
FIVE_MINUTES = cdk.Duration.minutes(5)
QUARTER = cdk.Duration.minutes(15)
ENGINE = "rules-engine"
RELAY = "sql-relay"
"""Names of the services in their metrics."""
RUNBOOK = "docs/how-to/on-call.md"
"""Page for the person on call, in the repository; an alarm names one of its sections."""


class Monitoring(EnvironmentStack):
    """Alarms on an SNS topic, whose ARN is an output of the stack."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        data: Data,
        services: Services,
        feed: Feed,
        take_in: TakeIn,
        deliver: Deliver | None,
        fleet: Fleet,
        nights: Nights,
        recipients: Sequence[str],
    ) -> None:
        super().__init__(scope, environment, "monitoring")
        self._data = data
        self._services = services
        self._feed = feed
        self._take_in = take_in
        self._deliver = deliver
        self._fleet = fleet
        self._nights = nights
        self._topic = sns.Topic(self, "Alarms", master_key=data.key, enforce_ssl=True)
        self._topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal(name) for name in NOTIFIERS],
                resources=[self._topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        for address in recipients:
            self._topic.add_subscription(subscriptions.EmailSubscription(address))
        if not recipients:
            message = "nobody gets the alarms: give addresses with -c alarms=you@example.org"
            cdk.Annotations.of(self).add_warning_v2("tuppence:alarms", message)
        self._alarms(environment)
        self._dashboard(environment)
        self._budget(environment)
        self._tell_of_the_database(environment)
        cdk.CfnOutput(self, "AlarmTopic", value=self._topic.topic_arn)

    @property
    def _functions(self) -> dict[str, functions.Function]:
        fleet = self._fleet
        return {
            "Customer": fleet.customer,
            "Rule": fleet.rule,
            "Invoke": fleet.invoke,
            "Convert": fleet.convert,
            "Refresh": fleet.refresh,
            "Dead": fleet.dead,
            "Watch": fleet.watch,
            "Night": self._nights.night,
            "Part": self._nights.part,
        }

    def _alarms(self, environment: Environment) -> None:
        self._queue_alarms()
        self._work_alarms(environment)
        self._function_alarms()
        self._service_alarms()
        self._night_alarms()
        self._feed_alarms()
        self._take_in_alarms()
        if self._deliver is not None:
            failures = _seen(self._deliver.failure_rule)
            meaning = "deliveries were given up, or the task that makes them failed"
            self._alarm("DeliverFailures", failures, 1, meaning, "deliveries")

    def _queue_alarms(self) -> None:
        data = self._data
        for label, queue, seconds, page, meaning in (
            ("OldPages", data.customer_queue, 3_600, "late", "pages wait for an hour"),
            ("OldItems", data.invoke_queue, 7_200, "late", "items wait for two hours"),
            ("OldDeadPages", data.dead_pages, 900, "dead-letters", "dead letters are not entered"),
            ("OldDeadItems", data.dead_items, 900, "dead-letters", "dead letters are not entered"),
        ):
            age = queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES)
            self._alarm(label, age, seconds, meaning, page)
        waiting = data.dead_schedules.metric_approximate_number_of_messages_visible(period=MINUTE)
        meaning = "a function could not be called on schedule"
        self._alarm("DeadSchedules", waiting, 1, meaning, "schedule")

    def _work_alarms(self, environment: Environment) -> None:
        given_up = "customers were given up: tuppence fleet status names them with the reason"
        for label, name, service in (
            ("RefusedItems", "ItemsGivenUp", "invoke"),
            ("DeadLetters", "DeadLetters", "dead"),
        ):
            self._alarm(label, _ours(name, service, FIVE_MINUTES), 1, given_up, "given-up")
        if environment.schedule:
            late = _ours("NightLate", "watch", QUARTER, "Maximum")
            meaning = f"the nightly run has not ended by {environment.whole_by}, or is not watched"
            self._alarm("NightLate", late, 1, meaning, "late", silence_breaches=True)

    def _function_alarms(self) -> None:
        data = self._data
        for label, function in self._functions.items():
            page = "ruleset" if label in {"Convert", "Refresh"} else "functions"
            errors = function.metric_errors(period=FIVE_MINUTES)
            self._alarm(f"{label}Errors", errors, 1, f"the function {label.lower()} failed", page)
            throttles = function.metric_throttles(period=FIVE_MINUTES)
            meaning = "the account's concurrency is used up"
            self._alarm(f"{label}Throttles", throttles, 10, meaning, "functions")
        for label, table in {
            "Results": data.results,
            "Ledger": data.ledger,
            "Feeds": data.feeds,
        }.items():
            throttled = table.metric_throttled_requests_for_operations(
                operations=[
                    dynamodb.Operation.BATCH_EXECUTE_STATEMENT,  # new results
                    dynamodb.Operation.PUT_ITEM,
                    dynamodb.Operation.QUERY,
                    dynamodb.Operation.UPDATE_ITEM,
                    dynamodb.Operation.TRANSACT_WRITE_ITEMS,  # what people do with feeds
                ],
                period=FIVE_MINUTES,
            )
            meaning = "the table grows too slowly"
            self._alarm(f"{label}Throttles", throttled, 100, meaning, "tables")

    def _service_alarms(self) -> None:
        services = self._services
        # Not the balancer's own counts, in which a service that puts requests off has errors.
        for label, service, targets, errors, page, meaning in (
            (
                "Engine",
                ENGINE,
                services.engine_targets,
                100,
                "engines",
                "engines answer with errors",
            ),
            (
                "Relay",
                RELAY,
                services.relay_targets,
                10,
                "database",
                "the relay answers with errors, for example because it has no database",
            ),
        ):
            failed = _ours("errors_total", service, FIVE_MINUTES)
            self._alarm(f"{label}Errors", failed, errors, meaning, page)
            healthy = targets.metrics.healthy_host_count(period=MINUTE, statistic="Maximum")
            nobody = "no task of the service is healthy"
            self._alarm(f"No{label}", healthy, 1, nobody, page, periods=5, below=True)
        unanswered = services.balancer.metrics.http_code_elb(
            code=elb.HttpCodeElb.ELB_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
        )
        meaning = "no engine or relay took a request in time"
        self._alarm("BalancerErrors", unanswered, 10, meaning, "engines")
        crashes = _seen(services.crash_rule)
        self._alarm("Crashes", crashes, 3, "engines or relays end again and again", "crashes")

    def _night_alarms(self) -> None:
        """Add alarms for nights by parts that fail.

        https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
        """
        meaning = "a night by parts has ended without all parts: tuppence fleet night names them"
        for label, name in (
            ("NightsFailed", "ExecutionsFailed"),
            ("NightsTimedOut", "ExecutionsTimedOut"),
        ):
            metric = cloudwatch.Metric(
                namespace="AWS/States",
                metric_name=name,
                dimensions_map={"StateMachineArn": self._nights.machine},
                statistic="Sum",
                period=FIVE_MINUTES,
            )
            self._alarm(label, metric, 1, meaning, "night-by-parts")

    def _feed_alarms(self) -> None:
        feed = self._feed
        failed = _ours("errors_total", "feed", FIVE_MINUTES)
        self._alarm("FeedErrors", failed, 10, "the service of feeds answers with errors", "feeds")
        healthy = feed.targets.metrics.healthy_host_count(period=MINUTE, statistic="Maximum")
        nobody = "no task of the service is healthy"
        self._alarm("NoFeed", healthy, 1, nobody, "feeds", periods=5, below=True)
        unanswered = cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name="5XXError",
            dimensions_map={"ApiName": feed.api_name},
            statistic="Sum",
            period=FIVE_MINUTES,
        )
        meaning = "apps get answers with status 500 or above from the gateway"
        self._alarm("GatewayErrors", unanswered, 10, meaning, "feeds")

    def _take_in_alarms(self) -> None:
        take_in = self._take_in
        age = _ours("FilesOldestSeconds", "watch", FIVE_MINUTES, "Maximum")
        self._alarm("OldFiles", age, 7_200, "files wait for two hours", "files")
        meaning = "a file was refused, or the task that takes files in failed"
        self._alarm("TakeInFailures", _seen(take_in.failure_rule), 1, meaning, "files")
        waiting = take_in.dead_arrivals.metric_approximate_number_of_messages_visible(
            period=FIVE_MINUTES
        )
        meaning = "the task that takes files in could not be started"
        self._alarm("DeadArrivals", waiting, 1, meaning, "files")

    def _alarm(
        self,
        label: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        page: str,
        periods: int = 1,
        *,
        below: bool = False,
        silence_breaches: bool = False,
    ) -> None:
        """Add an alarm for values from a threshold on, or for values below it and missing ones.

        Args:
            label: Last part of its name.
            metric: The metric.
            threshold: Value with which the metric is compared.
            meaning: Beginning of the description: what has happened.
            page: The section of the page for the person on call that says what to do.
            periods: Number of periods in a row.
            below: Whether values below the threshold are bad.
            silence_breaches: Whether missing values are bad.
        """
        comparison = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            label,
            alarm_name=f"tuppence-{self._environment.name}-{label}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=(
                comparison.LESS_THAN_THRESHOLD
                if below
                else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            treat_missing_data=(
                missing.BREACHING if below or silence_breaches else missing.NOT_BREACHING
            ),
            alarm_description=f"{meaning}: {RUNBOOK}#{page}",
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _dashboard(self, environment: Environment) -> None:
        data, services, fleet = self._data, self._services, self._fleet
        board = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=f"tuppence-{environment.name}"
        )

        def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)

        def ours(name: str, service: str, statistic: str = "Sum") -> cloudwatch.Metric:
            return _ours(name, service, MINUTE, statistic)

        def watched(*names: str) -> list[cloudwatch.IMetric]:
            return [_ours(name, "watch", FIVE_MINUTES, "Maximum") for name in names]

        board.add_widgets(
            graph("the nightly run: late", *watched("NightLate")),
            graph("the nightly run: left to do", *watched("PagesLeft", "ItemsLeft")),
            graph("the nightly run: done, given up", *watched("NightDone", "NightGivenUp")),
        )
        board.add_widgets(
            graph("1 pages listed", ours("PagesListed", "customer")),
            graph("2 items made", ours("ItemsMade", "rule")),
            graph(
                "3 items done, to be tried again, given up",
                *(ours(name, "invoke") for name in ("ItemsDone", "ItemsFailed", "ItemsGivenUp")),
                ours("DeadLetters", "dead"),
            ),
        )
        board.add_widgets(
            graph(
                "waiting messages",
                *(
                    queue.metric_approximate_number_of_messages_visible(period=MINUTE, label=label)
                    for label, queue in {
                        "pages": data.customer_queue,
                        "items": data.invoke_queue,
                        "dead pages": data.dead_pages,
                        "dead items": data.dead_items,
                        "dead schedules": data.dead_schedules,
                    }.items()
                ),
            ),
            graph(
                "age of the oldest message, seconds",
                data.customer_queue.metric_approximate_age_of_oldest_message(period=MINUTE),
                data.invoke_queue.metric_approximate_age_of_oldest_message(period=MINUTE),
            ),
            graph(
                "functions running",
                *(
                    function.metric("ConcurrentExecutions", statistic="Maximum", period=MINUTE)
                    for function in (fleet.customer, fleet.rule, fleet.invoke)
                ),
            ),
        )
        board.add_widgets(
            graph(
                "time of an item, seconds",
                ours("ItemSeconds", "invoke", "p50"),
                ours("ItemSeconds", "invoke", "p99"),
            ),
            graph(
                "response time of engines, seconds",
                services.engine_targets.metrics.target_response_time(statistic="p50"),
                services.engine_targets.metrics.target_response_time(statistic="p99"),
            ),
            graph(
                "response time of the relay, seconds",
                services.relay_targets.metrics.target_response_time(statistic="p50"),
                services.relay_targets.metrics.target_response_time(statistic="p99"),
            ),
        )
        board.add_widgets(
            graph("evaluations", ours("evaluations_total", ENGINE)),
            graph("customers waiting in engines", ours("customers_waiting", ENGINE, "Maximum")),
            graph(
                "connections of the relay in use, requests that wait for one",
                ours("connections_in_use", RELAY, "Maximum"),
                ours("requests_waiting", RELAY, "Maximum"),
            ),
        )
        board.add_widgets(
            *(
                graph(
                    f"{whose}: errors, requests put off",
                    ours("errors_total", service),
                    ours("busy_total", service),
                )
                for whose, service in (("engines", ENGINE), ("relay", RELAY))
            )
        )
        board.add_widgets(
            graph("processor use of engines, %", services.engines.metric_cpu_utilization()),
            graph("Aurora capacity units", data.database.metric_serverless_database_capacity()),
            graph(
                "write units of the results table",
                data.results.metric_consumed_write_capacity_units(period=MINUTE),
            ),
        )
        board.add_widgets(
            graph("files that wait", *watched("FilesWaiting")),
            graph("age of the oldest file, seconds", *watched("FilesOldestSeconds")),
        )

    def _tell_of_the_database(self, environment: Environment) -> None:
        """Send the database's own events to the topic, such as a fail-over.

        https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html
        """
        rds.CfnEventSubscription(
            self,
            "DatabaseEvents",
            sns_topic_arn=self._topic.topic_arn,
            source_type="db-cluster",
            source_ids=[self._data.database.cluster_identifier],
            event_categories=["failover", "failure"],
            subscription_name=f"tuppence-{environment.name}",
        )

    def _budget(self, environment: Environment) -> None:
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=environment.monthly_budget, unit="USD"
                ),
                cost_filters={"TagKeyValue": [f"user:environment${environment.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            address=self._topic.topic_arn, subscription_type="SNS"
                        )
                    ],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )


def _seen(rule: str) -> cloudwatch.Metric:
    """Return how often a rule of EventBridge has matched."""
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="TriggeredRules",
        dimensions_map={"RuleName": rule},
        statistic="Sum",
        period=FIVE_MINUTES,
    )


def _ours(
    name: str, service: str, period: cdk.Duration, statistic: str = "Sum"
) -> cloudwatch.Metric:
    """Return a metric that a function writes."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"service": service},
        statistic=statistic,
        period=period,
    )
