"""The console as a web application: forms and links, which a script makes quicker to use."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tuppence.errors import UserError
from tuppence.services.console.customers_pages import CustomersPages
from tuppence.services.console.gate import OwnerGate, SessionCookie, TeamGate
from tuppence.services.console.nights_pages import NightsPages
from tuppence.services.console.page import FOLDER, ConsoleDependencies, Pages
from tuppence.services.console.permissions import may
from tuppence.services.console.relevance_pages import RelevancePages
from tuppence.services.console.rules_pages import RulesPages
from tuppence.services.console.team_routes import team_routes
from tuppence.services.console.trying import Trying
from tuppence.services.pages import PageGuard
from tuppence.usecases.edit_rules import RuleBook
from tuppence.usecases.preview_session import PreviewSession

COOKIE: Final = "tuppence-console"


def console_app(deps: ConsoleDependencies, key: str = "", origin: str = "") -> Starlette:
    """Return the console as an application.

    Args:
        deps: The ports of the console.
        key: The secret in the address that the command prints, for a console on one machine;
            whoever has it may do everything.
        origin: The address of the console of a team.
    """
    team = deps.team
    pages = Pages(may, is_team=team is not None)
    session = PreviewSession(deps.store, deps.purposes, deps.today, deps.threads, deps.budget)
    book = RuleBook(deps.files, deps.store.schema)
    trying = Trying(deps, pages, session)
    rules = RulesPages(deps, pages, book, trying)
    customers = CustomersPages(deps, pages, session.forget)
    nights = NightsPages(deps, pages)
    relevance = RelevancePages(deps, pages)
    post = ["POST"]
    routes: list[BaseRoute] = [
        Route("/", rules.home),
        Route("/rule", rules.edit, methods=["GET"]),
        Route("/rule", rules.submit, methods=post),
        Route("/new", rules.new, methods=["GET"]),
        Route("/new", rules.begin, methods=post),
        Route("/check", rules.check, methods=post),
        Route("/complete", rules.complete, methods=post),
        Route("/preview", rules.preview, methods=post),
        Route("/more", rules.more, methods=post),
        Route("/example", rules.example, methods=post),
        Route("/customers", customers.home),
        Route("/customer", customers.customer, methods=["GET"]),
        Route("/customer", customers.open, methods=post),
        Route("/customer/proof", customers.proof, methods=post),
        Route("/customer/export", customers.export, methods=post),
        Route("/customer/erase", customers.erase, methods=post),
        Route("/reason", customers.reason),
        Route("/relevance", relevance.home, methods=["GET"]),
        Route("/relevance", relevance.estimate, methods=post),
        Route("/nights", nights.home),
        Route("/nights/events", nights.events),
        Route("/nights/compare", nights.compare, methods=post),
        Route("/nights/replay", nights.replay, methods=post),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]

    guards = [
        Middleware(PageGuard, key=key, cookie=COOKIE, command="console"),
        Middleware(OwnerGate),
    ]
    if team is not None:
        cookie = SessionCookie(team, origin, deps.feeds.clock)
        routes += team_routes(deps, team, pages, book, trying, cookie, origin)
        guards = [
            Middleware(ProxyHeadersMiddleware, trusted_hosts=team.policy.proxies),
            Middleware(TeamGate, cookie=cookie, pages=pages),
        ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The first preview compiles the engine and reads the facts: it begins before anybody asks.
        threading.Thread(target=session.warm, args=(rules.usable,), daemon=True).start()
        yield
        await run_in_threadpool(deps.feeds.close)
        if team is not None:
            await run_in_threadpool(team.close)

    return Starlette(
        routes=routes,
        middleware=guards,
        exception_handlers={UserError: pages.on_error, HTTPException: pages.on_missing},
        lifespan=lifespan,
    )
