"""Checks the packages that each part installs and loads."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

DRIVERS = {"adbc-driver-postgresql", "adbc-driver-manager", "alembic", "psycopg", "sqlalchemy"}
PROBE = """
import sys
from pathlib import Path
from tuppence.errors import UserError
from tuppence.bootstrap.services import add_caller
from tuppence.bootstrap.services import rules_engine_service
folder = Path(sys.argv[1])
add_caller("probe", folder / "callers")
try:
    rules_engine_service(
        "http://127.0.0.1:1", "token", sys.argv[1], "results", str(folder / "callers"),
        1, 1, 1.0, 1, None,
    )
except UserError as error:
    assert error.code == "relay.unreachable"
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def installed_with(extra: str) -> set[str]:
    """Return every package that an extra installs, with its dependencies."""
    found: set[str] = set()
    left = [("tuppence", extra)]
    while left:
        name, of = left.pop()
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:
            continue  # for another operating system
        for requirement in wanted:
            package = re.split(r"[\s\[;<>=!~(]", requirement, maxsplit=1)[0].lower()
            marker = requirement.partition(";")[2]
            extras = re.findall(r"extra\s*==\s*[\"']([\w-]+)", marker)
            if extras and of not in extras:
                continue
            asked = re.search(r"\[([\w,\s-]+)\]", requirement.partition(";")[0])
            extras_asked = [one.strip() for one in asked[1].split(",")] if asked else []
            left.extend((package, one) for one in extras_asked)
            if package not in found:
                left.append((package, ""))
            found.add(package)
    return found


def test_the_engine_is_installed_without_a_database_driver() -> None:
    engine = installed_with("engine")
    assert {"starlette", "uvicorn", "httpx2", "numba"} <= engine
    assert not engine & {*DRIVERS, "pyarrow"}
    assert installed_with("database") >= DRIVERS


def test_the_engine_loads_no_database_driver(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "starlette" in loaded
    assert not loaded & {"adbc_driver_postgresql", "psycopg", "pyarrow", "sqlalchemy", "alembic"}


def test_the_command_line_loads_no_service_before_it_is_asked() -> None:
    code = "import sys, tuppence.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "psycopg"} & set(done.stdout.split())
