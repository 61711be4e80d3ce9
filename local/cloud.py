"""Runs the synthesised stacks on an emulator of AWS, with this machine's services behind them."""

import contextlib
import io
import json
import os
import re
import subprocess
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

from local.servers import (
    AWS_REGION,
    PATIENCE,
    MissingError,
    Server,
    aws_emulator,
    emulator_certificate,
)
from local.stack import Platform, address
from tuppence.adapters.aws.clients import client

ROOT: Final = Path(__file__).parent.parent
STACKS: Final = (
    "network",
    "data",
    "migration",
    "services",
    "feed",
    "take-in",
    "fleet",
    "nights",
    "monitoring",
)
LACKING: Final = frozenset(
    {
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::Method",
        "AWS::ApiGateway::Resource",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::ApiGatewayV2::VpcLink",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Budgets::Budget",
        "AWS::EC2::FlowLog",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::Pipes::Pipe",
        "AWS::RDS::EventSubscription",
        "AWS::WAFv2::WebACL",
        "AWS::WAFv2::WebACLAssociation",
    }
)
"""Types of resources that the emulator lacks and a deployment can do without. Alarms on formulas
are left out, too."""


def synthesise(*program: str | Path) -> None:
    """Run a program that writes templates, such as `-m infra.app dev FOLDER`.

    Raises:
        MissingError: The packages of the infrastructure are not installed.
        RuntimeError: The templates cannot be written, or break a rule of cdk-nag.
    """
    python = ROOT / ".tools/infra/bin/python"
    if not python.exists():
        raise MissingError(
            "the packages of the infrastructure are not installed: run `make .tools/infra/.ready`"
        )
    (ROOT / "build/functions").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [python, *program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "src:."},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}")


@dataclass
class Cloud:
    """The whole deployment on AWS, emulated on this machine; a context manager.

    Attributes:
        folder: An empty folder for its files.
        secure: True if the emulator checks policies and uses TLS.
        engine_count: Number of engines.
        further: Environment variables added to those of functions, relay and engines.
        templates: Folder of the templates of the environment `local`; written if omitted.
        platform: PostgreSQL, relay, engines and load balancer.
        names: Names of the resources, by stack and by the name in its template.
    """

    folder: Path
    secure: bool = False
    engine_count: int = 2
    further: Mapping[str, str] = field(default_factory=dict)
    templates: Path | None = None
    platform: Platform = field(init=False)
    emulator: Server = field(init=False)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    _code: tuple[str, str] = ("", "")
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> "Cloud":
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which a program calls the emulator as its root user."""
        scheme = "https" if self.secure else "http"
        found = {
            "AWS_ENDPOINT_URL": f"{scheme}://127.0.0.1:{self.emulator.port}",
            "AWS_DEFAULT_REGION": AWS_REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if self.secure:
            found |= self._trust
        return found

    @property
    def _trust(self) -> dict[str, str]:
        """Environment variables with which botocore and obstore trust a secure emulator."""
        return dict.fromkeys(
            ("AWS_CA_BUNDLE", "SSL_CERT_FILE"), str(emulator_certificate(self.folder / "aws"))
        )

    def name(self, stack: str, label: str) -> str:
        """Return the name of a resource, given its template name without the trailing digits."""
        names = self.names[stack]
        (found,) = (key for key in names if re.fullmatch(f"{label}([0-9A-F]{{8}})?", key))
        return names[found]

    def _start(self) -> None:
        (self.folder / "aws").mkdir(parents=True)
        self.emulator = self._open.enter_context(
            aws_emulator(self.folder / "aws", secure=self.secure)
        )
        self._open.enter_context(mock.patch.dict(os.environ, {**self.environment, **self.further}))
        templates = self.templates
        if templates is None:
            templates = self.folder / "templates"
            synthesise("-m", "infra.app", "local", templates)
        self._upload(templates)
        for stack in ("network", "data", "migration", "services", "feed", "take-in"):
            self._deploy(templates, stack, {})
        self.platform = self._open.enter_context(
            Platform(
                self.folder / "services",
                self.engine_count,
                f"s3://{self.name('data', 'Rulesets')}/rulesets/",
                f"dynamodb://{self.name('data', 'Results')}",
                self.environment | self.credentials("services", "EngineTaskTaskRole"),
            )
        )
        relay_token = (self.platform.folder / "relay.token").read_text()
        secrets = client("secretsmanager")
        tokens = {"RelayToken": relay_token, "EnginesToken": self.platform.token}
        for label, token in tokens.items():
            secrets.put_secret_value(SecretId=self.name("data", label), SecretString=token)
        here = {
            "TUPPENCE_RELAY": address(self.platform.relay),
            "TUPPENCE_ENGINES": self.platform.url,
        }
        for stack in ("fleet", "nights", "monitoring"):
            self._deploy(templates, stack, here)
        self._register()

    def credentials(self, stack: str, label: str) -> dict[str, str]:
        """Return environment variables with which a program acts in a role of a stack."""
        arn = f"arn:aws:iam::000000000000:role/{self.name(stack, label)}"
        found = client("sts").assume_role(RoleArn=arn, RoleSessionName="local")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }

    def _register(self) -> None:
        """Register the engines with Cloud Map, as ECS does."""
        for number, engine in enumerate(self.platform.engines):
            client("servicediscovery").register_instance(
                ServiceId=self.name("services", "NamespaceEnginesPlace"),
                InstanceId=f"engine-{number}",
                Attributes={
                    "AWS_INSTANCE_IPV4": "127.0.0.1",
                    "AWS_INSTANCE_PORT": str(engine.port),
                },
            )

    # -- deployment ------------------------------------------------------------------------------

    def _upload(self, templates: Path) -> None:
        """Upload the assets of the stacks; the functions are those of this source tree.

        The functions use the packages of this Python; the templates' are built for another one.
        """
        s3 = client("s3")
        client("ssm").put_parameter(
            Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
        )
        for assets in templates.glob("*.assets.json"):
            for asset in json.loads(assets.read_text())["files"].values():
                for place in asset["destinations"].values():
                    bucket = _here(place["bucketName"])
                    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
                        s3.create_bucket(
                            Bucket=bucket,
                            CreateBucketConfiguration={"LocationConstraint": AWS_REGION},
                        )
                    if asset["source"]["packaging"] == "zip":
                        self._code = (bucket, _here(place["objectKey"]))
                        s3.put_object(Bucket=bucket, Key=self._code[1], Body=functions_zip())

    def _deploy(self, templates: Path, stack: str, addresses: Mapping[str, str]) -> None:
        name = f"tuppence-local-{stack}"
        template = json.loads((templates / f"{name}.template.json").read_text())
        template = _as_far_as_emulated(template)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                self._localise(resource["Properties"], addresses)
        formation = client("cloudformation", seconds=120)
        formation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        deadline = time.monotonic() + PATIENCE
        while (status := _status(formation, name)).endswith("IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{name} takes too long"
            time.sleep(0.2)
        if status != "CREATE_COMPLETE":
            events = formation.describe_stack_events(StackName=name)["StackEvents"]
            failed = [
                f"{e['ResourceType']} {e['LogicalResourceId']}: {e.get('ResourceStatusReason')}"
                for e in events
                if "FAILED" in e["ResourceStatus"]
            ]
            raise RuntimeError(f"{name}: {status}\n" + "\n".join(failed))
        resources = formation.describe_stack_resources(StackName=name)["StackResources"]
        self.names[stack] = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}

    def _localise(self, function: dict[str, Any], addresses: Mapping[str, str]) -> None:
        """Make a function run from a zip, and point it to the services of this machine."""
        settings = function["Environment"]["Variables"]
        settings |= {key: value for key, value in addresses.items() if key in settings}
        settings |= {**self.further, **(self._trust if self.secure else {})}
        if function.get("PackageType") == "Image":
            handler = function.pop("ImageConfig")["Command"][0]
            del function["PackageType"]
            function |= {"Handler": handler, "Runtime": "python3.13"}
        bucket, key = self._code
        function["Code"] = {"S3Bucket": bucket, "S3Key": key}


def functions_zip() -> bytes:
    """Return a zip of the functions' own sources."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((ROOT / "src/tuppence").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT / "src"))
    return whole.getvalue()


def _here(text: str) -> str:
    given = {"AccountId": "000000000000", "Region": AWS_REGION, "Partition": "aws"}
    for name, value in given.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    return text


def _status(formation: Any, name: str) -> str:
    return str(formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def _as_far_as_emulated(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template without what the emulator lacks, and without references to it."""
    gone = {name for name, resource in template["Resources"].items() if _lacks(resource)}
    left = {name: r for name, r in template["Resources"].items() if name not in gone}
    for resource in left.values():
        on = resource.pop("DependsOn", [])
        stay = [one for one in ([on] if isinstance(on, str) else on) if one not in gone]
        if stay:
            resource["DependsOn"] = stay
    whole = {**template, "Resources": left}
    whole.get("Rules", {}).clear()
    alive: dict[str, Any] = _without_references(whole, gone)
    return alive


def _lacks(resource: dict[str, Any]) -> bool:
    formula = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return formula or resource["Type"] in LACKING


def _without_references(part: Any, gone: set[str]) -> Any:
    if isinstance(part, dict):
        if set(part) == {"Ref"} and part["Ref"] in gone:
            return f"left-out-{part['Ref']}"
        return {name: _without_references(value, gone) for name, value in part.items()}
    if isinstance(part, list):
        return [_without_references(value, gone) for value in part]
    return part
