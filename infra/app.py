"""The CDK app: `make cdk DO="synth -c env=dev"`, or `python -m infra.app dev OUTPUT`.

In place of an environment a repository, OWNER/NAME, gives the roles for its workflows.
"""

import sys
from typing import Final

import aws_cdk as cdk
import cdk_nag

from infra.stacks.data import Data
from infra.stacks.delivery import Delivery
from infra.stacks.fleet import Fleet
from infra.stacks.network import Network
from infra.stacks.services import Services
from infra.stacks.watch import Watch
from tuppence.capacity.environments import ENVIRONMENTS, Environment

FEATURES: Final = {"@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True}
"""Ways of CDK that have to be asked for."""


def build(app: cdk.App, environment: Environment) -> None:
    """Put the stacks of an environment into the app."""
    network = Network(app, environment)
    data = Data(app, environment, network)
    services = Services(app, environment, network, data)
    fleet = Fleet(app, environment, network, data, services)
    Watch(app, environment, data, services, fleet)
    cdk.Tags.of(app).add("environment", environment.name)


def main() -> None:
    """Write the templates."""
    arguments = sys.argv[1:]
    app = cdk.App(outdir=arguments[1] if len(arguments) > 1 else None, context=FEATURES)
    name = arguments[0] if arguments else app.node.try_get_context("env") or "dev"
    repository = name if "/" in name else app.node.try_get_context("repository")
    if repository:
        deployed = [one for one in ENVIRONMENTS if one != "local"]
        Delivery(app, "tuppence-delivery", repository, deployed)
    elif name in ENVIRONMENTS:
        build(app, ENVIRONMENTS[name])
    else:
        sys.exit(f"there is no environment {name!r}: choose one of {', '.join(ENVIRONMENTS)}")
    cdk.Tags.of(app).add("project", "tuppence")
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app, verbose=True))
    app.synth()


if __name__ == "__main__":
    main()
