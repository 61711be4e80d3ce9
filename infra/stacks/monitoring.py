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
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.stacks.data import NOTIFIERS, Data
from infra.stacks.environment import EnvironmentStack
from infra.stacks.fleet import NAMESPACE, Fleet
from infra.stacks.services import Services
from tuppence.capacity.environments import Environment

MINUTE = cdk.Duration.minutes(1)
FIVE_MINUTES = cdk.Duration.minutes(5)


class Monitoring(EnvironmentStack):
    """Alarms on an SNS topic, whose ARN is an output of the stack."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        data: Data,
        services: Services,
        fleet: Fleet,
        recipients: Sequence[str],
    ) -> None:
        super().__init__(scope, environment, "monitoring")
        self._data = data
        self._services = services
        self._fleet = fleet
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
        }

    def _alarms(self, environment: Environment) -> None:
        data, services = self._data, self._services
        late = environment.run_hours * 3_600
        given_up = "work was given up: tuppence fleet status lists it"
        for label, queue, meaning in (
            ("DeadPages", data.dead_pages, given_up),
            ("DeadItems", data.dead_items, given_up),
            ("DeadSchedules", data.dead_schedules, "a function could not be called on schedule"),
        ):
            waiting = queue.metric_approximate_number_of_messages_visible(period=MINUTE)
            self._alarm(label, waiting, 1, meaning)
        for label, queue, seconds in (
            ("OldPages", data.customer_queue, late / 4),
            ("OldItems", data.invoke_queue, late / 2),
        ):
            age = queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES)
            self._alarm(label, age, seconds, "messages have waited too long: check the engines")
        for label, function in self._functions.items():
            errors = function.metric_errors(period=FIVE_MINUTES)
            self._alarm(f"{label}Errors", errors, 1, f"the function {label.lower()} failed")
            throttles = function.metric_throttles(period=FIVE_MINUTES)
            self._alarm(f"{label}Throttles", throttles, 10, "the account's concurrency is used up")
        for label, table in {"Results": data.results, "Ledger": data.ledger}.items():
            throttled = table.metric_throttled_requests_for_operations(
                operations=[
                    dynamodb.Operation.PUT_ITEM,
                    dynamodb.Operation.QUERY,
                    dynamodb.Operation.UPDATE_ITEM,
                ],
                period=FIVE_MINUTES,
            )
            self._alarm(f"{label}Throttles", throttled, 100, "the table grows too slowly")
        targets = services.engine_targets
        self._alarm(
            "EngineErrors",
            targets.metrics.http_code_target(
                code=elb.HttpCodeTarget.TARGET_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
            ),
            100,
            "engines answer with errors: see their log",
        )
        unanswered = services.balancer.metrics.http_code_elb(
            code=elb.HttpCodeElb.ELB_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
        )
        self._alarm("BalancerErrors", unanswered, 10, "no engine or relay took a request in time")
        for label, group in {"NoEngine": targets, "NoRelay": services.relay_targets}.items():
            healthy = group.metrics.healthy_host_count(period=MINUTE, statistic="Maximum")
            self._alarm(
                label,
                healthy,
                1,
                "no task of the service is healthy: see its events and its log",
                periods=5,
                below=True,
            )
        self._alarm(
            "RunLate",
            self._waiting(sum_of=[data.customer_queue, data.invoke_queue]),
            1,
            f"a run has not finished after {environment.run_hours} hours",
            periods=environment.run_hours * 12,
        )
        self._alarm(
            "RelayPool",
            services.relay_targets.metrics.http_code_target(
                code=elb.HttpCodeTarget.TARGET_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
            ),
            10,
            "the relay refuses requests: it has no free connection, or no database",
        )

    def _alarm(
        self,
        label: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        periods: int = 1,
        *,
        below: bool = False,
    ) -> None:
        """Add an alarm for values from a threshold on, or for values below it and missing ones."""
        comparison = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            label,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=(
                comparison.LESS_THAN_THRESHOLD
                if below
                else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            treat_missing_data=missing.BREACHING if below else missing.NOT_BREACHING,
            alarm_description=meaning,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _waiting(self, sum_of: list[sqs.Queue]) -> cloudwatch.MathExpression:
        metrics: dict[str, cloudwatch.IMetric] = {}
        for number, queue in enumerate(sum_of):
            metrics[f"seen{number}"] = queue.metric_approximate_number_of_messages_visible()
            metrics[f"held{number}"] = queue.metric_approximate_number_of_messages_not_visible()
        return cloudwatch.MathExpression(
            expression=" + ".join(metrics),
            using_metrics=metrics,
            label="messages of the run",
            period=FIVE_MINUTES,
        )

    def _dashboard(self, environment: Environment) -> None:
        data, services, fleet = self._data, self._services, self._fleet
        board = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=f"tuppence-{environment.name}"
        )

        def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)

        def ours(name: str, service: str, statistic: str = "Sum") -> cloudwatch.Metric:
            return cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=name,
                dimensions_map={"service": service},
                statistic=statistic,
                period=MINUTE,
            )

        board.add_widgets(
            graph("1 pages listed", ours("PagesListed", "customer")),
            graph("2 items made", ours("ItemsMade", "rule")),
            graph(
                "3 items done, to be tried again, given up",
                *(ours(name, "invoke") for name in ("ItemsDone", "ItemsFailed", "ItemsGivenUp")),
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
            graph("processor use of engines, %", services.engines.metric_cpu_utilization()),
            graph("Aurora capacity units", data.database.metric_serverless_database_capacity()),
            graph(
                "write units of the results table",
                data.results.metric_consumed_write_capacity_units(period=MINUTE),
            ),
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
