"""Checks that the tables of PostgreSQL accept the identifiers that the rule for them allows."""

import psycopg
import pytest
from hypothesis import HealthCheck, given
from tests.examples import examples
from tests.identifiers import EDGES, texts

from tuppence.facts.identifiers import why_not_identifier


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO tuppence.customers (id, currency) VALUES (%s, 'GBP')",
        "INSERT INTO tuppence.accounts (id, customer_id, type) VALUES (%s, 'ann', 'current')",
    ],
    ids=["customers", "accounts"],
)
@pytest.mark.hypothesis
def test_the_database_takes_what_the_rule_allows(database: str, insert: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO tuppence.customers (id, currency) VALUES ('ann', 'GBP')")

        def takes_what_is_allowed(text: str) -> None:
            problem = why_not_identifier(text)
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(insert, [text])
            except (psycopg.IntegrityError, psycopg.DataError):  # DataError: text cannot hold NUL
                assert problem is not None
            else:
                assert problem is None

        for text in EDGES:
            takes_what_is_allowed(text)
        check = examples(10, 500, suppress_health_check=list(HealthCheck))
        check(given(texts().filter(lambda text: text != "ann"))(takes_what_is_allowed))()
