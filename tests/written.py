"""The templates of the infrastructure, written for tests."""

import json
import os
from pathlib import Path
from typing import Final
from unittest import mock

from local.cloud import synthesise

WRITING: Final = """
import dataclasses, sys, infra.app as app
dev = app.ENVIRONMENTS["dev"]
traced = dataclasses.replace(dev, collector="http://10.0.0.9:4318")
for name, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    app.ENVIRONMENTS = {**app.ENVIRONMENTS, "dev": traced if folder.endswith("traced") else dev}
    app.main(name, folder)
"""
"""A program that writes the templates of several environments; loading CDK takes longest."""
WRITTEN: Final = {
    "local": "local", "dev": "dev", "prod": "prod", "traced": "dev", "delivery": "owner/name"
}  # fmt: skip
"""Folders of templates, and what infra.app is asked for."""


def write(folder: Path, *names: str) -> None:
    """Write templates whose alarms two people get; it fails if a rule of cdk-nag is broken.

    Raises:
        MissingError: The packages of the infrastructure are not installed.
    """
    context = json.dumps({"alarms": "you@example.org,others@example.org"})
    words = [word for name in names for word in (WRITTEN[name], folder / name)]
    with mock.patch.dict(os.environ, {"CDK_CONTEXT_JSON": context}):
        synthesise("-c", WRITING, *words)
