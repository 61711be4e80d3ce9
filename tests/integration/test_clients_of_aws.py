"""Adapters for AWS while it is slow, throttles, or takes half of what it is given."""

import datetime
import io
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber
from local.servers import AWS_REGION
from tests.building import some_rules
from tests.results import LAYOUTS, new_table, row

from tuppence.adapters.aws import tasks
from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.inbox import S3Inbox
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.adapters.aws.results import DynamoResults
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.aws.tasks import migrate_database
from tuppence.bootstrap import aws as bootstrap
from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import FleetItem, Page

pytestmark = pytest.mark.usefixtures("aws")


class Body(io.BytesIO):
    """As botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def refusing(times: int, status: int, body: str) -> Callable[..., AWSResponse | None]:
    """Answers so many requests in the place of AWS."""
    left = [times]

    def answer(request: Any, **_: object) -> AWSResponse | None:
        left[0] -= 1
        if left[0] < 0:
            return None
        return AWSResponse(request.url, status, {}, Body(body.encode()))

    return answer


THROTTLED = '{"__type": "ThrottlingException", "message": "slow down"}'


def test_throttled_writes_are_retried_and_none_is_lost() -> None:
    dynamodb = client("dynamodb")
    store = DynamoResults(dynamodb, new_table("customer_id", "rule_id"), LAYOUTS.__getitem__)
    for operation, times in (("PutItem", 9), ("BatchExecuteStatement", 3)):
        refuse = refusing(times, 400, THROTTLED)
        dynamodb.meta.events.register(f"before-send.dynamodb.{operation}", refuse)
    rows = [row(f"c{n}") for n in range(20)]
    store.put(rows)
    assert store.get([r.customer_id for r in rows]) == {r.customer_id: r for r in rows}
    changed = [row(f"c{n}", as_of=1, score="2.0000") for n in range(20)]
    store.put(changed)
    assert store.get([r.customer_id for r in rows]) == {r.customer_id: r for r in changed}
    store.close()


def test_inserts_that_fail_alone_are_put_unless_a_later_result_is_there() -> None:
    dynamodb = client("dynamodb")
    table = new_table("customer_id", "rule_id")
    late, behind = (DynamoResults(dynamodb, table, LAYOUTS.__getitem__) for _ in range(2))
    names = [f"c{n}" for n in range(40)]
    assert behind.get(names) == {}
    earlier = [row(name) for name in names[:5]]
    late.put([row(name, as_of=3, score="3.0000") for name in names[5:10]])
    late.put(earlier)
    behind.put([row(name, as_of=2, score="2.0000") for name in names])
    kept = late.get(names)
    assert [kept[name].as_of for name in names] == [2] * 5 + [3] * 5 + [2] * 30
    late.close()
    behind.close()


def test_writes_that_stay_throttled_fail_and_can_be_repeated() -> None:
    dynamodb = client("dynamodb", attempts=1)
    store = DynamoResults(dynamodb, new_table("customer_id", "rule_id"), LAYOUTS.__getitem__)
    refuse = refusing(1, 400, THROTTLED)
    dynamodb.meta.events.register("before-send.dynamodb.BatchExecuteStatement", refuse)
    rows = [row(f"c{n}") for n in range(10)]
    with pytest.raises(UserError, match="ThrottlingException") as raised:
        store.put(rows)
    assert raised.value.code == "results.unavailable"
    store.put(rows)
    assert len(store.get([r.customer_id for r in rows])) == 10
    store.close()


def test_unchanged_results_are_not_written() -> None:
    dynamodb = client("dynamodb")
    store = DynamoResults(dynamodb, new_table("customer_id", "rule_id"), LAYOUTS.__getitem__)
    written: list[str] = []
    for operation in ("BatchExecuteStatement", "PutItem", "UpdateItem"):
        dynamodb.meta.events.register(
            f"before-send.dynamodb.{operation}", lambda event_name, **_: written.append(event_name)
        )
    store.put([row("ann")])
    assert len(written) == 1, "two results in one request"
    store.get(["ann"])
    store.put([row("ann", as_of=1)])
    assert len(written) == 1
    store.put([row("ann", as_of=1, score="2.0000")])
    assert len(written) == 2
    assert store.get(["ann"])["ann"].results[0].score == Decimal(2)
    store.close()


def test_a_slow_bucket_is_retried() -> None:
    s3 = client("s3")
    bucket = f"slow-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    rulesets = S3Rulesets(s3, bucket)
    ruleset = some_rules("bank_fees")
    slow_down = "<Error><Code>SlowDown</Code></Error>"
    s3.meta.events.register("before-send.s3.PutObject", refusing(1, 503, slow_down))
    rulesets.put(ruleset)
    asked = []

    def late(request: Any, **_: object) -> None:
        asked.append(request.url)
        if len(asked) < 3:
            raise ReadTimeoutError(endpoint_url=request.url)

    s3.meta.events.register("before-send.s3.GetObject", late)
    assert rulesets.get(ruleset.digest) == ruleset.content
    assert len(asked) == 3


def test_an_inbox_has_the_file_that_arrived_first_at_the_front() -> None:
    s3 = client("s3")
    arrived = {
        f"inbox/bank/{name}.csv": datetime.datetime(2026, 6, day, tzinfo=datetime.UTC)
        for name, day in (("a", 2), ("b", 1), ("c", 3))
    }
    contents = [{"Key": key, "LastModified": at, "ETag": key} for key, at in arrived.items()]
    with Stubber(s3) as stubbed:
        stubbed.add_response("list_objects_v2", {"Contents": contents})
        waiting = S3Inbox(s3, "files", max_bytes=1).waiting()
    assert [one.name for one in waiting] == ["b.csv", "a.csv", "c.csv"]


def test_a_missing_permission_is_reported_as_final() -> None:
    with pytest.raises(UserError, match=r"s3://nowhere-at-all/current: AWS refused: NoSuchBucket"):
        S3Rulesets(client("s3"), "nowhere-at-all").current()


def items(count: int) -> list[FleetItem]:
    return [FleetItem("r", "2026-06-30", "d", 0, n, (f"c{n}",)) for n in range(count)]


class HalfTaken:
    """A queue that takes the first half of a request, until it takes all."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[str] = []

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        self.refusals -= 1
        refused = entries[len(entries) // 2 :] if self.refusals >= 0 else []
        self.taken += [one["MessageBody"] for one in entries if one not in refused]
        return {"Failed": [{"Id": one["Id"], "Code": "InternalError"} for one in refused]}


def test_rejected_messages_are_sent_again() -> None:
    queue = HalfTaken(3)
    SqsQueue(queue, "http://q.fifo").send(items(25))
    assert len(queue.taken) == len(set(queue.taken)) == 25
    with pytest.raises(UserError, match=r"the queue rejected \d+ messages: InternalError"):
        SqsQueue(HalfTaken(100), "http://q.fifo").send(items(40))


def test_requests_respect_the_limits_of_sqs() -> None:
    sizes: list[int] = []

    class Queue(HalfTaken):
        def send_message_batch(self, **request: Any) -> dict[str, Any]:
            sizes.append(sum(len(one["MessageBody"]) for one in request["Entries"]))
            return super().send_message_batch(**request)

    queue = Queue(0)
    pages = [Page("r", "2026-06-30", "d", n, ("x" * 200,) * 1_000, 1, 0) for n in range(12)]
    SqsQueue(queue, "http://q").send(pages)
    assert len(queue.taken) == 12
    assert max(sizes) <= 1_048_576


def test_an_item_is_accepted_once_and_again_when_it_is_sent_again() -> None:
    sqs = client("sqs")
    fifo = {"FifoQueue": "true"}
    url = sqs.create_queue(QueueName=f"{uuid.uuid4().hex}.fifo", Attributes=fifo)["QueueUrl"]
    for deduplicate, expected in ((True, 4), (True, 0), (False, 4)):
        SqsQueue(sqs, url, deduplicate=deduplicate).send(items(4))
        assert received(sqs, url) == expected


def received(sqs: Any, url: str) -> int:
    """Take all messages out of a queue, and return their number."""
    count = 0
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    return count


def test_malformed_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUPPENCE_TRIES", "5")
    assert bootstrap.settings().tries == 5
    monkeypatch.setenv("TUPPENCE_TRIES", "many")
    with pytest.raises(UserError, match="tries"):
        bootstrap.settings()


MIGRATION = {
    "ClusterName": "cluster",
    "TaskDefinitionArn": "definition",
    "SubnetIds": "subnet-1,subnet-2",
    "RelaySecurityGroupId": "sg-1",
}


def migrate(*looks: dict[str, Any], failure: str = "") -> None:
    """Run the migration on an ECS that answers as its API is described."""
    ecs = client("ecs")
    with Stubber(ecs) as stub:
        network = {
            "subnets": ["subnet-1", "subnet-2"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": "DISABLED",
        }
        started = {
            "tasks": [] if failure else [{"taskArn": "arn"}],
            "failures": [{"reason": failure}] if failure else [],
        }
        request = {
            "cluster": "cluster",
            "taskDefinition": "definition",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
        }
        stub.add_response("run_task", started, request)
        for look in looks:
            asked = {"cluster": "cluster", "tasks": ["arn"]}
            stub.add_response("describe_tasks", {"tasks": [{"taskArn": "arn", **look}]}, asked)
        migrate_database(ecs, MIGRATION)
        stub.assert_no_pending_responses()


def stopped(exit_code: int | None, **more: Any) -> dict[str, Any]:
    container = {} if exit_code is None else {"exitCode": exit_code}
    return {"lastStatus": "STOPPED", "containers": [container], **more}


def test_the_migration_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "POLL_SECONDS", 0)
    migrate({"lastStatus": "RUNNING"}, stopped(0), stopped(0))


def test_a_migration_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "POLL_SECONDS", 0)
    monkeypatch.setattr(tasks, "MAX_POLLS", 1)
    no_image = stopped(None, stoppedReason="CannotPullContainerError")
    for looks, failure, code, words in (
        ((), "RESOURCE:CPU", "migration.refused", "RESOURCE:CPU"),
        ((stopped(1), stopped(1)), "", "migration.failed", "exit status 1"),
        ((no_image, no_image), "", "migration.failed", "CannotPullContainerError"),
        (({"lastStatus": "RUNNING"},), "", "migration.timeout", "arn"),
    ):
        with pytest.raises(UserError, match=words) as refused:
            migrate(*looks, failure=failure)
        assert refused.value.code == code
