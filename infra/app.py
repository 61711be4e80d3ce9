"""The CDK app: `make cdk DO="synth -c env=dev"`, or `python -m infra.app dev OUTPUT`.

Given a repository, OWNER/NAME, in place of an environment, it makes the roles for its workflows.
The context `alarms` lists the addresses, separated by commas, that get an e-mail for each alarm.
"""

import sys
from typing import Final

import aws_cdk as cdk
import cdk_nag

from infra.stacks.data import Data
from infra.stacks.deliver import Deliver
from infra.stacks.delivery import Delivery
from infra.stacks.feed import Feed
from infra.stacks.fleet import Fleet
from infra.stacks.migration import Migration
from infra.stacks.monitoring import Monitoring
from infra.stacks.network import Network
from infra.stacks.nights import Nights
from infra.stacks.services import Services
from infra.stacks.take_in import TakeIn
from tuppence.capacity.environments import ENVIRONMENTS, Environment

FEATURES: Final = {"@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True}
"""Feature flags of CDK, which are off by default."""


def build(app: cdk.App, environment: Environment) -> None:
    """Add the stacks of an environment to the app."""
    network = Network(app, environment)
    data = Data(app, environment, network)
    migration = Migration(app, environment, network, data)
    services = Services(app, environment, network, data, migration)
    feed = Feed(app, environment, network, data, services)
    take_in = TakeIn(app, environment, network, data, migration)
    deliver = (
        Deliver(app, environment, network, data, services) if environment.deliver_hours else None
    )
    fleet = Fleet(app, environment, network, data, services)
    nights = Nights(app, environment, network, data)
    recipients = app.node.try_get_context("alarms") or ""
    addresses = recipients.replace(",", " ").split()
    Monitoring(app, environment, data, services, feed, take_in, deliver, fleet, nights, addresses)
    cdk.Tags.of(app).add("environment", environment.name)


def main(*arguments: str) -> None:
    """Write the templates of an environment: its name, and the folder for them."""
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
    main(*sys.argv[1:])
