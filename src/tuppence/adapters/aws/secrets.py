"""Secrets in AWS Secrets Manager."""

from tuppence.adapters.aws.clients import aws_errors, client


def read_secret(name: str) -> str:
    """Return the text of a secret, which is given by its name or ARN."""
    with aws_errors("secrets", f"the secret {name}"):
        answer = client("secretsmanager").get_secret_value(SecretId=name)
    return str(answer["SecretString"])
