"""Discovery of running engines by Cloud Map."""

from collections.abc import Callable

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.adapters.engines import HttpEngine
from tuppence.errors import UserError


def running_engines(
    namespace: str, service: str, port: int, read_token: Callable[[], str]
) -> list[HttpEngine]:
    """Return every engine that Cloud Map knows to be running.

    Args:
        namespace: Name of the namespace.
        service: Name of the engines' service.
        port: Port of engines that are registered without one: ECS registers ports only for SRV
            records.
        read_token: Returns the token of this caller.

    Raises:
        UserError: No engine is running, so none would confirm a ruleset.
    """
    with aws_errors("engines", f"the service {service}"):
        answer = client("servicediscovery").discover_instances(
            NamespaceName=namespace,
            ServiceName=service,
            MaxResults=1_000,
            HealthStatus="HEALTHY",
        )
    instances = [instance["Attributes"] for instance in answer["Instances"]]
    if not instances:
        raise UserError("engines.none", f"no engine of {namespace} is running")
    token = read_token()
    return [
        HttpEngine(f"http://{one['AWS_INSTANCE_IPV4']}:{one.get('AWS_INSTANCE_PORT', port)}", token)
        for one in instances
    ]
