"""Files of banks in every form: what has one meaning is read, all else is set aside."""

import codecs
import re
from pathlib import Path

import pytest
from tests.tables import read, read_mapping_text, reasons, transactions

from tuppence.bankdata.tabular import ParsedTable
from tuppence.errors import UserError

CONSTANTS = "constants: {account: main, customer: me, currency: GBP}\n"
MAPPING = (
    "table: transactions\ncolumns: {booking date: Date, text: Text, amount: Amount}\n" + CONSTANTS
)


def amount_of(tmp_path: Path, text: str, options: str = "", currency: str = "GBP") -> int | None:
    """Return the amount that a text is read as; None if the row is set aside."""
    table = f"Date;Text;Amount\n2026-06-01;x;{text}\n2026-06-01;other;-1\n"
    mapping = MAPPING.replace("GBP", currency) + "delimiter: ';'\n" + options
    found = dict(transactions(read(tmp_path, table, mapping), "text", "amount"))
    return found.get("x")


GERMAN = "decimal_point: ','\ngrouping: '.'\n"
ENGLISH = "decimal_point: '.'\ngrouping: ','\n"
AMOUNTS = [
    # one separator: three digits after it may be thousands
    ("1,234", "", None), ("1.234", "", None), ("1.200", "", None), ("12.345", "", None),
    ("1,234", ENGLISH, 123400), ("1.234", GERMAN, 123400), ("1,234", "grouping: ','\n", 123400),
    ("12,50", "", 1250), ("12.5", "", 1250), ("0.120", "", 12), ("1234.500", "", 123450),
    # two separators have one meaning, unless the mapping says another
    ("1,234.50", "", 123450), ("1.234,50", "", 123450), ("1.234.567", "", 123456700),
    ("1,234.50", GERMAN, None), ("1.234,50", ENGLISH, None), ("1.234.56", "", None),
    # a group has three digits
    ("110.7", GERMAN, None), ("3,20", ENGLISH, None), ("1.2345", GERMAN, None),
    ("1,00,000", "", None), ("0.123.456", "", None), ("12.34,5", "", None),
    # blanks and apostrophes
    ("1 234,50", "", 123450), ("1\u00a0234.50", "", 123450), ("1\u202f234,50", "", 123450),
    ("1'234.50", "", 123450), ("1\u2019234.50", "", 123450), ("12 34", "", None),
    # minus in many forms
    ("\u221212.50", "", -1250), ("12.50-", "", -1250), ("(12.50)", "", -1250),
    ("- 12.50", "", -1250), ("\u201312.50", "", -1250), ("--12.50", "", None),
    ("(-12.50)", "", None), ("-12.50-", "", None), ("5.-", "", None), ("5,-", "", None),
    # marks
    ("12.50 CR", "", 1250), ("12.50DR", "", -1250), ("cr 12.50", "", 1250), ("-12.50 CR", "", None),
    ("12.50 XX", "", None), ("12.50 CR", "sign: {inverted: true}\n", 1250),
    ("12.50 DR", "sign: {inverted: true}\n", -1250), ("(12.50)", "sign: {inverted: true}\n", 1250),
    # currencies
    ("£12.50", "", 1250), ("-£12.50", "", -1250), ("£-12.50", "", -1250), ("(£12.50)", "", -1250),
    ("12.50 GBP", "", 1250), ("GBP12.50", "", 1250), ("€12.50", "", None), ("USD 12.50", "", None),
    # no digits of ours
    ("١٢", "", None), ("12e3", "", None), ("½", "", None), ("1_000", "", None), ("0x10", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "minor"), AMOUNTS, ids=ascii)
def test_an_amount_has_one_meaning_or_none(
    tmp_path: Path, text: str, options: str, minor: int | None
) -> None:
    assert amount_of(tmp_path, text, options) == minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("$5", "USD", 500), ("$5", "AUD", 500), ("US$5", "CAD", None), ("kr 12,50", "SEK", 1250),
     ("12,50 zł", "PLN", 1250), ("Fr. 12.50", "CHF", 1250), ("R$ 5", "BRL", 500),
     ("¥1,200", "JPY", None), ("¥1200", "JPY", 1200), ("0.234", "KWD", 234),
     ("1.234", "KWD", 1234), ("1,234", "KWD", None)],
)  # fmt: skip
def test_a_currency_beside_an_amount_is_the_customers(
    tmp_path: Path, text: str, currency: str, minor: int | None
) -> None:
    assert amount_of(tmp_path, text, currency=currency) == minor


def test_thousands_are_doubtful_where_other_rows_have_another_point(tmp_path: Path) -> None:
    table = "Date;Text;Amount\n2026-06-01;a;-110.7\n2026-06-01;b;1.109\n2026-06-01;c;1.109,78\n"
    reading = read(tmp_path, table, MAPPING + GERMAN + "delimiter: ';'\n")
    assert transactions(reading, "text", "amount") == [("c", 110978)]
    why = "other rows of the file have another decimal point"
    assert reasons(reading) == [
        (1, "amount is not a number: -110.7"),
        (2, f"amount can be read as 1.109 and as 1109: {why}"),
    ]  # fmt: skip


def signed(tmp_path: Path, titles: str, cells: str, sign: str) -> list[int]:
    """Return the amounts of rows of which only these columns matter."""
    return [amount for (amount,) in transactions(marked(tmp_path, titles, cells, sign), "amount")]


def marked(tmp_path: Path, titles: str, cells: str, sign: str) -> ParsedTable:
    columns = "" if "paid" in sign else "amount: Amount"
    mapping = f"table: transactions\ncolumns: {{{columns}}}\n" + CONSTANTS.replace(
        "}", ', booking date: "2026-06-01"}'
    )
    return read(tmp_path, "\n".join([titles, *cells.split()]) + "\n", f"{mapping}sign: {sign}\n")


SIDES = "{paid_out: Out, paid_in: In}"
WORDS = "{column: Way}"


@pytest.mark.parametrize(
    ("cells", "minor"),
    [("0,54.00 56.00,0 ,1 2,", [5400, -5600, 100, -200]), ("0.00,0 ,", [0]),
     ("-4.25, , -9,0 ,7", [-425, -900, 700]), ("5,6 ,1", [100]), ("-4.25, 3, ,1", [-300, 100]),
     (",-5 ,1", [100]), ("5DR, ,6CR ,1", [-500, 600, 100]), ("5CR, ,1", [100]),
     (",5DR ,1", [100]), ("-,54.00 ,1", [100])],
)  # fmt: skip
def test_a_zero_or_a_sign_in_a_side_is_no_other_amount(
    tmp_path: Path, cells: str, minor: list[int]
) -> None:
    assert signed(tmp_path, "Out,In", cells, SIDES) == minor


@pytest.mark.parametrize(
    ("cells", "sign", "minor"),
    [("5,Debit 6,Credit", WORDS, [-500, 600]), ("5,AF 6,bij", WORDS, [-500, 600]),
     ("5,S 6,H", WORDS, [-500, 600]), ("5,x 6,DR", WORDS, [-600]), ("5, 6,DR", WORDS, [-600]),
     ("5,Weg 6,hin 7,?", "{column: Way, out: [weg, fort], in: [Hin]}", [-500, 600]),
     ("5,h 6,s", "{column: Way, out: [H], in: [S]}", [-500, 600]),
     ("-5,DR -6,DR 7,CR", WORDS, [-500, -600, 700]), ("-5,DR 6,DR", WORDS, [-600]),
     ("-5,CR 6,CR", WORDS, [600]), ("5CR,DR 6CR,CR", WORDS, [600])],
)  # fmt: skip
def test_a_sign_word_is_known_or_the_row_is_set_aside(
    tmp_path: Path, cells: str, sign: str, minor: list[int]
) -> None:
    assert signed(tmp_path, "Amount,Way", cells, sign) == minor


def test_an_amount_without_a_mark_beside_credits_is_set_aside(tmp_path: Path) -> None:
    reading = marked(tmp_path, "Amount", "5 6CR", "{}")
    assert reasons(reading) == [
        (1, "amount has no sign where others have CR: set sign in the mapping")
    ]
    assert signed(tmp_path, "Amount", "5 6CR", "{inverted: true}") == [-500, 600]
    assert signed(tmp_path, "Amount", "5 6CR 7DR", "{}") == [500, 600, -700]


@pytest.mark.parametrize(
    ("source", "cells", "minor"),
    [("{add: [Amount], subtract: [Fee]}", "-200,4.00 5,", [-20400, 500]),
     ("{add: [Amount, Fee]}", "-200,-4.00 ,1 ,", [-20400, 100]),
     ("{add: [Amount], subtract: [Fee]}", "1,x 2,1", [100]),
     ("{add: [Amount], subtract: [Fee]}", "£1.00,(2.00)", [300])],
)  # fmt: skip
def test_an_amount_may_be_a_sum_of_columns(
    tmp_path: Path, source: str, cells: str, minor: list[int]
) -> None:
    mapping = f"table: transactions\ncolumns: {{amount: {source}}}\n" + CONSTANTS.replace(
        "}", ', booking date: "2026-06-01"}'
    )
    table = "\n".join(["Amount,Fee", *cells.split()]) + "\n"
    assert [a for (a,) in transactions(read(tmp_path, table, mapping), "amount")] == minor


# -- dates -----------------------------------------------------------------------------------------


def days_of(tmp_path: Path, form: str, *dates: str) -> list[int]:
    table = "Date;Text;Amount\n" + "".join(f"{one};{i};-1\n" for i, one in enumerate(dates))
    mapping = f"{MAPPING}delimiter: ';'\ndate_format: '{form}'\n"
    return [int(t) for (t,) in transactions(read(tmp_path, table, mapping), "text")]


@pytest.mark.parametrize(
    ("form", "dates", "taken"),
    [("%d/%m/%Y", ["1/6/2026", "31/06/2026", "06/13/2026"], [0]),
     ("%Y-%m-%d", ["03/04/2026", "2026-06-01", "2026-13-01"], [1]),
     ("%m/%d/%Y", ["01/06/2026", "13/06/2026", "05/05/2026"], [2]),
     ("%d.%m.%y", ["01.06.26", "06.13.26", "02.05.26"], []),
     ("%m/%d/%Y", ["01/06/2026", "01/13/2026"], [0, 1]),
     ("%d/%m/%Y", ["01/06/0026", "01/06/26", "01/06/2026"], [2]),
     ("%Y-%m-%dT%H:%M:%S%z", ["2026-06-01T00:00:00", "2026-06-01T00:00:00Z"], [1]),
     ("%d/%m/%Y %I:%M %p", ["24/06/2026 11:30 PM", "24/06/2026 23:30"], [0])],
)  # fmt: skip
def test_a_date_that_may_be_another_day_is_set_aside(
    tmp_path: Path, form: str, dates: list[str], taken: list[int]
) -> None:
    if taken:
        assert days_of(tmp_path, form, *dates) == taken
    else:
        table = "Date;Text;Amount\n" + "".join(f"{one};x;-1\n" for one in dates)
        mapping = f"{MAPPING}delimiter: ';'\ndate_format: '{form}'\n"
        assert len(reasons(read(tmp_path, table, mapping))) == len(dates)


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-06-01T00:00:00+01:00", "2026-06-01"), ("2026-06-01T23:59:59-0500", "2026-06-01"),
     ("2026-06-01T00:30:00+14:00", "2026-06-01"), ("2026-06-01T12:00:00Z", "2026-06-01")],
)  # fmt: skip
def test_the_day_is_that_of_the_text_whatever_the_offset(
    tmp_path: Path, text: str, day: str
) -> None:
    mapping = MAPPING + 'date_format: "%Y-%m-%dT%H:%M:%S%z"\n'
    reading = read(tmp_path, f"Date,Text,Amount\n{text},x,-1\n", mapping)
    plain = read(tmp_path, f"Date,Text,Amount\n{day},x,-1\n", MAPPING)
    assert transactions(reading, "booking date") == transactions(plain, "booking date")


# -- the file --------------------------------------------------------------------------------------

TABLE = "Date,Text,Amount\n2026-06-01,Café,-1.50\n2026-06-02,Tea,-2\n"


@pytest.mark.parametrize(
    "data",
    [codecs.BOM_UTF8 + TABLE.encode(), TABLE.encode("utf-16"),
     codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), TABLE.encode("utf-16-le"),
     TABLE.encode("utf-16-be"), TABLE.encode("utf-32"), TABLE.replace("\n", "\r").encode(),
     TABLE.replace("\n", "\r\n").encode(), TABLE.replace("\n", "\n\n").encode()],
    ids=["utf-8", "16", "16-be", "16-le without mark", "16-be without mark", "32", "cr", "crlf",
         "blank lines"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_encodings_and_line_ends_are_recognised(tmp_path: Path, data: bytes, encoding: str) -> None:
    if encoding != "utf-8" and data[:1] == b"D" and b"\0" not in data:
        with pytest.raises(UserError, match=r"this is UTF-8 text, not windows-1252"):
            read(tmp_path, data, MAPPING + f"encoding: {encoding}\n")
        return
    reading = read(tmp_path, data, MAPPING + f"encoding: {encoding}\n")
    assert transactions(reading, "text", "amount") == [("Café", -150), ("Tea", -200)]


@pytest.mark.parametrize(
    "before",
    ["Account,12345\nPeriod,June\n\n", "My bank\n\n\n", '"Kreditkarte:";"12"\n', "a,b,c,d\n"],
)
def test_lines_before_the_header_are_skipped(tmp_path: Path, before: str) -> None:
    assert transactions(read(tmp_path, before + TABLE, MAPPING), "text") == [("Café",), ("Tea",)]
    given = f"preamble: {before.count(chr(10))}\n"
    assert transactions(read(tmp_path, before + TABLE, MAPPING + given), "amount") == [
        (-150,), (-200,),
    ]  # fmt: skip


@pytest.mark.parametrize("after", ["Total,,-3.50\n", "Total,-3.50\n\n", "printed 2026-06-03\n"])
def test_lines_after_the_last_row_are_set_aside_or_skipped(tmp_path: Path, after: str) -> None:
    reading = read(tmp_path, TABLE + after, MAPPING)
    assert [row for row, _ in reasons(reading)] == [3]
    assert transactions(reading, "text") == [("Café",), ("Tea",)]
    assert reasons(read(tmp_path, TABLE + after, MAPPING + "footer: 1\n")) == []


@pytest.mark.parametrize(
    "columns",
    ["booking date: column 1, text: column 2, amount: column 3",
     "booking date: column 1, amount: column 3", "amount: column 3, booking date: column 1"],
)  # fmt: skip
def test_columns_are_named_by_number_where_there_is_no_header(tmp_path: Path, columns: str) -> None:
    mapping = f"table: transactions\ncolumns: {{{columns}}}\n{CONSTANTS}"
    reading = read(tmp_path, TABLE.split("\n", 1)[1], mapping)
    assert transactions(reading, "amount") == [(-150,), (-200,)]
    titled = read(tmp_path, TABLE, mapping)
    assert [row for row, _ in reasons(titled)] == [1]


def test_a_title_that_two_columns_have_is_ambiguous(tmp_path: Path) -> None:
    table = "Date,Text,Amount,Amount\n2026-06-01,x,1,2\n"
    with pytest.raises(UserError, match="2 columns are called 'Amount'") as raised:
        read(tmp_path, table, MAPPING)
    assert raised.value.hint == "write column 3 or column 4 in the mapping"
    mapping = MAPPING.replace("amount: Amount", "amount: column 4")
    assert transactions(read(tmp_path, table, mapping), "amount") == [(200,)]


OURS = ["row", "reason", "row in file", "reason set aside", "known", "cash", "digits", "owner",
        "owner currency", "of customer", "of account", "backward", "sign word", "→amount", "0",
        "column 1", "→customer", "sequence", "id", "customer", "account", "currency"]  # fmt: skip


@pytest.mark.parametrize("title", OURS)
def test_a_column_of_the_file_may_have_any_name(tmp_path: Path, title: str) -> None:
    table = f"Date,Text,Amount,{title}\n2026-06-01,x,1,EUR\n2026-06-31,y,1,3\n2026-06-02,z,-2,\n"
    reading = read(tmp_path, table, MAPPING)
    assert transactions(reading, "text", "amount") == [("x", 100), ("z", -200)]
    assert reading.rows.customers is not None
    assert reading.rows.customers.select("id", "currency").rows() == [("me", "GBP")]
    assert reading.rejects.height == 1
    assert reading.rejects.row(0)[:2] == (
        2, "booking date is not a date of the form %Y-%m-%d: 2026-06-31",
    )  # fmt: skip
    again = reading.rejects.write_csv().replace("2026-06-31", "2026-06-30")
    assert transactions(read(tmp_path, again, MAPPING), "text", "amount") == [("y", 100)]


@pytest.mark.parametrize(
    ("line", "text"),
    [('2026-06-01,MONITOR 27" LCD,-1', 'MONITOR 27" LCD'),
     ('2026-06-01,"A ""B"", C",-1', 'A "B", C'),
     ('2026-06-01,"BAR "DU COIN"",-1', '"BAR "DU COIN""'), ('2026-06-01,"OPEN,-1', '"OPEN'),
     ('2026-06-01,"TWO\nLINES",-1', "TWO\nLINES"), ('2026-06-01,"RENT\\",-1', "RENT\\"),
     ('2026-06-01,5" X 2",-1', '5" X 2"'), ('"2026-06-01","A\n\nB, C","-1"', "A\n\nB, C")],
)  # fmt: skip
def test_a_quotation_mark_keeps_every_row(tmp_path: Path, line: str, text: str) -> None:
    table = f'Date,Text,Amount\n2026-05-01,first,-1\n{line}\n2026-06-02,"last",-1\n'
    reading = read(tmp_path, table, MAPPING)
    assert [t for (t,) in transactions(reading, "text")] == ["first", text, "last"]


def test_a_quoted_field_over_whole_rows_is_set_aside(tmp_path: Path) -> None:
    table = 'Date,Text,Amount\n2026-06-01,"JOES,-1\n2026-06-02,TV 32",-150\n2026-06-03,TEA,-2\n'
    reading = read(tmp_path, table, MAPPING)
    assert transactions(reading, "text") == [("TEA",)]
    assert [row for row, _ in reasons(reading)] == [1, 2]


def test_rows_are_filtered_by_their_words(tmp_path: Path) -> None:
    states = ["COMPLETED", "reverted", "PENDING", "", "NEW"]
    table = "Date,Text,Amount,State\n" + "".join(f"2026-06-01,{s},-1,{s}\n" for s in states)
    only = read(tmp_path, table, MAPPING + "only: {State: [Completed]}\n")
    assert transactions(only, "text") == [("COMPLETED",)]
    assert sum(count for _, count in only.left_out) == 4
    without = read(tmp_path, table, MAPPING + "without: {State: [REVERTED, pending]}\n")
    assert transactions(without, "text") == [("COMPLETED",), (None,), ("NEW",)]
    both = "only: {State: [completed, '']}\nwithout: {State: [reverted, pending]}\n"
    reading = read(tmp_path, table, MAPPING + both)
    assert transactions(reading, "text") == [("COMPLETED",), (None,)]
    assert reasons(reading) == [(5, "State is in neither only nor without: NEW")]
    with pytest.raises(UserError, match="all 5 rows are skipped"):
        read(tmp_path, table, MAPPING + "only: {State: [DONE]}\n")


def test_columns_are_joined_with_a_blank(tmp_path: Path) -> None:
    mapping = MAPPING.replace("text: Text", "text: [Text, Memo, More]")
    table = "Date,Text,Amount,Memo,More\n2026-06-01,a,1,,c\n2026-06-01,,1,b,\n2026-06-01,,1,,\n"
    assert transactions(read(tmp_path, table, mapping), "text") == [("a c",), ("b",), (None,)]


def test_a_new_account_has_the_type_that_the_mapping_gives(tmp_path: Path) -> None:
    for given, kind in (("account type: credit card, ", "credit card"), ("", "current")):
        mapping = MAPPING.replace("{account: main, ", f"{{{given}account: main, ")
        reading = read(tmp_path, TABLE, mapping)
        assert reading.rows.accounts is not None
        assert reading.rows.accounts["type"].to_list() == [kind]
    mapping = MAPPING.replace("text: Text", "account type: Text")
    reading = read(tmp_path, TABLE.replace("Tea", "savings"), mapping)
    reason = "account type is none of current, savings, credit card, loan: Café"
    assert reasons(reading) == [(1, reason)]


@pytest.mark.parametrize(
    ("options", "hint"),
    [("values: {type: {x: drect debit}}", "did you mean direct debit?"),
     ("values: {category: {x: Groceries}}", "did you mean groceries?"),
     ("values: {account type: {x: saving}}", "did you mean savings?"),
     ("values: {type: {x: credit card}}", "the type of an account is called account type")],
)  # fmt: skip
def test_a_misspelt_word_of_a_mapping_names_the_right_one(
    tmp_path: Path, options: str, hint: str
) -> None:
    with pytest.raises(UserError) as raised:
        read_mapping_text(tmp_path, MAPPING + options)
    assert (raised.value.code, raised.value.hint) == ("mapping.unknown-word", hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [("sign: {inverted: true, column: X}", "sign must be one of"),
     ("sign: {out: [X]}", "sign has words and no column"),
     ("sign: {column: W, out: [X], in: [x]}", "as a word for money out and for money in"),
     ("sign: {paid_out: X}", "both say where the amount stands"),
     ('date_format: "%z %Y-%m-%d"', "must end with %z"), ("preamble: -1", "0 or more"),
     ("delimiter: '\"'", "must not be a quotation mark"), ("grouping: x", "grouping must be"),
     ("decimal_point: ','\ngrouping: ','", "grouping must be")],
)  # fmt: skip
def test_options_that_contradict_one_another_are_refused(
    tmp_path: Path, options: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_mapping_text(tmp_path, MAPPING + options)


@pytest.mark.parametrize(
    ("column", "message"),
    [("text: {add: [Text]}", "cannot be a sum"), ("balance: [A, B]", "for a sum of columns"),
     ("text: []", "names no column")],
)  # fmt: skip
def test_a_column_that_does_not_fit_its_field_is_refused(
    tmp_path: Path, column: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_mapping_text(tmp_path, MAPPING.replace("text: Text", column))


# -- doubts ----------------------------------------------------------------------------------------

STATEMENT = [("24", "RENT", -900, 100), ("24", "PAY", 1000, 1000), ("23", "CAFE", -5, 0),
             ("22", "OPENING", 5, 5)]  # fmt: skip
WITH_BALANCE = MAPPING.replace("amount: Amount", "amount: Amount, balance: Balance")


def statement(rows: list[tuple[str, str, int, int]], turned: int = 1) -> str:
    lines = [f"2026-06-{d},{t},{turned * a},{b}\n" for d, t, a, b in rows]
    return "Date,Text,Amount,Balance\n" + "".join(lines)


@pytest.mark.parametrize("rows", [STATEMENT, STATEMENT[::-1]], ids=["newest first", "oldest first"])
def test_the_order_of_a_day_is_the_one_in_which_balances_follow(
    tmp_path: Path, rows: list[tuple[str, str, int, int]]
) -> None:
    reading = read(tmp_path, statement(rows), WITH_BALANCE)
    ordered = sorted(transactions(reading, "booking date", "sequence", "text"))
    assert [text for _, _, text in ordered] == ["OPENING", "CAFE", "PAY", "RENT"]
    assert reading.doubts == ()


def test_a_file_of_one_day_is_ordered_by_its_balances(tmp_path: Path) -> None:
    reading = read(tmp_path, statement(STATEMENT[:2]), WITH_BALANCE)
    assert transactions(reading, "text", "sequence") == [("RENT", 1), ("PAY", 0)]


@pytest.mark.parametrize(
    ("table", "options", "cause"),
    [(statement(STATEMENT, turned=-1), "", "other sign: see sign"),
     (statement(STATEMENT), "newest_first: false\n", "set newest_first: true"),
     (statement(STATEMENT[:1] + STATEMENT[2:]), "", "rows are missing, or"),
     (statement(STATEMENT).replace("1000,1000", "x,1000"), "", r"missing \(1 were set aside\)")],
    ids=["sign", "order", "missing", "set aside"],
)  # fmt: skip
def test_balances_that_do_not_follow_are_told_with_the_likely_cause(
    tmp_path: Path, table: str, options: str, cause: str
) -> None:
    (doubt,) = read(tmp_path, table, WITH_BALANCE + options).doubts
    assert re.search(cause, doubt)
    assert "balances (" in doubt


def test_amounts_that_are_all_money_in_are_told(tmp_path: Path) -> None:
    table = "Date,Text,Amount\n2026-06-01,a,1\n2026-06-02,b,2\n"
    (doubt,) = read(tmp_path, table, MAPPING).doubts
    assert doubt.startswith("all 2 amounts are money in")
    assert read(tmp_path, table, MAPPING + "sign: {inverted: true}\n").doubts == ()


def test_words_that_rules_do_not_know_are_told_with_the_nearest(tmp_path: Path) -> None:
    table = "Date,Text,Amount\n2026-06-01,Groceries,-1\n2026-06-02,energy,-2\n"
    (doubt,) = read(tmp_path, table, MAPPING.replace("text: Text", "category: Text")).doubts
    assert doubt == (
        "category: rules know no Groceries (1, perhaps groceries); translate them under values"
    )


def test_an_opening_balance_that_is_read_as_money_is_told(tmp_path: Path) -> None:
    rows = "Date,Text,Amount\n2026-06-01,Opening Balance ,{}\n2026-06-02,TEA,-4.00\n"
    mapping = (
        "table: transactions\ncolumns: {booking date: Date, text: Text, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    (doubt,) = read(tmp_path, rows.format("100.00"), mapping).doubts
    assert "1 rows seem to say what was in the account" in doubt
    assert read(tmp_path, rows.format("0.00"), mapping).doubts == ()


@pytest.mark.parametrize(
    ("last", "is_cut"),
    [("50", True), ("50.", True), ("50.0", True), ("50.00", False), ("50\n", False), ("", False)],
)
def test_a_number_that_a_file_ends_in_may_be_cut_off(
    tmp_path: Path, last: str, is_cut: bool
) -> None:
    rows = "Date,Text,Amount\n" + "".join(f"2026-06-0{n},TEA,-4.00\n" for n in (1, 2, 3))
    mapping = (
        "table: transactions\ncolumns: {booking date: Date, text: Text, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    found = reasons(read(tmp_path, f"{rows}2026-06-04,RENT,{last}", mapping))
    assert ((4, "the file seems to be cut off in this row") in found) == is_cut
    whole = rows.replace("-4.00", "-4")
    assert reasons(read(tmp_path, f"{whole}2026-06-04,RENT,50", mapping)) == []


@pytest.mark.parametrize("row", ["2026-06-01,TEA,-4.00", '2026-06-01,"TEA",-4.00'])
def test_files_that_were_put_together_are_told(tmp_path: Path, row: str) -> None:
    header = "Date,Text,Amount\n"
    mapping = (
        "table: transactions\ncolumns: {booking date: Date, text: Text, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    one = f"{header}{row}\n , ,\n"
    found = read(tmp_path, one + one, mapping)
    assert len(transactions(found, "amount")) == 2
    assert "the header stands in the file 2 times" in found.doubts[0]
    assert read(tmp_path, one, mapping).doubts == ()
    indexed = f",{header}0,{row}\n"  # as tables with an index are written
    assert "2 times" in read(tmp_path, indexed * 2, mapping).doubts[0]
    quoted = '"Date","Pay""ee",Amount\n'
    many = read(
        tmp_path, (quoted + f"{row}\n") * 3, mapping.replace("text: Text", "text: 'Pay\"ee'")
    )
    assert "3 times" in many.doubts[0]
