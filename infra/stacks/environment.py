"""The base of all stacks of an environment."""

import aws_cdk as cdk
from constructs import Construct

from tuppence.capacity.environments import Environment


class EnvironmentStack(cdk.Stack):
    """A stack of an environment, in its account and region."""

    def __init__(self, scope: Construct, environment: Environment, label: str) -> None:
        where = cdk.Environment(account=environment.account, region=environment.region)
        super().__init__(scope, f"tuppence-{environment.name}-{label}", env=where)
        self._environment = environment
