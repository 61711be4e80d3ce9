"""Checks the guides: their SQL runs, and their manifests agree with the program and each other."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml
from local.servers import PATIENCE, free_port
from tests.building import ROOT, RULES
from tests.conftest import Run

from tuppence.bootstrap.database import migrate_database
from tuppence.cli.app import build

GUIDES = ROOT / "docs/how-to"
MANIFESTS = ROOT / "examples/kubernetes/tuppence.yaml"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def options(words: list[str]) -> set[str]:
    """Return the options of a command, such as `serve sql-relay`."""
    command: Any = typer.main.get_command(build(words[0]))
    for word in words:
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts}


def test_the_copy_of_the_postgresql_guide_gives_the_services_what_is_booked_and_can_run_again(
    empty_database: Callable[[], str], tuppence: Run
) -> None:
    tables, copy = blocks(GUIDES / "use-your-own-postgresql.md", "sql")
    url = empty_database()
    migrate_database(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for script in (tables, copy, copy):
            connection.execute(script.encode())
        found = connection.execute("SELECT id, amount, balance FROM tuppence.transactions")
        assert found.fetchall() == [("1", -1250, 98750)]
        readable = "SELECT tuppence.readable('17', '2026-06-30', '2026-06-30', '{insights}')"
        assert connection.execute(readable).fetchone() != (None,)
    tuppence("load", "--from", url, "--store", "copy")
    assert "copy: whole" in tuppence("store", "check", "--store", "copy").stdout


@pytest.mark.long
def test_the_five_commands_of_the_cluster_guide_run_a_night(tmp_path: Path) -> None:
    script = blocks(GUIDES / "run-on-a-cluster.md", "sh")[0]
    assert len(script.splitlines()) == 5
    small = script.replace("20000", "40").replace("8786", str(free_port()))
    small += (
        '\ntuppence results --store "file://$PWD/shared" --format csv > results.csv\nkill %1 %2'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-emc", small], cwd=tmp_path, env={**os.environ, "PATH": path}, check=False,
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Run " in done.stdout
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + 40 * RULES


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFESTS.read_text("utf-8")))


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"] for one in manifests() if one["kind"] in {"Deployment", "Job"}]


def test_the_pods_call_commands_and_options_that_exist() -> None:
    assert len(pods()) == 3
    for pod in pods():
        (container,) = pod["spec"]["containers"]
        words = [one for one in container["args"] if not one.startswith("--")]
        given = {one.partition("=")[0] for one in container["args"] if one.startswith("--")}
        assert given <= options(words), container["args"]


def test_the_pods_may_write_only_their_volumes_and_run_as_nobody() -> None:
    for pod in pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in spec["volumes"]}


def test_services_policies_and_secrets_fit_the_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods()]
    ports = {
        pod["metadata"]["labels"]["part"]: port["containerPort"]
        for pod in pods()
        for port in pod["spec"]["containers"][0].get("ports", ())
    }
    for one in manifests():
        if one["kind"] == "Service":
            selector = one["spec"]["selector"]
            assert selector in labels
            assert [port["port"] for port in one["spec"]["ports"]] == [ports[selector["part"]]]
        if one["kind"] == "Deployment":
            assert one["spec"]["selector"]["matchLabels"] in labels
            (container,) = one["spec"]["template"]["spec"]["containers"]
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        if one["kind"] == "NetworkPolicy":
            wanted = one["spec"]["podSelector"]["matchLabels"]
            assert any(wanted.items() <= given.items() for given in labels)
    services = {
        one["metadata"]["name"]: one["spec"] for one in manifests() if one["kind"] == "Service"
    }
    called = re.findall(r"=http://([a-z-]+):(\d+)$", MANIFESTS.read_text("utf-8"), re.MULTILINE)
    assert len(called) == 2
    for name, port in called:
        assert services[name]["ports"][0]["port"] == int(port)
    assert services["tuppence-engines"][
        "publishNotReadyAddresses"
    ]  # otherwise nothing could be published
    made = "\n".join(blocks(GUIDES / "run-on-kubernetes.md", "sh"))
    secrets = {
        name: set(re.findall(r"--from-(?:file|literal)=([a-z-]+)=", given))
        for name, given in re.findall(r"secret generic (\S+) ((?:.*\\\n)*.*)", made)
    }
    used: dict[str, set[str]] = {}
    for pod in pods():
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"]["items"]}
                used.setdefault(volume["secret"]["secretName"], set()).update(keys)
        for variable in pod["spec"]["containers"][0].get("env", ()):
            key = variable["valueFrom"]["secretKeyRef"]
            used.setdefault(key["name"], set()).add(key["key"])
    assert used == secrets
