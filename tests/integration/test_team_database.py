"""Checks what a team keeps in PostgreSQL: who agrees with what, sessions, passwords, reads."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.definitions import Definitions
from tuppence.adapters.postgres.feeds import Connections
from tuppence.adapters.postgres.team import (
    TeamPasswords,
    TeamReads,
    TeamReviews,
    TeamSessions,
    put_person,
    remove_person,
)
from tuppence.errors import UserError
from tuppence.rules.definition import Definition
from tuppence.rules.rule import Message
from tuppence.usecases.reviews import Reviewed, find_newest
from tuppence.usecases.team import LOCAL_ISSUER, Person

Ask = Callable[..., list[tuple[object, ...]]]
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody
ANN, BOB, CAY, DAN = (
    Person(LOCAL_ISSUER, name, name.capitalize(), frozenset({"reviewer"}))
    for name in ("ann", "bob", "cay", "dan")
)
ELSEWHERE = Person("https://id.example", "cay", "Cay", frozenset({"reviewer"}))


@pytest.fixture
def connections(login: Callable[..., str]) -> Iterator[Connections]:
    found = Connections(login("console", "service"), 4)
    yield found
    found.close()


@pytest.fixture
def reviews(connections: Connections, login: Callable[..., str]) -> TeamReviews:
    return TeamReviews(Definitions(login("console", "service")), connections)


def draft(reviews: TeamReviews, person: Person, title: str, base: int) -> None:
    rule = Definition("fees", "tip", title, "true", "1", Message("a", "b"))
    reviews._definitions.acting(person).draft_from(rule, base, "because")


def in_review(reviews: TeamReviews) -> Reviewed:
    """Send a draft of ann to review."""
    draft(reviews, ANN, "First", 0)
    reviews.step(ANN, "fees", 1, "in_review", "please")
    return find_newest(reviews, "fees").reviewed


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        act()
    return error.value.message


def test_a_version_is_approved_once_enough_people_agree(reviews: TeamReviews) -> None:
    wanted = in_review(reviews)
    assert reviews.approve(BOB, wanted, 2, "good") == 1
    assert find_newest(reviews, "fees").state == "in_review"
    assert "the same person" in refusal(lambda: reviews.approve(BOB, wanted, 2, "again"))
    assert reviews.approve(CAY, wanted, 2, "too") == 2
    assert find_newest(reviews, "fees").state == "approved"
    said = [(one.author, one.approves, one.text) for one in reviews.remarks("fees")]
    assert said == [("Bob", True, "good"), ("Cay", True, "too")]


def test_whoever_changed_a_draft_since_its_approval_cannot_agree(reviews: TeamReviews) -> None:
    in_review(reviews)
    draft(reviews, BOB, "Second", 2)
    reviews.step(CAY, "fees", 3, "in_review", "please")
    wanted = find_newest(reviews, "fees").reviewed
    for editor in (ANN, BOB):
        assert "has changed a definition" in refusal(
            lambda who=editor: reviews.approve(who, wanted, 1, "good")  # type: ignore[misc]
        )
    assert "another issuer" in refusal(lambda: reviews.approve(ELSEWHERE, wanted, 1, "good"))
    assert reviews.approve(CAY, wanted, 1, "good") == 1
    assert find_newest(reviews, "fees").version_in_force == 5


def test_a_changed_draft_voids_what_people_agreed_to(reviews: TeamReviews) -> None:
    first = in_review(reviews)
    reviews.approve(BOB, first, 2, "good")
    draft(reviews, ANN, "Second", 2)
    reviews.step(ANN, "fees", 3, "in_review", "again")
    assert "has changed since it was read" in refusal(
        lambda: reviews.approve(CAY, first, 2, "good")
    )
    second = find_newest(reviews, "fees").reviewed
    assert reviews.approve(CAY, second, 2, "good") == 1, "bob's agreement was with another version"
    assert reviews.approve(BOB, second, 2, "good") == 2


def test_of_two_who_agree_at_once_the_second_completes_it(reviews: TeamReviews) -> None:
    wanted = in_review(reviews)
    together, counts = threading.Barrier(2), list[int]()

    def agree(person: Person) -> None:
        together.wait()
        counts.append(reviews.approve(person, wanted, 2, "good"))

    threads = [threading.Thread(target=agree, args=(person,)) for person in (BOB, CAY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [1, 2]
    assert find_newest(reviews, "fees").state == "approved"


def test_a_draft_cannot_be_agreed_with_and_comments_change_nothing(reviews: TeamReviews) -> None:
    draft(reviews, ANN, "First", 0)
    wanted = find_newest(reviews, "fees").reviewed
    assert "cannot take this step" in refusal(lambda: reviews.approve(BOB, wanted, 1, "good"))
    reviews.comment(ANN, "fees", 1, "look at the title")
    with pytest.raises(UserError):
        reviews.comment(ANN, "fees", 7, "of no version")
    (one,) = reviews.remarks("fees")
    assert (one.text, one.approves, one.digest) == ("look at the title", False, wanted.digest)
    assert [one.action for one in reviews.audit(5, 0)] == ["commented", "draft"]


def test_an_earlier_version_is_restored_as_a_draft(reviews: TeamReviews) -> None:
    reviews.approve(BOB, in_review(reviews), 1, "good")
    draft(reviews, ANN, "Second", 3)
    reviews.step(BOB, "fees", 4, "retired", "stop")
    reviews.restore(BOB, "fees", 5, 3, "the first was better")
    newest = find_newest(reviews, "fees")
    assert (newest.state, newest.definition.title, newest.editors) == (
        "draft",
        "First",
        ["ann", "bob"],
    )
    assert newest.version_in_force is None
    assert "has changed since" in refusal(lambda: reviews.restore(BOB, "fees", 5, 3, "late"))


def test_a_session_ends_when_idle_late_or_left(connections: Connections) -> None:
    sessions, digest = TeamSessions(connections), "a" * 64
    sessions.begin(digest, ANN, 1_000, 5_000)
    assert sessions.find(digest, 1_400, 900) == ANN
    assert sessions.find(digest, 1_800, 1_300) == ANN, "used at 1,400"
    assert sessions.find(digest, 2_900, 1_900) is None, "idle since 1,800"
    assert sessions.find(digest, 5_000, 0) is None, "at its end"
    assert sessions.find("b" * 64, 1_400, 0) is None
    sessions.end(digest)
    assert sessions.find(digest, 1_400, 0) is None
    for number, (seen, ends) in enumerate([(1_000, 5_000), (3_000, 5_000), (3_000, 3_500)]):
        sessions.begin(f"{number}" * 64, ANN, seen, ends)
    sessions.sweep(4_000, 2_000)
    with connections.reading() as connection:
        kept = connection.execute("SELECT digest FROM tuppence.console_sessions").fetchall()
    assert kept == [("1" * 64,)]


def test_a_password_admits_one_person_and_is_not_kept(
    connections: Connections, database: str, rows_of: Ask
) -> None:
    passwords, sessions = TeamPasswords(connections), TeamSessions(connections)
    put_person(database, "ann", "Ann Author", PASSWORD, ["author"])
    found = Person(LOCAL_ISSUER, "ann", "Ann Author", frozenset({"author"}))
    assert passwords.person("ann", PASSWORD) == found
    assert passwords.person("ann", PASSWORD + "x") is None
    assert passwords.person("bob", PASSWORD) is None
    ((kept,),) = rows_of("SELECT password FROM tuppence.console_users")
    assert str(kept).startswith("$argon2id$")
    for change in (
        lambda: put_person(database, "ann", "Ann", PASSWORD, ["reviewer"]),
        lambda: remove_person(database, "ann"),
    ):
        sessions.begin("a" * 64, found, 1_000, 5_000)
        change()
        assert sessions.find("a" * 64, 1_400, 0) is None
    assert passwords.person("ann", PASSWORD) is None
    assert not remove_person(database, "ann")
    for secret in ("short", "x" * 1_001):
        with pytest.raises(UserError) as error:
            put_person(database, "ann", "Ann", secret, ["author"])
        assert error.value.code == "team.password"


def test_reads_of_personal_data_are_recorded_until_the_person_is_forgotten(
    connections: Connections, reviews: TeamReviews, database: str, login: Callable[..., str]
) -> None:
    reads = TeamReads(connections)
    reads.note(ANN, ["c1", "c2"], "messages of a rule")
    reads.note(BOB, ["c1"], "feed of a customer", "they called")
    reads.note(BOB, [], "nothing")
    found = [(one.author, one.customer_id, one.what, one.reason) for one in reviews.reads(2, 0)]
    assert found == [
        ("Bob", "c1", "feed of a customer", "they called"),
        ("Ann", "c2", "messages of a rule", ""),
    ]
    with psycopg.connect(login("eve", "loader"), cursor_factory=psycopg.RawCursor) as connection:
        connection.execute(load_query("forget"), ["c1"])
    assert [one.customer_id for one in reviews.reads(9, 0)] == ["c2"]
    with psycopg.connect(login("console", "service")) as connection:
        for query in ("DELETE FROM", "UPDATE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    f"{query} tuppence.personal_reads{' SET what = 1' if query == 'UPDATE' else ''}"
                )
            connection.rollback()
    assert database
