"""Small cases from trackers of other programs: what people gave them, and what is right.

Each case is a script that makes files, runs the program and prints what it did.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from local.servers import PATIENCE
from tests.building import ROOT
from tests.program import program

CASES: Final = ROOT.parent / "shared/cases"
Printed = Callable[[str], str]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    """Run a case by the beginning of its name, and return what it prints."""
    if not CASES.exists():
        pytest.skip("the cases do not lie beside this project")
    folder = tmp_path_factory.mktemp("cases")
    served = folder / "program"
    served.mkdir()
    (served / "catalogue").symlink_to(ROOT / "catalogue")
    width = {"COLUMNS": "150", "NO_COLOR": "1"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the cases start python3 often
    names = {"PATH": path, "TUPPENCE": str(served / "venv/bin/tuppence")}
    environment = {**os.environ, **width, **names}

    def run(case: str) -> str:
        (script,) = CASES.glob(f"{case}*/run.sh")
        copy = folder / "copies" / script.parent.name
        if not copy.exists():
            shutil.copytree(script.parent, copy)
            shutil.copy(CASES / "lib.sh", copy.parent)
        done = subprocess.run(
            ["/bin/bash", copy / "run.sh"],
            capture_output=True,
            check=False,  # it ends with the status of its last grep
            text=True,
            env=environment,
            timeout=PATIENCE,
        )
        assert server.poll() is None
        assert "Traceback" not in done.stdout
        return done.stdout

    with program(served, width) as server:
        yield run


def parts(text: str) -> list[str]:
    """Return what was printed under each of a case's headings, heading first."""
    return re.split(r"(?:^|\]\])(?:-- |== )", text, flags=re.MULTILINE)[1:]


def rows(text: str) -> list[dict[str, str]]:
    """Return the transactions that a part prints, field by field."""
    lines = (line.strip() for line in text.splitlines())
    return [
        dict(pair.split("=", 1) for pair in line.split(" | "))
        for line in lines
        if line.startswith("booking date=")
    ]


def amounts(text: str) -> dict[str, str]:
    """Return the amount of each transaction by its text."""
    return {row["text"]: row["amount"] for row in rows(text)}


def test_lines_before_the_header_and_a_missing_header(printed: Printed) -> None:
    before, without, cut = parts(printed("01"))
    assert " 2     2 " in before
    assert " 2     2 " in without
    assert amounts(cut) == {"REWE MARKT": "-1250.00", "MÜLLER BÄCKEREI": "-35.00"}


def test_amounts_in_every_form(printed: Printed) -> None:
    text = printed("03")
    assert amounts(text) == {
        "brackets and dollar": "-30.00",
        "dollar then brackets": "-30.00",
        "dollar": "400.00",
        "minus before dollar": "-12.50",
        "brackets": "-12.34",
        "trailing minus": "-50.00",
        "CR suffix": "20.00",
        "DR suffix": "-20.00",
        "plain": "-7.00",
    }
    assert "amount is in £ where the customer's money is USD: £7.00" in text
    assert "amount is in GBP where the customer's money is USD: GBP 7.00" in text


def test_a_separator_never_makes_an_amount_ten_times_larger(printed: Printed) -> None:
    first, second = printed("04").split("-- the other way round")
    assert amounts(first) == {"THIRD STORE": "-1109.78", "FOURTH STORE": "-12.50"}
    assert "amount is not a number: -110.7" in first
    assert amounts(second) == {"RENT": "-1250.00"}


def test_a_zero_in_the_other_column_is_nothing(printed: Printed) -> None:
    text = printed("05")
    assert [(row["booking date"], row["amount"]) for row in rows(text)] == [
        ("2026-01-01", "54.00"),
        ("2026-01-02", "-56.00"),
        ("2026-01-03", "54.00"),
        ("2026-01-04", "-56.00"),
    ]
    assert "5,amount is not a number: -," in text


def test_the_same_rows_are_kept_and_never_doubled(printed: Printed) -> None:
    equal, mapped, since, blank = parts(printed("06"))
    assert len(rows(equal)) == 4
    assert len(rows(mapped)) == 4
    assert len(rows(since)) == 2
    assert len(rows(blank)) == 4


def test_encodings_are_recognised(printed: Printed) -> None:
    found = dict(part.split("\n", 1) for part in parts(printed("07")))
    right = {"MÜLLER GmbH": "-12.50", 'Café "Zur Post"': "-3.20"}
    wrong = "cp.csv read as utf-8"
    assert "error[file.encoding]" in found[wrong]
    assert "windows-1252" in found[wrong]
    assert {name: amounts(part) for name, part in found.items() if name != wrong} == dict.fromkeys(
        found.keys() - {wrong}, right
    )


def test_no_quotation_mark_makes_rows_vanish(printed: Printed) -> None:
    found = dict(part.split("\n", 1) for part in parts(printed("08")))
    assert {
        name: re.findall(r"(\d+) transactions, sum (\S+)", part)[0] for name, part in found.items()
    } == {
        "multiline": ("3", "-14.20"),
        "inch": ("3", "-215.00"),
        "inch1": ("2", "-211.00"),
        "inch2": ("4", "-1261.00"),
        "inner": ("2", "-11.00"),
        "unclosed": ("5", "-953.00"),
        "unclosed_to_end": ("4", "1089.00"),
        "stray_cr": ("2", "-901.00"),
        "backslash": ("2", "-901.00"),
    }


def test_columns_may_have_the_names_of_ours(printed: Printed) -> None:
    for part in parts(printed("10")):
        mine = part.split("   customer me:")[1].split("   customer ann:")[0]
        assert "2 transactions, sum -901.00" in mine
        assert part.count("transactions, sum") == 1
        assert "rejects/" not in part


def test_an_unknown_sign_word_is_no_income(printed: Printed) -> None:
    right, english, capitals, empty, text, both = parts(printed("11"))
    ing = {"WERKGEVER BV": "1100.00", "ALBERT HEIJN 1234 UTRECHT": "-12.50"}
    assert [amounts(part) for part in (right, english, capitals)] == [ing] * 3
    assert amounts(empty) == {"WERKGEVER BV": "1100.00"}
    assert "sign.out: Expected `array`, got `str`" in text
    assert "all 2 rows were rejected" in both


def test_dates_that_do_not_fit_are_set_aside(printed: Printed) -> None:
    found = parts(printed("12"))
    days = [[row["booking date"] for row in rows(part)] for part in found]
    assert days == [
        ["2026-06-01", "2026-06-01"],
        ["1969-06-01", "2026-06-01"],
        ["2025-11-01", "2025-11-01"],
        ["2026-06-24"],
        ["2026-06-24"],
        ["2026-06-24", "2026-06-30"],
        ["2026-06-24"],
        ["2026-06-24"],
        ["2026-06-24"],
        ["2026-06-24"],
        ["2026-06-24", "2026-06-24"],
        [],
        [],
    ]
    assert "can be read as 2026-01-06 and as 2026-06-01" in found[-1]


def test_the_day_is_the_one_that_the_bank_writes(printed: Printed) -> None:
    table, open_banking, plaid = parts(printed("13"))
    days = [row["booking date"] for row in rows(table)]
    assert days == ["2026-01-05", "2026-07-01", "2026-07-02"]
    assert {row["text"]: row["booking date"] for row in rows(open_banking)} == {
        "MIDNIGHT OFFSET": "2026-07-01",
        "MIDNIGHT UTC": "2026-07-01",
        "NIGHT BUS UTC": "2026-07-02",
        "MIDNIGHT LOCAL": "2026-07-01",
    }
    assert [row["booking date"] for row in rows(plaid)] == ["2026-06-30"]


def test_the_order_of_a_day_follows_the_balances(printed: Printed) -> None:
    text = printed("14")
    assert [row["text"] for row in rows(text)] == ["OPENING", "CAFE", "PAY ACME LTD", "RENT"]
    assert "You have £100\n" in text


def test_a_fee_in_another_column_is_told(printed: Printed) -> None:
    for part in parts(printed("15")):
        assert "balances" in part
        assert "such as a fee" in part


def test_types_that_rules_do_not_know_are_told(printed: Printed) -> None:
    first, second = printed("16").split("-- with values for the type")
    assert "rules know no Card payment (3, perhaps card)" in first
    six = rows(second.split("-- what the shipped rule")[0])
    assert [row["type"] for row in six] == [
        "card", "transfer", "card", "transfer", "card", "direct debit",
    ]  # fmt: skip
    assert [row["foreign currency"] for row in six] == [
        "None", "None", "EUR", "None", "None", "None",
    ]  # fmt: skip


def test_a_first_guess_at_a_mapping_is_answered(printed: Printed) -> None:
    found = dict(part.split("\n", 1) for part in parts(printed("17")))
    expected = {
        "words of the file": "did you mean booking date?",
        "one mended": "did you mean text?",
        "underscore": "did you mean booking date?",
        "reversed": "transactions have no field 'Date'",
        "no account": "add account: under columns",
        "other key": "unknown field `skip`",
        "delimiter tab by name": 'a tab is written as "\\t"',
        "D/M/Y": "date_format needs letters such as %Y-%m-%d",
        "currency sign": "unknown currency £",
        "small letters": "unknown currency gbp",
    }
    for name, message in expected.items():
        assert message in found[name], name


def test_a_document_without_an_account_says_what_to_do(printed: Printed) -> None:
    without, by_hand = printed("18").split("-- with an account put in by hand")
    assert "see --account" in without
    assert "--account" in without.replace("see --account", "")
    assert [row["text"] for row in rows(by_hand)] == [
        "/TXT/H|TRANSF OTRAS ENTID /MARKET PAY",
        "COMPRA TARJETA CAFE SOL MADRID",
    ]


def test_no_booking_is_lost_by_an_identifier_used_again(printed: Printed) -> None:
    coop, missing, blank, uk, table = parts(printed("19"))
    assert "4 transactions, sum -50.00" in coop
    assert "3 transactions, sum -516.00" in missing
    assert "2 transactions, sum 0.53" in blank
    assert "3 transactions, sum -42.50" in uk
    assert re.search(r" 3 +3 +0 +0 +0 ", table)


def test_a_document_of_another_standard_is_named(printed: Printed) -> None:
    last = parts(printed("33"))[-1]
    assert re.findall("use tuppence import (\\S+)", last) == ["plaid", "plaid", "berlin-group"]


def test_what_was_set_aside_stays_there(printed: Printed) -> None:
    first, tables, _ = re.split("^-- ", printed("33"), flags=re.MULTILINE)
    assert first.rstrip().endswith("me.rejects.csv") or "berlin-group" in first.splitlines()[-1]
    assert "statement.csv.rejects.csv" in tables.splitlines()[-1]


def test_texts_of_a_mapping_stay_as_they_are_written(printed: Printed) -> None:
    text = printed("28")
    for account in ("01234567", "20-00-00", "12:30:45", "1e3", "2026-06-01"):
        assert f"account ['{account}']" in text
    assert "('1.00', 'NO', 'TEA')" in text
    assert "('-1.00', None, 'TEA')" in text
    assert "text is given twice" in text


def test_sums_nulls_and_ties_are_right(printed: Printed) -> None:
    text = printed("29")
    sums, nulls, ties, scores = re.split("^-- ", text, flags=re.MULTILINE)[1:]
    assert "100  199,999,999,999,999,998 of 200" in sums
    assert "less than nothing" not in sums
    assert "2 test customers as expected, 0 not" in nulls
    assert ties.count("50  tie a  50  tie b  50  tie c") == 3
    assert "100  s3" in scores
    assert "33  s4" in scores


def test_rules_about_accounts_run(printed: Printed) -> None:
    for part in parts(printed("30")):
        assert "1 rule, 0 errors, 0 warnings" in part
        assert "1 test customer as expected, 0 not" in part
        assert "Among them: C0000001" in part


def test_hours_are_added_to_the_moment(printed: Printed) -> None:
    values = re.findall("-> (.*)", printed("34"))
    assert values == ["2026-10-25T01:30:00@Europe/London", "PT2H", "true", "P1D", "true"]


def test_no_card_number_is_in_the_store(printed: Printed) -> None:
    text = printed("36")
    assert "card numbers in clear in the store: 0 lines" in text
    assert text.rstrip().endswith("\n0")


WRONG: Final = {
    "MCDONALD ROSS RENT": {"merchant McDonald's", "eating out"},
    "STADTMOBIL CARSHARING GMBH": {"merchant OBI", "household"},
    "SMART CAR RENTALS LTD": {"merchant Smart", "entertainment"},
    "TESCO MOBILE": {"groceries"},
    "TESCO BANK": {"groceries"},
    "Uber One": {"transport"},
    "O2 ACADEMY LEEDS": {"mobile"},
    "THREE HORSESHOES PUB": {"mobile"},
    "NEXT DAY BLINDS": {"clothing", "merchant Next"},
    "GAP YEAR TRAVEL": {"clothing", "merchant Gap"},
    "ORANGE TREE CAFE": {"merchant Orange", "mobile"},
    "SKY GARDEN LONDON": {"merchant Sky", "broadband"},
    "CO-OP FUNERALCARE": {"groceries"},
    "COSTA BRAVA APARTMENTS": {"merchant Costa", "eating out"},
    "J SMITH BOOTS MONEY": {"merchant Boots", "health"},
    "CORAL REEF AQUATICS": {"gambling", "merchant Coral"},
}
"""Answers that must not be given for a text."""
RIGHT: Final = {
    "TESCO PAY AT PUMP 3214": "transport",
    "SAINSBURYS PETROL": "transport",
    "SHELL LEEDS": "transport",
    "BP HARROGATE": "transport",
    "JET GARAGE": "transport",
    "VIRGIN TRAINS": "transport",
    "NYC SUBWAY FARE": "transport",
    "LONDON CITY AIRPORT PARKING": "transport",
    "THREE HORSESHOES PUB": "eating out",
    "ORANGE TREE CAFE": "eating out",
    "CO-OP INSURANCE": "insurance",
    "WM MORRISONS STORE": "groceries",
    "ALDI 47 742": "groceries",
    "VUE BSL LTD": "entertainment",
    "CASH AT NATWEST": "cash",
    "TAXI SHARE NANDOS": "people",
    "J SMITH BOOTS MONEY": "people",
    "APPLE PAY: ZARA OXFORD ST": "clothing",
    "GOOGLE PAY TESCO STORES 1234": "groceries",
}
"""The category of a text."""


def test_merchants_are_those_that_the_text_names(printed: Printed) -> None:
    lines = [line for line in printed("26").splitlines() if "| right: " in line]
    assert len(lines) == 80
    found = {line[:32].strip(): (line[51:75].strip(), line[82:97].strip()) for line in lines}
    for text, wrong in WRONG.items():
        merchant, category = found[text[:32]]
        assert wrong.isdisjoint({f"merchant {merchant}", category}), text
    for text, category in RIGHT.items():
        assert found[text[:32]][1] == category, text


def test_equal_amounts_by_chance_are_no_transfer(printed: Printed) -> None:
    for part in printed("35").split("-- B."):
        own = {row["text"] for row in rows(part) if row["own transfer"] == "True"}
        assert own == {"TO SAVINGS", "FROM CURRENT"}


def cadences(text: str) -> list[str]:
    """Return the words for cadences in a text, in their order."""
    words = "weekly|fortnightly|four-weekly|monthly|quarterly|half-yearly|yearly"
    return re.findall(rf"(?<![-\w])(?:{words})\b", text)


def test_several_dues_of_one_payee_stay_apart(printed: Printed) -> None:
    policies, by_card, club, energy = (part.partition("\n")[2] for part in parts(printed("21")))
    assert cadences(policies) == cadences(by_card) == ["yearly"] * 3
    assert cadences(club) == cadences(energy) == ["monthly"] * 2
    assert "12.00" in club
    assert "34.00" in club


def test_habits_in_shops_are_no_streams(printed: Printed) -> None:
    found = parts(printed("22"))
    assert [cadences(part.partition("\n")[2]) for part in found[:4]] == [[]] * 4
    assert not any("subscription" in part.partition("\n")[2] for part in found[4:])


def test_one_stream_goes_through_any_price(printed: Printed) -> None:
    found = parts(printed("24"))
    assert [cadences(part.partition("\n")[2]) for part in found[:7]] == [["monthly"]] * 7
    assert not any("subscription_stopped" in part for part in found[7:])
