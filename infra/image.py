"""The images of the services, from the one Dockerfile."""

from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as images
from constructs import Construct

ROOT: Final = Path(__file__).parent.parent


def image(scope: Construct, label: str, target: str) -> images.DockerImageAsset:
    """Return an image that is built from a stage of the Dockerfile at deployment."""
    return images.DockerImageAsset(
        scope,
        label,
        directory=str(ROOT),
        target=target,
        platform=images.Platform.LINUX_AMD64,
        exclude=[
            "*",
            "!Dockerfile",
            "!pyproject.toml",
            "!README.md",
            "!LICENSE",
            "!NOTICE",
            "!requirements",
            "!src",
        ],
        ignore_mode=cdk.IgnoreMode.DOCKER,
    )
