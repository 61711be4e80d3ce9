"""The command `tuppence database`."""

from enum import StrEnum
from typing import Annotated

import typer

from tuppence.bootstrap.console import put_person, remove_person
from tuppence.bootstrap.database import call_convert, make_login, migrate_database, retain_feeds
from tuppence.cli.output import Database, echo, today
from tuppence.structured import read_secret


class Role(StrEnum):
    """A role of a login."""

    READER = "reader"
    LOADER = "loader"
    AUTHOR = "author"
    REVIEWER = "reviewer"
    PUBLISHER = "publisher"
    SERVICE = "service"
    FEED = "feed"


class PersonRole(StrEnum):
    """A role of a person in the console."""

    AUTHOR = "author"
    REVIEWER = "reviewer"
    PUBLISHER = "publisher"
    OPERATOR = "operator"
    SUPPORT = "support"


LoginPassword = Annotated[str, typer.Option(help="Password of that login: a file, or env:NAME.")]


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="database", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Manage the tables and logins of the PostgreSQL database."""

    example = "`tuppence database migrate --database postgresql://owner@localhost/bank`"

    @app.command(epilog=f"Example: {example}")
    def migrate(
        database: Database,
        to: Annotated[
            str, typer.Option(help="A version such as 0001; head for the newest, base for none.")
        ] = "head",
        reader: Annotated[
            str, typer.Option(help="Also create a read-only login of this name.")
        ] = "",
        password: LoginPassword = "",
        feed: Annotated[
            str, typer.Option(help="Also create a login of this name for the service of feeds.")
        ] = "",
        feed_password: LoginPassword = "",
        loader: Annotated[
            str, typer.Option(help="Also create a login of this name that may load facts.")
        ] = "",
        loader_password: LoginPassword = "",
        convert: Annotated[
            str,
            typer.Option(
                help="ARN of the function that Aurora calls when a rule is approved or retired."
            ),
        ] = "",
    ) -> None:
        """Migrate the tables of a database to a version, forward or back, in one transaction.

        The login must own the tables. Going back drops what later versions added.
        """
        logins = (
            ("reader", reader, "password", password, "read"),
            ("feed", feed, "feed-password", feed_password, "keep feeds"),
            ("loader", loader, "loader-password", loader_password, "load"),
        )
        for role, name, option, secret, _ in logins:
            if bool(name) != bool(secret):
                raise typer.BadParameter(f"--{role} and --{option} go together")
        before, after = migrate_database(database, to)
        echo(f"from {before} to {after}" if before != after else f"at {after} already")
        for role, name, _, secret, may in logins:
            if name:
                make_login(database, name, read_secret(secret), [role])
                echo(f"{name} may {may}")
        if convert:
            call_convert(database, convert)
            echo(f"calls {convert} when a definition is approved or retired")

    @app.command(
        epilog="Example: `tuppence database login ann --role author --password ann.password`"
    )
    def login(
        name: Annotated[str, typer.Argument(help="Name of the login.", show_default=False)],
        database: Database,
        role: Annotated[list[Role], typer.Option(help="Role of the login; may be repeated.")],
        password: Annotated[str, typer.Option(help="Password of the login: a file, or env:NAME.")],
    ) -> None:
        """Create a login of the database, or give it a new password and further roles.

        Each person needs a login of their own, since approvals are counted by login. A reader reads
        facts and rules, a loader writes facts and results, an author changes drafts, a reviewer
        approves and retires, a publisher publishes, and a service states for which person it acts.
        """
        make_login(database, name, read_secret(password), [one.value for one in role])
        echo(f"{name}: {', '.join(role)}")

    @app.command(
        epilog="Example: `tuppence database person ann --role author --password ann.password`"
    )
    def person(
        name: Annotated[
            str, typer.Argument(help="Name with which they sign in.", show_default=False)
        ],
        database: Database,
        role: Annotated[
            list[PersonRole] | None,
            typer.Option(help="Role in the console; may be repeated."),
        ] = None,
        password: Annotated[
            str, typer.Option(help="Their password, 12 characters or more: a file, or env:NAME.")
        ] = "",
        shown: Annotated[str, typer.Option(help="Name to show; the first one if omitted.")] = "",
        remove: Annotated[bool, typer.Option("--remove", help="Remove them instead.")] = False,
    ) -> None:
        """Add somebody to the console of a team who signs in with a password, or replace them.

        This is for trying the console; a team has an identity provider. Their sessions end. The
        login must own the tables.
        """
        if remove:
            if role or password or shown:
                raise typer.BadParameter("--remove goes with no other option")
            echo(f"{name}: {'removed' if remove_person(database, name) else 'nobody'}")
            return
        if not role or not password:
            raise typer.BadParameter("--role and --password are needed")
        roles = [one.value for one in role]
        put_person(database, name, shown or name, read_secret(password), roles)
        echo(f"{name}: {', '.join(roles)}")

    @app.command(epilog="Example: `tuppence database retain --months 13`")
    def retain(
        database: Database,
        months: Annotated[
            int,
            typer.Option(min=4, max=1200, help="Months to keep before the present one."),
        ] = 13,
    ) -> None:
        """Remove events and views of feeds that are older, and nothing else.

        What people answered stays, since states sum it up. The login must own the tables. Events
        of 90 days may be sent again, so at least four months are kept. Learned orders do not see
        what was removed.
        """
        day = today()
        index = day.year * 12 + day.month - 1 - months
        first = day.replace(year=index // 12, month=index % 12 + 1, day=1)
        partitions, views = retain_feeds(database, first)
        echo(f"kept from {first} on; removed: {partitions:,} months of events, {views:,} views")

    program.add_typer(app)
