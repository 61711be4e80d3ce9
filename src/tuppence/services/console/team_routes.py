"""The pages that a console has if several people use it."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tuppence.services.console.gate import SessionCookie
from tuppence.services.console.page import ConsoleDependencies, Pages, Team
from tuppence.services.console.publish_pages import PublishPages
from tuppence.services.console.reviews_pages import ReviewsPages
from tuppence.services.console.sign_in_pages import SignInPages
from tuppence.services.console.trying import Trying
from tuppence.usecases.edit_rules import RuleBook


def team_routes(
    deps: ConsoleDependencies,
    team: Team,
    pages: Pages,
    book: RuleBook,
    trying: Trying,
    cookie: SessionCookie,
    origin: str,
) -> list[Route]:
    """Return the routes of signing in, versions, reviews, publications and the audit.

    Args:
        deps: The ports of the console.
        team: The ports of the team.
        pages: Renders the templates.
        book: The rules.
        trying: Tries rules.
        cookie: The cookie of sessions.
        origin: The address of the console.
    """
    sign_in = SignInPages(team, pages, cookie, origin, deps.feeds.clock)
    reviews = ReviewsPages(deps, team, pages, book, trying)
    publish = PublishPages(deps, team, pages, trying)
    post = ["POST"]
    return [
        Route("/sign-in", sign_in.home, methods=["GET"]),
        Route("/sign-in", sign_in.submit, methods=post),
        Route("/sign-in/begin", sign_in.begin),
        Route("/callback", sign_in.callback),
        Route("/sign-out", sign_in.leave, methods=post),
        Route("/versions", reviews.versions, methods=["GET"]),
        Route("/versions", reviews.step, methods=post),
        Route("/reviews", reviews.home),
        Route("/review", reviews.review, methods=["GET"]),
        Route("/review", reviews.answer, methods=post),
        Route("/publish", publish.home, methods=["GET"]),
        Route("/publish", publish.submit, methods=post),
        Route("/audit", reviews.audit),
        Route("/healthz", _healthy),
    ]


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")
