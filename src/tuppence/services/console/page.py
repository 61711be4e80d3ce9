"""The parts that all pages of the console share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.feed.items import DAY
from tuppence.feel.values import Date
from tuppence.plain_text import printable
from tuppence.services.feed.app import FeedDependencies
from tuppence.services.pages import templates_in
from tuppence.services.problems import STATUSES
from tuppence.usecases.customer_store import EvaluatedStore
from tuppence.usecases.edit_rules import RuleFiles
from tuppence.usecases.erase_customer import ErasureReport
from tuppence.usecases.learn_order import LogColumns, read_log
from tuppence.usecases.nights import HistoryStore, RunHistory
from tuppence.usecases.publisher import Publisher
from tuppence.usecases.replay_night import PastRuns, ReplayStore
from tuppence.usecases.reviews import Reviews
from tuppence.usecases.team import (
    NOBODY,
    NoReads,
    Passwords,
    Person,
    PersonalReads,
    Provider,
    Sessions,
)
from tuppence.usecases.team_policy import TeamPolicy

FOLDER: Final = Path(__file__).parent
PAGES: Final = (
    ("Rules", "/"),
    ("Customers", "/customers"),
    ("Nights", "/nights"),
    ("Relevance", "/relevance"),
)
TEAM_PAGES: Final = (("Reviews", "/reviews"), ("Publish", "/publish"), ("Audit", "/audit"))
"""Further pages of a team."""
PERSON: Final[ContextVar[Person]] = ContextVar("person", default=NOBODY)
"""The person whose request is being handled."""


class ConsoleResults(PastRuns, RunHistory, Protocol):
    """The results of everybody, and the runs that made them."""


class ConsoleStore(EvaluatedStore, ReplayStore, HistoryStore, Protocol):
    """A store whose rules people write, and whose nights they watch."""

    def read_results(self) -> AbstractContextManager[ConsoleResults]:
        """Open the results."""
        ...


class Privacy(NamedTuple):
    """The rights of people to their data.

    Attributes:
        export: Returns all data about a customer, for JSON.
        erase: Erases a customer, for good.
    """

    export: Callable[[str], Mapping[str, Any]]
    erase: Callable[[str], ErasureReport]


class Team(NamedTuple):
    """The ports of a console that several people use.

    Attributes:
        sessions: The sessions.
        passwords: People with passwords; None if they sign in elsewhere.
        provider: The identity provider where they sign in; None if they have passwords.
        reviews: Versions, and what people say of them.
        policy: The decisions of the team.
        publisher: Publishes rules; None if the console does not know where to.
        close: Called when the console ends.
    """

    sessions: Sessions
    passwords: Passwords | None
    provider: Provider | None
    reviews: Reviews
    policy: TeamPolicy
    publisher: Publisher | None
    close: Callable[[], None]


class ConsoleDependencies(NamedTuple):
    """The ports of the console.

    Attributes:
        store: The store.
        files: The rule files.
        feeds: The dependencies of feeds; closed when the console ends.
        customers: Returns some customers whose names begin with a text.
        purposes: Consents for these count, and for no others.
        threads: Number of threads that evaluate a preview.
        budget: Maximum number of bytes of facts that are kept in memory for previews.
        reads: The record of who has seen the data of which customers.
        team: The ports of a console that several people use; None on one machine.
        privacy: Exports and erases customers; None if the console may not.
        read_log: Reads the log of feeds, from which their order is learned.
        hour: Price of an hour of a processor in a fleet, in US dollars, to tell what rules cost.
    """

    store: ConsoleStore
    files: RuleFiles
    feeds: FeedDependencies
    customers: Callable[[str], Sequence[str]]
    purposes: frozenset[str]
    threads: int
    budget: int
    reads: PersonalReads = NoReads()
    team: Team | None = None
    privacy: Privacy | None = None
    read_log: Callable[[], LogColumns] = lambda: read_log(())
    hour: float = 0.0

    def note_read(self, what: str, customers: Sequence[str], reason: str = "") -> None:
        """Record that whoever asks is about to see data of customers.

        Args:
            what: The kind of page, in words.
            customers: The customers.
            reason: The reason, if the page asks for one.
        """
        self.reads.note(PERSON.get(), customers, what, reason)

    def today(self) -> Date:
        """Return the clock's day."""
        return Date(self.feeds.clock() // DAY)


class Pages:
    """Renders the templates of the console.

    Args:
        may: Returns whether a person may open the page of a path.
        is_team: Whether several people use the console.
    """

    def __init__(self, may: Callable[[Person, str], bool], *, is_team: bool) -> None:
        self._sections = (*PAGES, *TEAM_PAGES) if is_team else PAGES
        self._may = may
        self._templates = templates_in(FOLDER)
        self._templates.filters["count"] = lambda number: f"{number:,}"
        self._templates.filters["number"] = lambda number: f"{number.normalize():f}"
        self._templates.filters["share"] = _share
        self._templates.filters["day"] = lambda day: str(Date(day))
        self._templates.filters["pair"] = lambda one: (one, one)
        self._templates.globals["address"] = address
        self._templates.globals["sections"] = self._open_sections
        self._templates.globals["person"] = PERSON.get
        self._templates.globals["is_team"] = is_team

    def _open_sections(self) -> list[tuple[str, str]]:
        """Return the titles and paths of the pages that whoever asks may open."""
        person = PERSON.get()
        return [one for one in self._sections if self._may(person, one[1])]

    def page(
        self, template: str, title: str, section: str, status: int = 200, **values: Any
    ) -> Response:
        """Return a page.

        Args:
            template: Name of the template.
            title: Title of the page.
            section: Title of the section that the page belongs to.
            status: Status of the answer.
            values: Values of the template.
        """
        text = self.text(template, title=title, section=section, **values)
        return Response(text, status, media_type="text/html")

    def text(self, template: str, **values: Any) -> str:
        """Return a filled template."""
        return self._templates.get_template(template).render(**values)

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Show an error in a sentence: on a page, or for scripts as a part of one."""
        assert isinstance(error, UserError)  # noqa: S101 - it is registered for those
        status = STATUSES.get(error.code, 400)
        if wants_part(request):
            text = self.text("error_part.html", error=error)
            return Response(text, status, media_type="text/html")
        return self.page("error.html", "Not possible", "", status, error=error)

    async def on_missing(self, request: Request, error: Exception) -> Response:
        """Say that there is no such page, or that it takes no such request."""
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for those
        message = f"there is no page {printable(request.url.path)[:200]}"
        if error.status_code != HTTPStatus.NOT_FOUND:
            message = HTTPStatus(error.status_code).phrase.lower()
        told = UserError(f"http.{error.status_code}", message, "choose one of the pages above")
        return self.page("error.html", "No such page", "", error.status_code, error=told)


def address(path: str, **parameters: str) -> str:
    """Return an address with parameters."""
    return f"{path}?{urlencode(parameters)}" if parameters else path


def wants_part(request: Request) -> bool:
    """Return whether the page's script asks, which shows the answer inside the page."""
    return request.headers.get("x-part") == "1"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
