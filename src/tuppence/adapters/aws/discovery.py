"""Running engines, as Cloud Map knows them."""

from collections.abc import Callable

from tuppence.adapters.aws.clients import aws_errors, client
from tuppence.adapters.engines import HttpEngine
from tuppence.errors import UserError


def running_engines(
    namespace: str, service: str, read_token: Callable[[], str]
) -> list[HttpEngine]:
    """Return every engine that is known to be running.

    Args:
        namespace: The namespace of Cloud Map.
        service: Name of the engines' service in it.
        read_token: Returns the token of this caller.

    Raises:
        UserError: There is none: then nobody would confirm anything.
    """
    with aws_errors("engines", f"the service {service}"):
        answer = client("servicediscovery").discover_instances(
            NamespaceName=namespace,
            ServiceName=service,
            MaxResults=1_000,
            HealthStatus="HEALTHY",
        )
    places = [instance["Attributes"] for instance in answer["Instances"]]
    if not places:
        raise UserError("engines.none", f"no engine of {namespace} is running")
    token = read_token()
    return [
        HttpEngine(f"http://{place['AWS_INSTANCE_IPV4']}:{place['AWS_INSTANCE_PORT']}", token)
        for place in places
    ]
