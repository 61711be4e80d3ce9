"""Import of tables, valid and invalid."""

import datetime
from pathlib import Path

import polars as pl
import pytest
from tests.building import TOKENS, day
from tests.statements import TODAY
from tests.tables import MAPPING, read, read_mapping_text, reasons, transactions

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

GOOD = "Id,Date,Amount,Category,Text\n1,2026-06-01,-12.50,food,Bean Yard\n2,2026-06-02,100,,\n"


def test_columns_are_imported_as_fields(tmp_path: Path) -> None:
    reading = read(tmp_path, GOOD)
    assert transactions(reading, "id", "booking date", "amount", "category", "text") == [
        ("1", day("2026-06-01"), -1250, "food", "Bean Yard"),
        ("2", day("2026-06-02"), 10000, None, None),
    ]
    assert reading.rows.customers is not None
    assert reading.rows.customers.select("id", "currency").rows() == [("me", "GBP")]
    assert reading.rows.accounts is not None
    assert reading.rows.accounts.select("id", "customer", "type").rows() == [
        ("main", "me", "current")
    ]
    assert reasons(reading) == []


BAD_ROWS = [
    ("3,2026-02-30,1,,", "booking date is not a date of the form %Y-%m-%d: 2026-02-30"),
    ("3,soon,1,,", "booking date is not a date of the form %Y-%m-%d: soon"),
    ("3,,1,,", "booking date is missing"),
    ("3,2026-07-01,1,,", "booking date is in the future: 2026-07-01"),
    ("3,2026-06-01,ten,,", "amount is not a number: ten"),
    ("3,2026-06-01,€10,,", "amount is in € where the customer's money is GBP: €10"),
    ("3,2026-06-01,1.005,,",
     "amount can be read as 1.005 and as 1005: set decimal_point in the mapping"),
    ("3,2026-06-01,1.0051,,", "amount has too many digits after the point: 1.0051"),
    ("3,2026-06-01,,,", "amount is missing"),
    ("3,2026-06-01,9999999999999999999,,", "amount is not a number: 9999999999999999999"),
    ("1,2026-06-01,-12.5,,", "duplicate id 1: first in row 1"),
    (f"3,2026-06-01,1,,{'x' * 1001}", "text is longer than 1000 characters"),
    ("3,2026-06-01,1", "3 fields where the header has 5"),
    ("3,2026-06-01,1,,,,", "7 fields where the header has 5"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS, ids=[reason for _, reason in BAD_ROWS])
def test_a_bad_row_is_rejected_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    reading = read(tmp_path, GOOD + row + "\n4,2026-06-03,5,,\n")
    assert reasons(reading) == [(3, reason)]
    assert [i for (i,) in transactions(reading, "id")] == ["1", "2", "4"]
    own = ["Id", "Date", "Amount", "Category", "Text"]
    assert reading.rejects.columns == ["row", "reason", *own, "of customer", "of account"]


@pytest.mark.parametrize(
    ("text", "minor"),
    [("5", 500), ("+5", 500), ("-5.5", -550), (".5", 50), ("5.", 500), ("0.10000", 10),
     ("-0.01", -1), ("123456789012345", 12345678901234500)],
)  # fmt: skip
def test_amounts_are_parsed_exactly(tmp_path: Path, text: str, minor: int) -> None:
    reading = read(tmp_path, f"Id,Date,Amount,Category,Text\n1,2026-06-01,{text},,\n")
    assert transactions(reading, "amount") == [(minor,)]


SIGNS = [
    ("sign: {inverted: true}", "Amount\n12", -1200),
    ("sign: {inverted: true}", "Amount\n-12", 1200),
    ("sign: {column: Way, out: [OUT]}", "Amount,Way\n12,OUT", -1200),
    ("sign: {column: Way, out: [OUT]}", "Amount,Way\n12,IN", 1200),
    ("sign: {paid_out: Out, paid_in: In}", "Out,In\n12,", -1200),
    ("sign: {paid_out: Out, paid_in: In}", "Out,In\n,12", 1200),
]


@pytest.mark.parametrize(("sign", "table", "minor"), SIGNS)
def test_each_way_to_mark_money_out_is_understood(
    tmp_path: Path, sign: str, table: str, minor: int
) -> None:
    column = "" if "paid" in sign else "amount: Amount"
    mapping = f"""
table: transactions
columns: {{{column}}}
constants: {{account: main, customer: me, currency: GBP, booking date: "2026-06-01"}}
{sign}
"""
    assert transactions(read(tmp_path, table, mapping), "amount") == [(minor,)]


def test_formats_of_other_countries_are_parsed(tmp_path: Path) -> None:
    mapping = (
        MAPPING
        + """
date_format: "%d.%m.%Y"
decimal_point: ","
grouping: "."
delimiter: ";"
encoding: windows-1252
values: {category: {Essen: food}}
newest_first: true
"""
    )
    text = "Id;Date;Amount;Category;Text\n1;24.12.2025;-1.234,50;Essen;Bäcker\n2;24.12.2025;1;x;\n"
    reading = read(tmp_path, text.encode("windows-1252"), mapping)
    names = ("booking date", "amount", "category", "text", "sequence")
    assert transactions(reading, *names) == [
        (day("2025-12-24"), -123450, "food", "Bäcker", 1),
        (day("2025-12-24"), 100, "x", None, 0),
    ]


def test_times_of_day_are_dropped_from_dates(tmp_path: Path) -> None:
    mapping = MAPPING + 'date_format: "%Y-%m-%dT%H:%M:%S"\n'
    reading = read(tmp_path, GOOD.replace("2026-06-01", "2026-06-01T10:11:12"), mapping)
    assert transactions(reading, "booking date") == [(day("2026-06-01"),)]
    assert len(reasons(reading)) == 1


def test_rows_without_an_identifier_get_a_stable_one(tmp_path: Path) -> None:
    mapping = MAPPING.replace("  id: Id\n", "")
    text = GOOD + "9,2026-06-01,-12.50,food,Bean Yard\n"
    first, again = (read(tmp_path, text, mapping) for _ in range(2))
    ids = [i for (i,) in transactions(first, "id")]
    assert len(set(ids)) == 3
    assert ids == [i for (i,) in transactions(again, "id")]
    assert ids[0][:-1] == ids[2][:-1]  # the same row twice: told apart by a count


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "Id": [1, 2],
            "Date": [datetime.date(2026, 6, 1), datetime.date(2026, 6, 2)],
            "Amount": [-12.5, 0.1],
            "Category": ["food", None],
            "Text": ["Bean Yard", None],
        }
    )
    frame.write_parquet(tmp_path / "bank.parquet")
    data = (tmp_path / "bank.parquet").read_bytes()
    reading = read(tmp_path, data, name="bank.parquet")
    assert transactions(reading, "id", "booking date", "amount", "category") == [
        ("1", day("2026-06-01"), -1250, "food"),
        ("2", day("2026-06-02"), 10, None),
    ]


ACCOUNTS = """
table: accounts
columns: {id: Number, customer: Owner, credit limit: Limit, opened: Opened, currency: Money}
constants: {type: current}
"""


def test_accounts_create_their_customers(tmp_path: Path) -> None:
    text = "Number,Owner,Limit,Opened,Money\n1,ann,500,2020-01-01,GBP\n2,ann,,,GBP\n"
    text += "3,bob,1,,XYZ\n4,,1,,GBP\n"
    text += "5,ann,1,,EUR\n6,cat,1,,\n"
    reading = read(tmp_path, text, ACCOUNTS)
    assert reading.rows.accounts is not None
    assert reading.rows.accounts.select("id", "customer", "credit limit", "opened").rows() == [
        ("1", "ann", 50000, day("2020-01-01")),
        ("2", "ann", None, None),
    ]
    assert reasons(reading) == [
        (3, "unknown currency XYZ"),
        (4, "customer is missing"),
        (5, "EUR where the customer's money is GBP"),
        (6, "the currency of customer cat is not known"),
    ]


def test_attributes_of_customers_are_imported(tmp_path: Path) -> None:
    mapping = "table: customers\ncolumns: {id: Id, birth year: Born, currency: Money}\n"
    reading = read(
        tmp_path, "Id,Born,Money\nann,1980,GBP\nbob,x,GBP\n,1990,GBP\nann,1980,GBP\n", mapping
    )
    assert reading.rows.customers is not None
    assert reading.rows.customers.select("id", "birth year", "currency").rows() == [
        ("ann", 1980, "GBP")
    ]
    assert reasons(reading) == [
        (2, "birth year is not a number: x"),
        (3, "id is missing"),
        (4, "duplicate id ann: first in row 1"),
    ]


def test_a_transaction_of_an_unknown_account_is_rejected(tmp_path: Path) -> None:
    mapping = MAPPING.replace("account: main, customer: me, currency: GBP", "account: main")
    reading = read(tmp_path, GOOD, mapping)
    reason = "account main is not in the store: import the accounts first"
    assert reasons(reading) == [(1, reason), (2, reason)]


def test_booleans_are_parsed_from_words(tmp_path: Path) -> None:
    mapping = MAPPING.replace("  text: Text", "  own transfer: Text")
    reading = read(
        tmp_path, GOOD.replace("Bean Yard", "YES").replace("100,,", "100,,maybe"), mapping
    )
    assert transactions(reading, "own transfer") == [(True,)]
    assert reasons(reading) == [(2, "own transfer is neither true nor false: maybe")]


BAD_FILES = [
    (b"", "file.empty", "the file is empty"),
    (b"Id,Date,Amount,Category,Text\n", "file.empty", "a header and no rows"),
    (GOOD.replace(",", ";").encode(), "import.unknown-column", "there is no column 'Id'"),
    (GOOD.replace("Amount", "Betrag").encode(), "import.unknown-column", "no column 'Amount'"),
    ("Id,Date\n1,Bäcker\n".encode("latin-1"), "file.encoding", "line 2 is not utf-8 text"),
    (b"PK\x00\x00", "file.binary", "this is not a text file"),
]


@pytest.mark.parametrize(("data", "code", "message"), BAD_FILES, ids=[b[1] for b in BAD_FILES])
def test_an_unreadable_file_is_refused_as_a_whole(
    tmp_path: Path, data: bytes, code: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, data)
    assert caught.value.code == code
    assert "bank.csv" in caught.value.message


def test_the_error_for_a_wrong_delimiter_suggests_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, GOOD.replace(",", ";"))
    assert caught.value.hint == "its fields seem to be separated by ;: set delimiter in the mapping"


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    mapping = read_mapping_text(tmp_path, MAPPING)
    store = FactStore.create(tmp_path / "store", Schema())
    owners = Owners(store.customers(), store.owners())
    for path, code in ((tmp_path / "no.csv", "file.missing"), (tmp_path, "file.folder")):
        with pytest.raises(UserError) as caught:
            read_table(path, mapping, Schema(), owners, TODAY, TOKENS)
        assert caught.value.code == code


def test_a_file_named_parquet_must_be_a_parquet_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a Parquet file"):
        read(tmp_path, "Id\n1\n", name="bank.parquet")


BAD_MAPPINGS = [
    ("", "file.empty", "the file is empty"),
    ("table: [", "file.yaml", "not YAML"),
    ("table: things\ncolumns: {}", "file.shape", ":1:8: table: Invalid enum value 'things'"),
    ("table: customers", "file.shape", ":1:1: Object missing required field `columns`"),
    ("table: customers\ncolumns: {}\nextra: 1", "file.shape", "unknown field `extra`"),
    ("table: customers\ncolumns: {bith year: x}", "mapping.unknown-field",
     r":2:22: customers have no field 'bith year'"),
    ("table: customers\ncolumns: {id: x}", "mapping.incomplete",
     "no column or constant for currency"),
    (MAPPING + "delimiter: ''", "mapping.format", "delimiter must be one character"),
    (MAPPING + "decimal_point: 'x'", "mapping.format", "decimal_point must be . or ,"),
    (MAPPING + "date_format: iso", "mapping.format", "date_format needs letters"),
    (MAPPING + 'date_format: "%d %Q"', "mapping.format", "date_format knows no %Q"),
    (MAPPING + "encoding: klingon", "mapping.format", "there is no encoding klingon"),
    ("table: customers\ncolumns: &a {id: x}\nvalues: {id: *a}\n", "file.yaml",
     ":2:10: aliases are not supported"),
    ("[" * 5000, "file.yaml", "nested more than 100 levels deep"),
    ("table: customers\ntable: accounts\n", "file.yaml", ":2:1: table is given twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "message"), BAD_MAPPINGS, ids=[m[2][:40] for m in BAD_MAPPINGS]
)
def test_a_bad_mapping_is_refused(tmp_path: Path, text: str, code: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_mapping_text(tmp_path, text)
    assert caught.value.code == code
    assert "mapping.yaml" in caught.value.message


def test_a_missing_or_oversized_mapping_is_refused(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "no.yaml", "file.missing"), (tmp_path, "file.folder")):
        with pytest.raises(UserError) as caught:
            read_mapping(path, Schema())
        assert caught.value.code == code
    (tmp_path / "latin.yaml").write_bytes("ä".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 text, from byte 0 on"):
        read_mapping(tmp_path / "latin.yaml", Schema())
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(UserError, match="larger than 1,000,000 bytes"):
        read_mapping(tmp_path / "large.yaml", Schema())


def test_rows_of_an_account_of_another_customer_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("Account,Date,Amount\nhers,2026-06-01,-1\nhis,2026-06-02,-2\n")
    (tmp_path / "mapping.yaml").write_text(
        "table: transactions\ncolumns: {account: Account, booking date: Date, amount: Amount}\n"
        "constants: {customer: bob, currency: GBP}\n"
    )
    customers = pl.DataFrame({"id": ["ann", "bob"], "currency": ["GBP", "GBP"]})
    accounts = pl.DataFrame({"id": ["hers"], "customer": ["ann"], "currency": ["GBP"]})
    meaning = read_mapping(tmp_path / "mapping.yaml", Schema())
    reading = read_table(path, meaning, Schema(), Owners(customers, accounts), TODAY, TOKENS)
    assert reasons(reading) == [(1, "account hers belongs to customer ann")]
    assert transactions(reading, "account", "amount") == [("his", -200)]


def test_an_opening_balance_gives_balances_in_the_order_of_the_days(tmp_path: Path) -> None:
    mapping = MAPPING.replace("currency: GBP}", "currency: GBP, opening balance: '100.00'}")
    text = "Id,Date,Amount,Category,Text\n2,2026-06-02,-5,,\n1,2026-06-01,-12.50,,\n"
    assert transactions(read(tmp_path, text, mapping), "id", "balance") == [
        ("2", 8250),
        ("1", 8750),
    ]


def test_rows_that_are_set_aside_leave_no_balances_after_an_opening_balance(
    tmp_path: Path,
) -> None:
    mapping = MAPPING.replace("currency: GBP}", "currency: GBP, opening balance: '100.00'}")
    reading = read(tmp_path, GOOD + "3,soon,1,,\n", mapping)
    assert {balance for (balance,) in transactions(reading, "balance")} == {None}
    assert "the opening balance gives no balances, because 1 rows were set aside" in reading.doubts


def test_an_opening_balance_of_several_accounts_gives_no_balances(tmp_path: Path) -> None:
    mapping = (
        "table: transactions\ncolumns: {account: A, booking date: Date, amount: Amount}\n"
        "constants: {customer: me, currency: GBP, opening balance: '1'}\n"
    )
    reading = read(tmp_path, "A,Date,Amount\nx,2026-06-01,1\ny,2026-06-01,2\n", mapping)
    assert {balance for (balance,) in transactions(reading, "balance")} == {None}
    assert any("the rows have other accounts" in doubt for doubt in reading.doubts)


WORDS = MAPPING + "values: {category: {food: groceries}}\n"


def test_words_that_are_not_translated_can_be_left_out_and_are_named(tmp_path: Path) -> None:
    text = GOOD + "3,2026-06-03,-1,fun,\n4,2026-06-03,-1,fun,\n"
    reading = read(tmp_path, text, WORDS + "translated_only: [category]\n")
    assert [word for (word,) in transactions(reading, "category")] == ["groceries", *[None] * 3]
    assert reading.doubts == (
        "category: left out, since the mapping does not translate it: fun (2)",
    )
    assert transactions(read(tmp_path, text, WORDS), "category")[2] == ("fun",)


def test_a_pattern_takes_a_part_of_a_text(tmp_path: Path) -> None:
    pattern = "patterns: {text: '^(.*?)(?: BCC)?$', category: '^f(.*)$'}\n"
    text = "Id,Date,Amount,Category,Text\n1,2026-06-01,1,food,TEA BCC\n2,2026-06-02,1,x,BCC TEA\n"
    assert transactions(read(tmp_path, text, MAPPING + pattern), "text", "category") == [
        ("TEA", "ood"),
        ("BCC TEA", None),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("patterns: {text: '('}", "patterns.text: not a regular expression"),
        ("patterns: {text: 'a'}", "patterns.text: it has 0 groups, not one"),
        ("patterns: {text: '(a)(b)'}", "patterns.text: it has 2 groups, not one"),
        ("patterns: {amount: '(a)'}", "patterns.amount: only a text field with a column"),
        ("patterns: {merchant: '(a)'}", "patterns.merchant: only a text field with a column"),
        ("patterns: {nothing: '(a)'}", "transactions have no field 'nothing'"),
        (
            "translated_only: [category]",
            "translated_only names category, which has no translations",
        ),
    ],
)
def test_a_pattern_or_a_translation_that_cannot_be_used_is_refused(
    tmp_path: Path, options: str, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, GOOD, MAPPING + options + "\n")
    assert message in str(caught.value)


@pytest.mark.parametrize("column", ["", "\n  balance: Text"])
def test_an_opening_balance_beside_balances_or_as_a_column_is_refused(
    tmp_path: Path, column: str
) -> None:
    mapping = MAPPING.replace("  text: Text", f"  text: Text{column}")
    extra = "opening balance: '1', " if column else ""
    mapping = mapping.replace("account: main", f"{extra}account: main")
    if not column:
        mapping = mapping.replace("  text: Text", "  text: Text\n  opening balance: Text")
    with pytest.raises(UserError, match="opening balance is a constant"):
        read(tmp_path, GOOD, mapping)


def test_rows_that_all_end_with_a_delimiter_are_read(tmp_path: Path) -> None:
    text = "Id,Date,Amount,Category,Text\n1,2026-06-01,-1,,x,\n2,2026-06-02,-2,,y,\n"
    assert transactions(read(tmp_path, text), "amount") == [(-100,), (-200,)]
    assert len(reasons(read(tmp_path, text + "3,2026-06-02,-2,,y,z\n"))) == 3
