"""Checks the templates of the infrastructure, for every environment."""

import datetime
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from local.cloud import STACKS
from tests.building import ROOT
from tests.feed_stores import INDEXES
from tests.written import write

from tuppence.capacity import cost, feed_cost
from tuppence.capacity.environments import ENVIRONMENTS as SETTINGS
from tuppence.cli.app import build
from tuppence.errors import TransientError

REVIEWED = Path(__file__).with_name("resources.txt")
ENVIRONMENTS = ("dev", "prod")
Resources = dict[str, dict[str, Any]]
KEEPING = (*("Query", "GetItem", "BatchGetItem", "PutItem", "DeleteItem", "ConditionCheckItem"),)
"""Operations on a table that keep feeds in it."""


@pytest.fixture(params=ENVIRONMENTS)
def templates(request: pytest.FixtureRequest, written: dict[str, Path]) -> tuple[str, Path]:
    return request.param, written[request.param]


@pytest.fixture
def resources(templates: tuple[str, Path]) -> Resources:
    """Return the resources of all stacks, by their name in the template."""
    return resources_of(*templates)


def resources_of(name: str, folder: Path) -> Resources:
    found: Resources = {}
    for template in templates_of(name, folder).values():
        found |= template["Resources"]
    return found


def templates_of(name: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the templates of an environment by the label of their stack."""
    paths = {
        path.name.removeprefix(f"tuppence-{name}-").partition(".")[0]: path
        for path in sorted(folder.glob(f"tuppence-{name}-*.template.json"))
    }
    assert set(STACKS) <= paths.keys()
    rest = sorted(paths.keys() - set(STACKS))
    labels = (*STACKS[:-1], *rest, STACKS[-1])  # a later resource replaces one of an equal name
    return {label: json.loads(paths[label].read_text()) for label in labels}


def of(resources: Resources, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource["Properties"]


def one(resources: Resources, kind: str, label: str) -> dict[str, Any]:
    (found,) = (p for name, p in of(resources, kind) if re.fullmatch(f"{label}[0-9A-F]{{8}}", name))
    return found


def test_time_outs_visibility_and_tries_are_consistent(resources: Resources) -> None:
    """Checks them as the functions see them: in the template, not in the code that computes it."""
    functions = dict(of(resources, "AWS::Lambda::Function"))
    queues = {name: (name, p) for name, p in of(resources, "AWS::SQS::Queue")}
    mappings = list(of(resources, "AWS::Lambda::EventSourceMapping"))
    assert len(mappings) == 4
    read = set()
    for _, mapping in mappings:
        function = functions[mapping["FunctionName"]["Ref"]]
        (label,) = re.findall("CustomerQueue|InvokeQueue|DeadPages|DeadItems", str(mapping))
        read.add(label)
        (queue,) = (p for name, p in queues.values() if name.startswith(label))
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert len(read) == 4, "dead letters are read, too"
    invoke = one(resources, "AWS::Lambda::Function", "Invoke")
    settings = invoke["Environment"]["Variables"]
    waits = 4 * float(settings["TUPPENCE_LONGEST_WAIT"])
    margin = float(settings["TUPPENCE_MARGIN_SECONDS"])
    assert waits < invoke["Timeout"] - margin
    assert float(settings["TUPPENCE_ENGINE_SECONDS"]) + margin <= invoke["Timeout"]


def test_every_store_is_encrypted_kept_and_closed(
    templates: tuple[str, Path], resources: Resources
) -> None:
    lasting = templates[0] == "prod"
    for name, table in of(resources, "AWS::DynamoDB::Table"):
        assert table["SSESpecification"]["SSEEnabled"], name
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["DeletionProtectionEnabled"] is lasting
        assert (resources[name]["DeletionPolicy"] == "Retain") is lasting
    assert one(resources, "AWS::DynamoDB::Table", "Results")["WarmThroughput"]
    for name, queue in of(resources, "AWS::SQS::Queue"):
        assert queue["KmsMasterKeyId"], name
    for name, bucket in of(resources, "AWS::S3::Bucket"):
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    policies = [*of(resources, "AWS::S3::BucketPolicy"), *of(resources, "AWS::SQS::QueuePolicy")]
    assert len(policies) == 11
    for name, policy in policies:
        statements = policy["PolicyDocument"]["Statement"]
        denied = [s for s in statements if s["Effect"] == "Deny"]
        assert any(s.get("Condition") == insecure for s in denied), name
    database = one(resources, "AWS::RDS::DBCluster", "Database")
    assert database["StorageEncrypted"]
    assert database["DeletionProtection"] is lasting


def test_services_run_as_nobody_from_what_they_cannot_write(resources: Resources) -> None:
    containers = [
        container
        for _, task in of(resources, "AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
    ]
    assert len(containers) == 5 + delivers(resources)
    for container in containers:
        assert container["ReadonlyRootFilesystem"]
        assert container["User"] == "10001"
        variables = json.dumps(container.get("Environment", []))
        assert not re.search("password|token", variables, re.IGNORECASE)
    for _, service in of(resources, "AWS::ECS::Service"):
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
    (balancer,) = (p for _, p in of(resources, "AWS::ElasticLoadBalancingV2::LoadBalancer"))
    assert balancer["Scheme"] == "internal"


def test_the_load_balancer_may_write_its_access_logs(resources: Resources) -> None:
    """AWS creates no load balancer whose bucket refuses its logs, and takes no key but its own."""
    (balancer,) = (p for _, p in of(resources, "AWS::ElasticLoadBalancingV2::LoadBalancer"))
    attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}
    assert attributes["access_logs.s3.enabled"] == "true"
    prefix = attributes["access_logs.s3.prefix"]
    bucket = one(resources, "AWS::S3::Bucket", "AccessLogs")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    policy = one(resources, "AWS::S3::BucketPolicy", "AccessLogsPolicy")
    (allowed,) = (
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if "logdelivery.elasticloadbalancing" in json.dumps(statement["Principal"])
    )
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "s3:PutObject")
    assert f"/{prefix}/AWSLogs/" in json.dumps(allowed["Resource"])


def test_alarms_and_the_budget_reach_people(resources: Resources) -> None:
    topic = one(resources, "AWS::SNS::Topic", "Alarms")
    assert topic["KmsMasterKeyId"]
    wanted = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.rds.amazonaws.com"}
    key = one(resources, "AWS::KMS::Key", "Key")
    (allowed,) = (
        statement
        for statement in key["KeyPolicy"]["Statement"]
        if wanted <= set(statement["Principal"].get("Service", ()))
    )
    assert set(allowed["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    assert "aws:SourceAccount" in json.dumps(allowed["Condition"])
    ((_, policy),) = of(resources, "AWS::SNS::TopicPolicy")
    publishers = {
        name
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Action"] == "sns:Publish"
        for name in statement["Principal"]["Service"]
    }
    assert publishers == wanted
    recipients = [p["Endpoint"] for _, p in of(resources, "AWS::SNS::Subscription")]
    assert sorted(recipients) == ["others@example.org", "you@example.org"]


def test_files_that_arrive_start_few_tasks_and_none_of_them_too_early(
    resources: Resources,
) -> None:
    """A thousand files are one message: the queue drops equal ones for five minutes."""
    queue = one(resources, "AWS::SQS::Queue", "Arrivals")
    assert (queue["FifoQueue"], queue["ContentBasedDeduplication"]) == (True, True)
    assert queue["DelaySeconds"] > 300, "else a task could start before a file whose message fell"
    (rule,) = (p for name, p in of(resources, "AWS::Events::Rule") if name == "ArrivalRule")
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "inbox/"}]}
    hourly = resources["Again"]["Properties"]["Target"]
    (arrived,) = rule["Targets"]
    assert arrived["Input"] == hourly["Input"] == '{"arrived": true}', "each message is the same"
    assert arrived["SqsParameters"] == hourly["SqsParameters"]
    ((_, pipe),) = of(resources, "AWS::Pipes::Pipe")
    assert pipe["SourceParameters"] == {"SqsQueueParameters": {"BatchSize": 1}}
    started = pipe["TargetParameters"]["EcsTaskParameters"]
    assert (started["LaunchType"], started["PropagateTags"]) == ("FARGATE", "TASK_DEFINITION")
    network = started["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    (failures,) = (p for name, p in of(resources, "AWS::Events::Rule") if name == "FailuresRule")
    assert failures["EventPattern"]["detail"]["group"] == [started["Group"]]
    key = one(resources, "AWS::KMS::Key", "Key")
    assert "events.amazonaws.com" in json.dumps(key["KeyPolicy"]), "else its messages are dropped"


def test_files_are_forgotten_when_they_were_taken_in_and_kept_while_they_wait(
    resources: Resources,
) -> None:
    inbox = one(resources, "AWS::S3::Bucket", "Inbox")
    assert inbox["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
    rules = inbox["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "Prefix" in rule}
    assert expiring == {"imported/": 30, "refused/": 30}
    assert any("NoncurrentVersionExpiration" in rule for rule in rules), "no version outlives them"


def test_the_task_that_takes_files_in_may_only_do_that(resources: Resources) -> None:
    ((_, policy),) = (
        (name, p)
        for name, p in of(resources, "AWS::IAM::Policy")
        if name.startswith("TakeInTaskTaskRole")
    )
    allowed: dict[str, set[str]] = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        resource = json.dumps(statement["Resource"])
        found = re.search(r"(inbox|imported|refused)/\*", resource)
        found = found or re.search("Key|Store|Inbox", resource)
        assert found is not None, resource
        allowed.setdefault(found[0], set()).update(
            [actions] if isinstance(actions, str) else actions
        )
    moved = {"s3:PutObject", "s3:DeleteObject"}
    assert allowed == {
        "Inbox": {"s3:ListBucket"},
        "inbox/*": {"s3:GetObject", "s3:DeleteObject"},
        "imported/*": moved,
        "refused/*": moved,
        "Key": {"kms:Decrypt", "kms:GenerateDataKey"},
        "Store": {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"},
    }


def test_the_store_of_files_is_encrypted_and_mounted_by_its_task_only(
    templates: tuple[str, Path], resources: Resources
) -> None:
    ((name, system),) = of(resources, "AWS::EFS::FileSystem")
    assert system["Encrypted"]
    assert (resources[name]["DeletionPolicy"] == "Retain") is (templates[0] == "prod")
    volumes = [
        volume["EFSVolumeConfiguration"]
        for _, task in of(resources, "AWS::ECS::TaskDefinition")
        for volume in task["Volumes"]
        if "EFSVolumeConfiguration" in volume
    ]
    (volume,) = volumes
    assert volume["TransitEncryption"] == "ENABLED"
    assert volume["AuthorizationConfig"]["IAM"] == "ENABLED"
    mounting = [
        name
        for name, policy in of(resources, "AWS::IAM::Policy")
        if "ClientMount" in json.dumps(policy["PolicyDocument"])
    ]
    assert len(mounting) == 1
    assert mounting[0].startswith("TakeInTaskTaskRole")
    (statement,) = system["FileSystemPolicy"]["Statement"]
    assert "elasticfilesystem:ClientMount" not in statement["Action"], "only roles allow it"


def test_a_night_by_parts_tries_again_what_aws_did_not_take_or_may_succeed_later(
    resources: Resources,
) -> None:
    """The fields are those of the Amazon States Language for a Distributed Map:
    https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html.
    """
    ((_, machine),) = of(resources, "AWS::StepFunctions::StateMachine")
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert set(machine["DefinitionSubstitutions"]) == {"Bucket", "NightFunction", "PartFunction"}
    definition = json.loads(machine["DefinitionString"])
    assert set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"])) == set(
        machine["DefinitionSubstitutions"]
    )
    states = definition["States"]
    assert definition["StartAt"] == "Begin"
    parts = states["Parts"]
    assert parts["ToleratedFailurePercentage"] == 100, "a part that fails stops no other one"
    assert parts["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
    assert parts["ItemReader"]["Resource"].endswith(":s3:getObject")
    assert parts["Next"] == parts["Catch"][0]["Next"] == "Finish", "it names what is missing"
    child = parts["ItemProcessor"]
    assert child["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    part = child["States"]["Part"]
    refused, busy = part["Retry"]
    assert all(name.startswith("Lambda.") for name in refused["ErrorEquals"])
    assert "Lambda.TooManyRequestsException" in refused["ErrorEquals"]
    assert busy["ErrorEquals"] == [TransientError.__name__]
    assert busy["BackoffRate"] > 1
    function = one(resources, "AWS::Lambda::Function", "Part")
    for retry in part["Retry"]:
        waits = (
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** turn, retry["MaxDelaySeconds"])
            for turn in range(retry["MaxAttempts"])
        )
        assert sum(waits) + function["Timeout"] < 300, "an express workflow may take five minutes"
    assert states["Finish"]["End"]


def test_a_night_by_parts_may_read_its_list_and_call_its_functions(resources: Resources) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html."""
    policy = one(resources, "AWS::IAM::Policy", "NightsRoleDefaultPolicy")
    allowed = {
        action: json.dumps(statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
        for action in [statement["Action"]]
        if isinstance(action, str)
    }
    assert allowed.keys() == {
        *("lambda:InvokeFunction", "s3:GetObject", "kms:Decrypt", "states:StartExecution")
    }
    assert "/store/runs/*/left.json" in allowed["s3:GetObject"]
    assert "-nights" in allowed["states:StartExecution"]
    role = one(resources, "AWS::IAM::Role", "NightsRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert "aws:SourceAccount" in json.dumps(trust["Condition"])
    bucket = one(resources, "AWS::S3::Bucket", "Partitions")
    assert "VersioningConfiguration" not in bucket, "an erasure leaves no versions"
    for label, actions in {"Night": set(), "Part": {"dynamodb:PartiQLInsert"}}.items():
        found = one(resources, "AWS::IAM::Policy", f"{label}RoleDefaultPolicy")
        named = {
            name
            for statement in found["PolicyDocument"]["Statement"]
            for one_action in [statement["Action"]]
            for name in ([one_action] if isinstance(one_action, str) else one_action)
        }
        assert "s3:DeleteObject" in named, "results of a worker that came second"
        assert actions <= named
        assert not any("*" in name for name in named)


def delivers(resources: Resources) -> bool:
    """Return whether an environment tells people what is new."""
    return "Telling" in resources


def test_people_are_told_on_schedule_by_a_task_that_alone_has_a_way_out(
    written: dict[str, Path],
) -> None:
    assert not delivers(resources_of("dev", written["dev"]))
    resources = resources_of("prod", written["prod"])
    schedule = resources["Telling"]["Properties"]
    assert schedule["ScheduleExpression"] == "cron(15 8,12,16,20 * * ? *)"
    assert schedule["Target"]["DeadLetterConfig"]["Arn"]
    started = schedule["Target"]["EcsParameters"]
    assert (started["LaunchType"], started["PropagateTags"]) == ("FARGATE", "TASK_DEFINITION")
    mine = templates_of("prod", written["prod"])["deliver"]["Resources"]
    failures = mine["DeliverFailuresRule"]["Properties"]["EventPattern"]["detail"]
    assert failures["group"] == [started["Group"]]
    network = started["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    routed = [
        name
        for name, route in of(resources, "AWS::EC2::Route")
        if "NatGatewayId" in route or "GatewayId" in route
    ]
    assert len(routed) == 4
    assert all(re.match("Vpc(out|deliver)Subnet", name) for name in routed), "no other way out"
    told = json.dumps(network["Subnets"])
    assert "VpcdeliverSubnet1" in told
    assert "private" not in told
    services = [
        service["NetworkConfiguration"] for _, service in of(resources, "AWS::ECS::Service")
    ]
    assert "VpcdeliverSubnet" not in json.dumps(services)


def test_the_task_that_tells_people_has_its_channels_and_their_secrets_and_no_more(
    written: dict[str, Path],
) -> None:
    resources = templates_of("prod", written["prod"])["deliver"]["Resources"]
    ((_, task),) = of(resources, "AWS::ECS::TaskDefinition")
    (container,) = task["ContainerDefinitions"]
    assert {one["Name"] for one in container["Secrets"]} == {
        *("CHANNELS", "HOOK_SECRET", "MAIL_PASSWORD", "PGUSER", "PGPASSWORD")
    }
    policy = one(resources, "AWS::IAM::Policy", "DeliverTaskTaskRoleDefaultPolicy")
    assert "/index/outbox" in json.dumps(policy), "what is due is found by the index"
    actions = [statement["Action"] for statement in policy["PolicyDocument"]["Statement"]]
    flat = {name for one in actions for name in ([one] if isinstance(one, str) else one)}
    assert flat == {
        *(f"dynamodb:{name}" for name in KEEPING),
        *("s3:GetObject", "s3:ListBucket"),  # rulesets and models
        *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
    }


def test_rulesets_are_made_of_a_folder_that_the_function_may_read_and_not_write(
    resources: Resources,
) -> None:
    convert = one(resources, "AWS::Lambda::Function", "Convert")
    assert convert["Environment"]["Variables"]["TUPPENCE_DEFINITIONS"] == "bucket"
    policy = one(resources, "AWS::IAM::Policy", "ConvertRoleDefaultPolicy")
    found = {
        statement["Action"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "definitions/*" in json.dumps(statement)
    }
    assert found == {"s3:GetObjectVersion", "s3:ListBucketVersions"}
    bucket = one(resources, "AWS::S3::Bucket", "Rulesets")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, "they are the edition"
    assert "LifecycleConfiguration" not in bucket, "a version that is gone would lower the edition"


def test_a_collector_in_the_network_gets_traces(written: dict[str, Path]) -> None:
    found = resources_of("dev", written["traced"])
    told = "OTEL_EXPORTER_OTLP_ENDPOINT"
    for name, function in of(found, "AWS::Lambda::Function"):
        assert function["Environment"]["Variables"][told] == "http://10.0.0.9:4318", name
    tasks = [json.dumps(task) for _, task in of(found, "AWS::ECS::TaskDefinition")]
    assert [told in task for task in tasks].count(True) == 2, "engines and relays"
    ports = [
        rule["ToPort"]
        for _, group in of(found, "AWS::EC2::SecurityGroup")
        for rule in group.get("SecurityGroupEgress", [])
    ]
    assert ports.count(4318) == 3
    without = resources_of("dev", written["dev"])
    assert told not in json.dumps(without), "nothing is recorded where no collector is named"


def test_the_database_is_migrated_before_services_are_deployed(
    templates: tuple[str, Path],
) -> None:
    name, folder = templates
    stacks = json.loads((folder / "manifest.json").read_text())["artifacts"]
    assert f"tuppence-{name}-migration" in stacks[f"tuppence-{name}-services"]["dependencies"]
    read_by_command = {
        "network": {"SubnetIds", "RelaySecurityGroupId"},
        "migration": {"ClusterName", "TaskDefinitionArn"},
    }
    for stack, outputs in read_by_command.items():
        template = json.loads((folder / f"tuppence-{name}-{stack}.template.json").read_text())
        assert outputs <= template["Outputs"].keys()
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        assert "AWS::ECS::Service" not in kinds


def test_engines_are_found_when_they_are_healthy(resources: Resources) -> None:
    (place,) = (p for _, p in of(resources, "AWS::ServiceDiscovery::Service"))
    assert place["HealthCheckCustomConfig"] == {"FailureThreshold": 1}
    refresh = one(resources, "AWS::Lambda::Function", "Refresh")
    port = refresh["Environment"]["Variables"]["TUPPENCE_ENGINES_PORT"]
    ports = [
        mapping["ContainerPort"]
        for _, task in of(resources, "AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
        if container["Name"] == "engine"
        for mapping in container["PortMappings"]
    ]
    assert ports == [int(port)], "ECS registers no port for a service without SRV records"


def test_scaling_alone_decides_how_many_engines_run(resources: Resources) -> None:
    services = dict(of(resources, "AWS::ECS::Service"))
    engines = one(resources, "AWS::ECS::Service", "EnginesService")
    assert "DesiredCount" not in engines, "a deployment would reset it"
    for name, service in services.items():
        assert service["PropagateTags"] == "SERVICE", f"{name}: the budget counts by tag"
        assert service["EnableECSManagedTags"], name


@pytest.mark.parametrize("name", SETTINGS)
def test_schedules_name_a_time_that_every_day_has_once(name: str) -> None:
    """EventBridge skips a time that does not exist on the day when clocks go forward:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html.
    """
    environment = SETTINGS[name]
    zone = ZoneInfo(environment.time_zone)
    for schedule in filter(None, (environment.schedule, environment.publish_schedule)):
        match = re.fullmatch(r"cron\((\d+) (\d+) \* \* \? \*\)", schedule)
        assert match is not None
        minute, hour = map(int, match.groups())
        for ordinal in range(
            datetime.date(2026, 1, 1).toordinal(), datetime.date(2037, 1, 1).toordinal()
        ):
            day = datetime.date.fromordinal(ordinal)
            local = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            assert local.astimezone(datetime.UTC).astimezone(zone) == local, f"{day}: {schedule}"
            assert local.utcoffset() == local.replace(fold=1).utcoffset(), f"{day}: {schedule}"


def test_calls_that_the_scheduler_gives_up_are_kept_apart(resources: Resources) -> None:
    for name, schedule in of(resources, "AWS::Scheduler::Schedule"):
        queue = json.dumps(schedule["Target"]["DeadLetterConfig"])
        assert "DeadSchedules" in queue, f"{name}: redrive reads the other queues as messages"


def test_nothing_leads_to_the_internet_but_the_way_of_those_who_tell(resources: Resources) -> None:
    kinds = {resource["Type"] for resource in resources.values()}
    ways = {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}
    assert kinds & ways == (ways if delivers(resources) else set())
    for name, group in of(resources, "AWS::EC2::SecurityGroup"):
        for rule in group.get("SecurityGroupIngress", []):
            assert rule["CidrIp"] == "10.0.0.0/16", name


def test_endpoints_serve_roles_of_this_account_only(resources: Resources) -> None:
    """Endpoints refuse what a package sends with keys of another account."""
    open_to_all = []
    for name, endpoint in of(resources, "AWS::EC2::VPCEndpoint"):
        ours, *others = endpoint["PolicyDocument"]["Statement"]
        assert list(ours["Condition"]["StringEquals"]) == ["aws:PrincipalAccount"], name
        open_to_all += others
    (layers,) = open_to_all
    assert layers["Action"] == "s3:GetObject"
    assert "starport-layer-bucket" in json.dumps(layers["Resource"]), "images are fetched by a link"


GUIDES = ("deploy-to-aws.md", "on-call.md", "answer-a-person.md")


def test_guides_name_stacks_outputs_and_commands_that_exist(written: dict[str, Path]) -> None:
    text = "\n".join((ROOT / "docs/how-to" / name).read_text("utf-8") for name in GUIDES)
    templates = templates_of("prod", written["prod"])
    stacks = set(re.findall(r"(?:`|--stack-name )tuppence-(?:dev|prod)-([a-z-]+)", text))
    assert stacks >= {"data", "migration", "deliver", "take-in", "network"}
    assert stacks <= templates.keys()
    outputs = {name for one in templates.values() for name in one.get("Outputs", {})}
    endings = "Secret|Bucket|Url|Table|TaskDefinitionArn|ClusterName|SubnetIds|SecurityGroupId"
    named = set(re.findall(rf"`([A-Z][A-Za-z]*(?:{endings}))`", text))
    assert len(named) > 10
    assert named <= outputs
    commands = re.findall(r"(?:^ {4}|`)tuppence ((?:[a-z-]+ )+[^…`\n]+)", text, re.MULTILINE)
    assert len(commands) > 20
    for line in commands:
        words, command = line.split(), typer.main.get_command(build(line.split()[0]))
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        assert not hasattr(command, "commands"), line
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= known, line


def test_apps_reach_feeds_alone_and_through_a_gateway_with_a_web_acl(resources: Resources) -> None:
    paths = {p["PathPart"] for _, p in of(resources, "AWS::ApiGateway::Resource")}
    assert paths == {"v1", "{below+}"}, "metrics and health stay inside"
    ((_, method),) = of(resources, "AWS::ApiGateway::Method")
    integration = method["Integration"]
    assert (integration["Type"], integration["ConnectionType"]) == ("HTTP_PROXY", "VPC_LINK")
    assert json.dumps(integration["Uri"]).endswith(':8603/v1/{below}"]]}')
    assert "Balancer" in json.dumps(integration["IntegrationTarget"])
    ((_, stage),) = of(resources, "AWS::ApiGateway::Stage")
    (limit,) = stage["MethodSettings"]
    assert limit["ThrottlingRateLimit"] >= 100
    ((_, link),) = of(resources, "AWS::ApiGatewayV2::VpcLink")
    assert "Gateway" in json.dumps(link["SecurityGroupIds"])
    ((_, protection),) = of(resources, "AWS::WAFv2::WebACLAssociation")
    assert "/stages/" in json.dumps(protection["ResourceArn"])
    ((_, acl),) = of(resources, "AWS::WAFv2::WebACL")
    limits = [
        rule["Statement"]["RateBasedStatement"]
        for rule in acl["Rules"]
        if "RateBasedStatement" in rule["Statement"]
    ]
    by_token, by_address = limits
    assert by_token["CustomKeys"][0]["Header"]["Name"] == "authorization"
    assert "NotStatement" in by_address["ScopeDownStatement"], "an app's backend has one address"
    assert len(acl["Rules"]) == feed_cost.RULES
    for rule in (acl, *acl["Rules"]):
        assert rule["VisibilityConfig"]["SampledRequestsEnabled"] is False, "samples have tokens"


def test_the_service_of_feeds_may_read_results_and_keep_feeds(resources: Resources) -> None:
    policy = one(resources, "AWS::IAM::Policy", "FeedTaskTaskRoleDefaultPolicy")
    allowed: dict[str, set[str]] = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        place = json.dumps(statement["Resource"])
        for store in ("Results", "Feeds", "Rulesets"):
            if store in place:
                allowed.setdefault(store, set()).update(
                    [actions] if isinstance(actions, str) else actions
                )
    assert allowed["Results"] == {"dynamodb:Query"}
    assert allowed["Rulesets"] == {"s3:GetObject", "s3:ListBucket"}
    assert "models/current" in json.dumps(policy), "models are beside rulesets"
    assert allowed["Feeds"] == {f"dynamodb:{name}" for name in KEEPING}
    table = one(resources, "AWS::DynamoDB::Table", "Feeds")
    keys = [key["AttributeName"] for key in table["KeySchema"]]
    assert keys == ["owner", "entry"]
    indexes = {
        index["IndexName"]: tuple(key["AttributeName"] for key in index["KeySchema"])
        for index in table["GlobalSecondaryIndexes"]
        if index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    }
    assert indexes == INDEXES


def test_no_role_may_do_everything(resources: Resources) -> None:
    """Deliveries of the logs of a state machine have no resource of their own:
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html.
    """
    free = re.compile(
        "^(xray|ec2|ecr:GetAuthorizationToken|servicediscovery:DiscoverInstances"
        "|logs:.*LogDeliver(y|ies)|logs:.*ResourcePolic(y|ies)|logs:DescribeLogGroups)"
    )
    statements = [
        statement
        for _, policy in of(resources, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    assert statements
    for statement in statements:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        assert all("*" not in action for action in actions), statement
        if statement["Resource"] == "*":
            assert all(free.match(action) for action in actions), statement
    for name, role in of(resources, "AWS::IAM::Role"):
        assert "ManagedPolicyArns" not in role, name


RUNBOOK = ROOT / "docs/how-to/on-call.md"


def runbook() -> dict[str, str]:
    """Return the sections of the page for the person on call, by their anchors."""
    parts = re.split(r"^## (.*)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    anchors = [title.lower().replace(" ", "-") for title in parts[1::2]]
    return dict(zip(anchors, parts[2::2], strict=True))


def test_every_alarm_notifies_a_topic_and_has_a_runbook_with_the_first_three_commands(
    templates: tuple[str, Path], resources: Resources
) -> None:
    alarms = {
        name: alarm
        for name, alarm in of(resources, "AWS::CloudWatch::Alarm")
        if "ByWaiting" not in name  # these two change the number of engines
    }
    wanted = {
        "OldDeadPages",
        "OldDeadItems",
        "DeadSchedules",
        "OldPages",
        "OldItems",
        "DeadLetters",
    }
    wanted |= {"NightsFailed", "NightsTimedOut", "PartErrors"}
    wanted |= {"OldFiles", "TakeInFailures", "DeadArrivals"}
    wanted |= {"RefusedItems", "RelayErrors", "BalancerErrors", "NoEngine", "NoRelay", "Crashes"}
    wanted |= {"NoFeed", "FeedErrors", "GatewayErrors", "FeedsThrottles"}
    wanted |= {"NightLate", "DeliverFailures"} if templates[0] == "prod" else set()
    found = {re.sub("[0-9A-F]{8}$", "", name) for name in alarms}
    assert wanted <= found
    sections = runbook()
    for name, alarm in alarms.items():
        page, _, section = alarm["AlarmDescription"].rpartition(": ")[2].partition("#")
        assert (ROOT / page) == RUNBOOK, name
        assert re.sub("[0-9A-F]{8}$", "", name) in sections[section], "the section names its alarms"
        assert len(re.findall(r"^    \w.*$", sections[section], re.MULTILINE)) >= 3, section
        assert alarm["AlarmActions"], name
    for label in ("NoEngine", "NoRelay", "NoFeed") + (
        ("NightLate",) if templates[0] == "prod" else ()
    ):
        silent = one(resources, "AWS::CloudWatch::Alarm", label)
        assert silent["TreatMissingData"] == "breaching", "without tasks there is no metric"
    for label, service in (
        ("EngineErrors", "rules-engine"),
        ("RelayErrors", "sql-relay"),
        ("FeedErrors", "feed"),
    ):
        errors = one(resources, "AWS::CloudWatch::Alarm", label)
        assert (errors["Namespace"], errors["MetricName"]) == ("tuppence", "errors_total")
        assert errors["Dimensions"] == [{"Name": "service", "Value": service}], "no 503 when busy"


def test_the_cost_counts_every_resource_that_is_charged_by_the_month(
    templates: tuple[str, Path], resources: Resources
) -> None:
    endpoints = [p for _, p in of(resources, "AWS::EC2::VPCEndpoint")]
    interfaces = [p for p in endpoints if p["VpcEndpointType"] == "Interface"]
    assert len(interfaces) == cost.ENDPOINTS
    told = delivers(resources)
    assert len(list(of(resources, "AWS::SecretsManager::Secret"))) == (
        cost.SECRETS + feed_cost.SECRETS + told * feed_cost.DELIVER_SECRETS
    )
    assert len(list(of(resources, "AWS::EC2::NatGateway"))) == told
    unscheduled = templates[0] == "dev"  # no run of it can be late
    assert len(list(of(resources, "AWS::CloudWatch::Alarm"))) == (
        cost.ALARMS + feed_cost.ALARMS + told * feed_cost.DELIVER_ALARMS - unscheduled
    )
    assert len(list(of(resources, "AWS::KMS::Key"))) == 1
    services = len(list(of(resources, "AWS::ECS::Service")))
    assert 10 * (1 + 2 * services) + 5 * services + 3 == cost.INSIGHTS + feed_cost.INSIGHTS
    assert len(list(of(resources, "AWS::CloudWatch::Dashboard"))) == 1


def test_the_dashboard_shows_and_the_cost_counts_every_metric_of_the_functions(
    resources: Resources,
) -> None:
    name = re.compile(r"\b(?:Pages|Items?|Night|Dead|Files)[A-Z][A-Za-z]+")
    sources = "".join(path.read_text() for path in (ROOT / "src/tuppence/lambdas").glob("*.py"))
    written = {text for text in re.findall(r'"(\w+)"', sources) if name.fullmatch(text)}
    ((_, dashboard),) = of(resources, "AWS::CloudWatch::Dashboard")
    assert set(name.findall(json.dumps(dashboard["DashboardBody"]))) == written
    cold_starts = sources.count("capture_cold_start_metric=True")
    assert len(written) + cold_starts == cost.METRICS


def test_the_resources_are_those_that_were_reviewed(written: dict[str, Path]) -> None:
    """Lists each resource by stack, type and name, so that a review shows what a change adds."""
    hint = "review the change, then accept it: python -m tests.integration.test_templates"
    assert listed(written["prod"]) == REVIEWED.read_text(), hint


def listed(folder: Path) -> str:
    lines = []
    for stack, template in templates_of("prod", folder).items():
        for name, resource in template["Resources"].items():
            label = re.sub("[0-9A-Fa-f]{8}$", "", name)
            lines.append(f"{stack:10} {resource['Type']:42} {label}")
    return "\n".join(sorted(lines)) + "\n"


@pytest.fixture
def delivery(written: dict[str, Path]) -> Resources:
    """Return the resources of the stack of roles for workflows."""
    template = json.loads((written["delivery"] / "tuppence-delivery.template.json").read_text())
    found: Resources = template["Resources"]
    return found


def test_workflows_get_a_role_for_their_own_environment_only(delivery: Resources) -> None:
    roles = {role["RoleName"]: role for _, role in of(delivery, "AWS::IAM::Role")}
    subjects = {"tuppence-diff": "repo:owner/name:pull_request"} | {
        f"tuppence-deploy{name}": f"repo:owner/name:environment:{name}"
        for name in ("dev", "staging", "prod")
    }
    assert roles.keys() == subjects.keys()
    issuer = "token.actions.githubusercontent.com"
    for name, role in roles.items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        expected = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subjects[name]}
        assert trust["Condition"] == {"StringEquals": expected}


def test_a_pull_request_may_only_look(delivery: Resources) -> None:
    for name, policy in of(delivery, "AWS::IAM::Policy"):
        text = json.dumps(policy["PolicyDocument"])
        statements = policy["PolicyDocument"]["Statement"]
        if name.startswith("Diff"):
            assert "-lookup-role-" in text
            assert [s["Action"] for s in statements] == ["sts:AssumeRole"]
        else:
            (environment,) = {e for e in ("dev", "staging", "prod") if f"tuppence-{e}-" in text}
            assert name.startswith(f"Deploy{environment.title()}")


@pytest.mark.parametrize(
    "environment",
    ["prod", *(pytest.param(one, marks=pytest.mark.long) for one in ENVIRONMENTS if one != "prod")],
)
def test_templates_pass_cfn_lint(written: dict[str, Path], environment: str) -> None:
    done = subprocess.run(
        [
            ROOT / ".tools/infra/bin/cfn-lint",
            # CDK states dependencies that references imply, and our zones are configuration.
            *("--ignore-checks", "W3005", "W3010", "--template"),
            *(
                str(path)
                for path in written[environment].glob(f"tuppence-{environment}-*.template.json")
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        write(Path(made), "prod")
        REVIEWED.write_text(listed(Path(made) / "prod"))
