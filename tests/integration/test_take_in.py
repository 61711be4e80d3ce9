"""Files that arrive in a bucket become facts of the database, with rejects and reasons beside."""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psycopg
import pytest
from local.servers import AWS_REGION
from tests.building import bank, day
from tests.commands import command

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.inbox import S3Inbox
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.manifest import Segment
from tuppence.adapters.embedded.place import FolderPlace
from tuppence.adapters.postgres.pool import Pool
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.usecases.take_in_files import Arrived

pytestmark = pytest.mark.usefixtures("aws")
MAPPING = """
table: transactions
columns: {id: Id, booking date: Date, amount: Amount, text: Text, customer: Owner}
constants: {account: main, currency: GBP}
"""
HEADER = "Id,Date,Amount,Text,Owner\n"
JUNE = f"{HEADER}1,2026-06-01,-12.50,Bean Yard,ann\n2,2026-06-02,soon,Bean Yard,ann\n"
JULY = f"{HEADER}3,2026-07-01,-9.50,Bean Yard,ann\n"
PURPOSES = frozenset({"insights"})
TODAY = Date(day("2026-07-01"))
Ask = Callable[..., list[tuple[object, ...]]]


class Bucket:
    """A bucket with an inbox."""

    def __init__(self) -> None:
        self.client = client("s3")
        self.name = f"files-{uuid.uuid4().hex}"
        where = {"LocationConstraint": AWS_REGION}
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)

    def put(self, key: str, text: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def get(self, key: str) -> str:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body.decode()

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return sorted(one["Key"] for one in found)


def take_in(bucket: Bucket, store: Path, database: str, status: int = 0) -> str:
    consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    where = ("take-in", f"s3://{bucket.name}", "--store", store, "--to", database)
    return command(*where, *consent, status=status)


def test_what_arrives_is_imported_loaded_and_moved(
    database: str, rows_of: Ask, tmp_path: Path
) -> None:
    bucket, store = Bucket(), tmp_path / "store"
    bucket.put("inbox/bank/mapping.yaml", MAPPING)
    bucket.put("inbox/bank/june.csv", JUNE)
    bucket.put("inbox/nobody/june.csv", JUNE)
    bucket.put("inbox/bank/broken.csv", "x\n1\n")
    bucket.put("inbox/stray.csv", JUNE)
    printed = take_in(bucket, store, database, status=4)
    assert "\nstray.csv: refused" in f"\n{printed}"
    assert "bank/june.csv: 2 rows, 1 new, 0 changed, 1 rejected" in printed
    assert "Bean Yard" not in printed
    assert bucket.keys() == [
        "imported/bank/june.csv",
        "imported/bank/june.csv.rejects.csv",
        "inbox/bank/mapping.yaml",
        "refused/bank/broken.csv",
        "refused/bank/broken.csv.reason.txt",
        "refused/nobody/june.csv",
        "refused/nobody/june.csv.reason.txt",
        "refused/stray.csv",
        "refused/stray.csv.reason.txt",
    ]
    assert "the file is in no folder" in bucket.get("refused/stray.csv.reason.txt")
    assert "amount is not a number: soon" in bucket.get("imported/bank/june.csv.rejects.csv")
    assert "there is no column" in bucket.get("refused/bank/broken.csv.reason.txt")
    assert "no such file" in bucket.get("refused/nobody/june.csv.reason.txt")
    count = "SELECT count(*) FROM tuppence.transactions"
    assert rows_of(count) == [(1,)]
    bucket.put("inbox/bank/july.csv", JULY)
    bucket.put("inbox/bank/june.csv", JUNE)
    assert "1 transactions were loaded" in take_in(bucket, store, database)
    assert rows_of(count) == [(2,)], "what came before changes nothing"


def test_only_what_the_database_lacks_is_loaded_again(
    database: str, rows_of: Ask, tmp_path: Path
) -> None:
    bucket, store = Bucket(), tmp_path / "store"
    bucket.put("inbox/bank/mapping.yaml", MAPPING)
    bucket.put("inbox/bank/june.csv", JUNE)
    assert "1 transactions were loaded" in take_in(bucket, store, database, status=0)
    assert "0 transactions were loaded" in take_in(bucket, store, database)
    bucket.put("inbox/bank/july.csv", JULY + "20,2026-07-02,-1.50,Bean Yard,ann\n")
    command("consent", "grant", "ann", "--until", "2027-01-01", "--store", store)
    assert "2 transactions were loaded" in take_in(bucket, store, database)
    found = rows_of("SELECT id FROM tuppence.transactions ORDER BY ctid")
    assert found == [("1",), ("20",), ("3",)], "the new ones are written in the order of the key"
    command("consent", "withdraw", "ann", "--store", store)
    assert "0 transactions were loaded" in take_in(bucket, store, database)
    withdrawn = "SELECT 1 FROM tuppence.consents WHERE withdrawn_on IS NOT NULL"
    assert len(rows_of(withdrawn)) == 1, "consents are compared each time"
    rows_of("DELETE FROM tuppence.transactions")
    assert "0 transactions were loaded" in take_in(bucket, store, database)
    consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    command("load", "--store", store, "--to", database, *consent)
    assert len(rows_of("SELECT id FROM tuppence.transactions")) == 3, "a load does not skip any"


def test_files_of_some_customers_read_the_others_once(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = FactStore.create(tmp_path / "store", Schema())
    for name in ("amy", "ann", "bob", "cat"):
        facts.append(bank([{"booking date": day("2026-05-01"), "amount": -1}], name), 1)
    before = facts.segment_names()
    read = Counter[tuple[FolderPlace, str, str]]()
    real = FolderPlace.read_files

    def counting(place: FolderPlace, segment: Segment, names: Collection[str]) -> dict[str, bytes]:
        read.update((place, segment.name, name) for name in names)
        return real(place, segment, names)

    monkeypatch.setattr(FolderPlace, "read_files", counting)
    bucket = Bucket()
    bucket.put("inbox/bank/mapping.yaml", MAPPING)
    for number in range(3):
        bucket.put(f"inbox/bank/{number}.csv", JULY.replace("3,", f"{number + 3},"))
    take_in(bucket, tmp_path / "store", database)
    of_others = {name for name in before if not name.startswith("p00001")}
    tables = {"customers.parquet", "accounts.parquet"}
    counts = {key: count for key, count in read.items() if key[1] in of_others and key[2] in tables}
    assert {segment for _, segment, _ in counts} == of_others
    assert {*counts.values()} == {1}, "by the imports, and by the load afterwards"


def test_a_file_that_is_too_large_is_not_fetched(tmp_path: Path) -> None:
    bucket = Bucket()
    bucket.put("inbox/bank/a.csv", "x" * 101)
    inbox = S3Inbox(bucket.client, bucket.name, max_bytes=100)
    (file,) = inbox.waiting()
    with pytest.raises(UserError, match="larger than 100 bytes"):
        inbox.fetch(file, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_consent_new_customers_are_loaded_and_not_evaluated(
    database: str, rows_of: Ask, tmp_path: Path
) -> None:
    bucket = Bucket()
    bucket.put("inbox/bank/mapping.yaml", MAPPING)
    bucket.put("inbox/bank/july.csv", JULY)
    command("take-in", f"s3://{bucket.name}", "--store", tmp_path / "store", "--to", database)
    assert rows_of("SELECT id FROM tuppence.customers") == [("ann",)]
    assert rows_of("SELECT * FROM tuppence.consents") == []
    pool = Pool(database, 1, 5.0, PURPOSES, lambda: TODAY)
    assert pool.page("", TODAY, 10) == []
    pool.close()


def test_an_inbox_has_the_files_that_wait_and_names_one_that_is_missing(
    tmp_path: Path,
) -> None:
    bucket = Bucket()
    for name in ("b.csv", "a.csv"):
        bucket.put(f"inbox/bank/{name}", name)
    inbox = S3Inbox(bucket.client, bucket.name, max_bytes=100)
    assert {one.name for one in inbox.waiting()} == {"a.csv", "b.csv"}
    assert inbox.fetch(Arrived("bank", "a.csv"), tmp_path).read_text() == "a.csv"
    long = Arrived("s" * 960, "a.csv")
    bucket.put(f"inbox/{long.source}/{long.name}", "x")
    assert long in inbox.waiting()
    with pytest.raises(UserError, match="its name is too long"):
        inbox.fetch(long, tmp_path)
    inbox.refuse(long, "too long")
    assert long not in inbox.waiting()
    _, reason = filter(re.compile("refused/long/").match, bucket.keys())
    assert bucket.get(reason) == "too long\n"
    assert Arrived("bank", "b.csv") in inbox.waiting()
    bucket.client.delete_object(Bucket=bucket.name, Key="inbox/bank/b.csv")
    inbox.refuse(Arrived("bank", "b.csv"), "it is gone")
    assert not [key for key in bucket.keys() if "b.csv" in key]  # noqa: SIM118 - no dictionary
    with pytest.raises(UserError, match="there is no such file") as missing:
        inbox.fetch(Arrived("bank", "c.csv"), tmp_path)
    assert missing.value.code == "file.missing"


def test_a_migration_makes_the_login_with_which_files_are_loaded(
    database: str, login: Callable[..., str], tmp_path: Path
) -> None:
    login("takes_in")  # it is removed after the test
    secret = tmp_path / "password"
    secret.write_text("another\n")
    asked = ("database", "migrate", "--database", database, "--loader", "takes_in")
    assert "takes_in may load" in command(*asked, "--loader-password", secret)
    assert "go together" in command(*asked, status=2)
    address = f"postgresql://takes_in:another@{database.partition('@')[2]}"
    may = "SELECT has_table_privilege('tuppence.{}', 'INSERT')"
    with psycopg.connect(address) as connection:
        for table, allowed in (("transactions", True), ("definitions", False)):
            assert connection.execute(may.format(table).encode()).fetchall() == [(allowed,)]


@pytest.mark.parametrize("address", ["bucket", "s3://", "s3://bucket/folder", "gs://bucket"])
def test_an_address_that_is_no_bucket_is_refused(address: str, tmp_path: Path) -> None:
    consent: tuple[Any, ...] = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    where = ("take-in", address, "--store", tmp_path / "s", "--to", "postgresql://")
    assert "write it as s3://BUCKET" in command(*where, *consent, status=1)
    assert not (tmp_path / "s").exists()
