"""Mappings that are proposed for files of unknown banks: certain, or asked."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from tests.building import NOBODY
from tests.statements import TODAY, proposed, reading_of

from tuppence.bankdata.evidence import Circumstances
from tuppence.bankdata.mapping import Sign, read_mapping
from tuppence.bankdata.proposal import propose
from tuppence.bankdata.proposed import Proposal, mapping_text
from tuppence.bankdata.tabular import Owners
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

SHOPS = ("BEAN YARD", "GREEN BASKET", "CORNER CAFE")
KNOWN = {"currency": "EUR", "account": "main", "customer": "me"}


def of(tmp_path: Path, text: str | bytes, **answers: str) -> Proposal:
    path = tmp_path / "bank.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    known = {key: value for key, value in (KNOWN | answers).items() if value}
    about = Circumstances(Schema(), NOBODY, TODAY, lambda text: text.startswith(SHOPS), "", known)
    return propose(path, about)


def amounts(tmp_path: Path, proposal: Proposal) -> list[int]:
    rows = reading_of(tmp_path / "bank.csv", proposal).rows.transactions
    assert rows is not None
    return rows["amount"].to_list()


def asked(proposal: Proposal) -> dict[str, tuple[str, ...]]:
    return {question.key: question.choices for question in proposal.questions}


SIDES = (
    "Konto;DE00\n\nBuchungstag;Wertstellung;Verwendungszweck;Soll;Haben;Saldo;Währung\n"
    "24.06.2026;25.06.2026;BEAN YARD;12,50;;1.087,50;EUR\n"
    "20.06.2026;21.06.2026;ACME GMBH;;1.100,00;1.100,00;EUR\n"
)


def test_columns_are_found_by_titles_of_several_languages(tmp_path: Path) -> None:
    proposal = of(tmp_path, SIDES, currency="")
    mapping = proposal.mapping
    assert asked(proposal) == {}
    assert mapping.columns == {
        "booking date": "Buchungstag",
        "balance": "Saldo",
        "text": "Verwendungszweck",
        "currency": "Währung",
    }
    assert mapping.sign == Sign(paid_out="Soll", paid_in="Haben")
    assert (mapping.date_format, mapping.delimiter) == ("%d.%m.%Y", ";")
    assert (mapping.decimal_point, mapping.grouping) == (",", ".")
    assert amounts(tmp_path, proposal) == [-1250, 110000]
    assert "not used: Wertstellung" in proposal.doubts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    proposal = of(tmp_path, SIDES.encode(encoding), currency="")
    assert amounts(tmp_path, proposal) == [-1250, 110000]
    told = [doubt for doubt in proposal.doubts if "accented letters" in doubt]
    assert bool(told) == (encoding == "windows-1252")


BALANCES = (
    "Date,Details,Amount,Balance\n"
    "03/06/2026,X,{0}4.00,983.50\n02/06/2026,Y,{0}12.50,987.50\n"
    "01/06/2026,Z,{1}50.00,1000.00\n31/05/2026,Z,{1}50.00,950.00\n"
)


@pytest.mark.parametrize(("out", "into", "sign"), [("-", "", False), ("", "-", True)])
def test_balances_decide_the_sign(tmp_path: Path, out: str, into: str, sign: bool) -> None:
    answers = {"account type": "current"}
    proposal = of(tmp_path, BALANCES.format(out, into), **answers)
    assert asked(proposal) == {}
    assert proposal.mapping.sign.inverted == sign
    assert amounts(tmp_path, proposal) == [-400, -1250, 5000, 5000]
    assert any("as the balances follow" in doubt for doubt in proposal.doubts)


def test_balances_decide_the_order_of_day_and_month(tmp_path: Path) -> None:
    text = (
        "Date,Details,Amount,Balance\n01/06/2026,X,-1.00,99.00\n02/06/2026,Y,-2.00,97.00\n"
        "01/07/2025,Z,50.00,100.00\n02/05/2025,Z,10.00,50.00\n"
    )
    proposal = of(tmp_path, text)
    assert proposal.mapping.date_format == "%d/%m/%Y"
    assert any("dates: read as %d/%m/%Y" in doubt for doubt in proposal.doubts)


PLAIN = "Date,Details,Amount\n{}"
UNSURE = PLAIN.format("03/06/2026,X,-4.00\n02/06/2026,Y,12.50\n")


def test_what_can_be_read_in_two_ways_is_asked(tmp_path: Path) -> None:
    proposal = of(tmp_path, UNSURE)
    assert asked(proposal) == {
        "date_format": ("%d/%m/%Y", "%m/%d/%Y"),
        "sign": ("negative", "positive"),
    }
    answered = of(
        tmp_path, UNSURE, date_format="%m/%d/%Y", sign="positive", **{"account type": "loan"}
    )
    assert asked(answered) == {}
    assert answered.mapping.sign.inverted
    assert answered.mapping.date_format == "%m/%d/%Y"
    assert answered.mapping.constants["account type"] == "loan"


def test_a_day_above_twelve_decides_the_dates(tmp_path: Path) -> None:
    text = PLAIN.format("03/06/2026,BEAN YARD,-4.00\n06/13/2026,Y,12.50\n")
    assert of(tmp_path, text).mapping.date_format == "%m/%d/%Y"


def test_a_date_in_the_future_decides_the_dates(tmp_path: Path) -> None:
    text = PLAIN.format("03/12/2025,X,-4.00\n01/09/2026,Y,12.50\n")
    assert of(tmp_path, text).mapping.date_format == "%m/%d/%Y"


def test_five_days_in_order_decide_the_dates(tmp_path: Path) -> None:
    days = ["05/06/2025", "10/06/2025", "02/07/2025", "08/07/2025", "11/07/2025"]
    text = PLAIN.format("".join(f"{day},X,-4.00\n" for day in days))
    assert of(tmp_path, text).mapping.date_format == "%d/%m/%Y"
    assert "date_format" in asked(of(tmp_path, "".join(text.splitlines(True)[:4])))


@pytest.mark.parametrize(("sign", "inverted"), [("-", False), ("", True)])
def test_payments_to_shops_decide_the_sign(tmp_path: Path, sign: str, inverted: bool) -> None:
    rows = "".join(f"2026-06-1{i},{shop},{sign}4.00\n" for i, shop in enumerate(SHOPS))
    other = "2026-06-20,PAYMENT,{}50.00\n".format("-" if inverted else "")
    proposal = of(tmp_path, PLAIN.format(rows + other), **{"account type": "credit card"})
    assert asked(proposal) == {}
    assert proposal.mapping.sign.inverted == inverted
    assert amounts(tmp_path, proposal) == [-400, -400, -400, 5000]


@pytest.mark.parametrize(("kind", "is_asked"), [("savings", False), ("credit card", True)])
def test_a_minus_is_money_out_of_accounts_that_are_no_cards(
    tmp_path: Path, kind: str, is_asked: bool
) -> None:
    text = PLAIN.format("2026-06-01,X,-4.00\n2026-06-02,Y,12.50\n")
    proposal = of(tmp_path, text, **{"account type": kind})
    assert ("sign" in asked(proposal)) == is_asked
    positive = PLAIN.format("2026-06-01,X,4.00\n2026-06-02,Y,12.50\n")
    assert "sign" in asked(of(tmp_path, positive, **{"account type": kind}))


def test_evidence_that_contradicts_itself_is_asked(tmp_path: Path) -> None:
    """The balance of a card may be a debt, which grows with each purchase."""
    rows = "".join(f"2026-06-1{i},{shop},4.00,{4 * i + 4}.00\n" for i, shop in enumerate(SHOPS))
    text = "Date,Details,Amount,Balance\n2026-06-01,X,-4.00,0.00\n" + rows
    assert asked(of(tmp_path, text)) == {"sign": ("negative", "positive")}


def test_a_file_whose_amounts_are_all_positive_is_asked(tmp_path: Path) -> None:
    text = PLAIN.format("2026-06-01,X,4.00\n2026-06-02,Y,5.00\n")
    assert asked(of(tmp_path, text)) == {"sign": ("negative", "positive")}


def test_a_column_of_sign_words_is_taken(tmp_path: Path) -> None:
    text = "Date,Details,Amount,Dr/Cr\n2026-06-01,X,4.00,DR\n2026-06-02,Y,5.00,CR\n"
    proposal = of(tmp_path, text)
    assert proposal.mapping.sign == Sign(column="Dr/Cr")
    assert amounts(tmp_path, proposal) == [-400, 500]


def test_an_amount_with_two_values_is_asked(tmp_path: Path) -> None:
    text = "Date;Details;Amount\n2026-06-01;BEAN YARD;-1.234\n2026-06-02;Y;5\n"
    assert asked(of(tmp_path, text, sign="negative")) == {"decimal_point": (".", ",")}
    answered = of(tmp_path, text, sign="negative", decimal_point=",")
    assert amounts(tmp_path, answered) == [-123400, -0 + 500]


def test_an_inverted_file_is_asked_for_its_kind_of_account(tmp_path: Path) -> None:
    proposal = of(tmp_path, BALANCES.format("", "-"))
    assert asked(proposal) == {"account type": ("current", "savings", "credit card", "loan")}
    assert proposal.questions[0].option == "--account-type"


def test_a_file_without_a_header_is_read_by_numbers(tmp_path: Path) -> None:
    text = (
        "2026-06-01,BEAN YARD,-4.00\n2026-06-02,GREEN BASKET,-5.00\n2026-06-03,CORNER CAFE,-1.00\n"
    )
    proposal = of(tmp_path, text)
    assert proposal.mapping.columns == {
        "booking date": "column 1",
        "amount": "column 3",
        "text": "column 2",
    }
    assert amounts(tmp_path, proposal) == [-400, -500, -100]


def test_two_dates_of_one_rank_are_asked(tmp_path: Path) -> None:
    text = "Date,Transaction Date,Details,Amount\n2026-06-01,2026-06-02,BEAN YARD,-4.00\n"
    assert asked(of(tmp_path, text, sign="negative")) == {
        "booking date": ("Date", "Transaction Date")
    }


def test_a_day_of_booking_that_is_asked_stays_a_gap(tmp_path: Path) -> None:
    """A second run takes the written file, in which nothing may be guessed."""
    text = "Date,Transaction Date,Details,Amount\n2026-06-01,2026-06-02,BEAN YARD,-4.00\n"
    proposal = of(tmp_path, text, sign="negative")
    assert proposal.mapping.columns["booking date"] == "?"
    written = tmp_path / "mapping.yaml"
    written.write_text(mapping_text(proposal))
    with pytest.raises(UserError):
        reading_of(
            tmp_path / "bank.csv", proposal._replace(mapping=read_mapping(written, Schema()))
        )


def test_one_payment_that_is_scheduled_decides_no_dates(tmp_path: Path) -> None:
    """The last row is of 7 July, a week ahead; as month and day all rows lie in the past."""
    days = ("01/06", "03/06", "05/06", "06/06", "07/07")
    rows = "".join(f"{on}/2026,SHOP,-4.00\n" for on in days)
    proposal = of(tmp_path, "Date,Details,Amount\n" + rows, sign="negative")
    assert proposal.mapping.date_format == "?"


def test_a_column_with_one_sign_word_only_decides_nothing(tmp_path: Path) -> None:
    rows = "".join(f"2026-06-0{n},X{n},4.00,Credit\n" for n in range(1, 4))
    proposal = of(tmp_path, "Date,Details,Amount,Account Type\n" + rows)
    assert "sign" in asked(proposal)


def test_a_title_of_two_lines_stays_in_its_comment(tmp_path: Path) -> None:
    text = 'Date,Details,Amount,"Notes\nfooter: 1"\n2026-06-01,BEAN YARD,-4.00,x\n'
    proposal = of(tmp_path, text, sign="negative")
    written = tmp_path / "mapping.yaml"
    written.write_text(mapping_text(proposal))
    assert read_mapping(written, Schema()).footer == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\nworld\n", "has no column of dates and amounts"),
        ("Date,Details\n2026-06-01,X\n", "has no column of dates and amounts"),
        ("Date,Details,Amount\n2026/13/45,X,-4.00\n", "have no known form"),
    ],
)
def test_a_file_that_is_no_statement_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        of(tmp_path, text)
    assert caught.value.code == "import.no-proposal"


@pytest.mark.parametrize(
    "answers",
    [{}, {"date_format": "%d/%m/%Y"}, {"sign": "negative"}],
    ids=["neither", "no sign", "no dates"],
)
def test_a_mapping_with_gaps_cannot_be_imported_with(
    tmp_path: Path, answers: dict[str, str]
) -> None:
    proposal = of(tmp_path, UNSURE, **answers)
    written = tmp_path / "mapping.yaml"
    written.write_text(mapping_text(proposal))
    for question in proposal.questions:
        assert f"# To decide: {question.key}. {question.text} One of: " in written.read_text()
    with pytest.raises(UserError):
        reading_of(
            tmp_path / "bank.csv", proposal._replace(mapping=read_mapping(written, Schema()))
        )


def test_the_store_says_whose_rows_they_are(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("Date,Details,Paid out,Paid in\n2026-06-01,X,4.00,\n")
    customers = pl.DataFrame({"id": ["ann"], "currency": ["NZD"]})
    accounts = pl.DataFrame({"id": ["a1"], "customer": ["ann"], "currency": ["NZD"]})
    about = Circumstances(Schema(), Owners(customers, accounts), TODAY, lambda _: False)
    proposal = propose(path, about)
    assert [question.key for question in proposal.questions] == ["account"]
    assert "a1" in proposal.questions[0].text
    assert proposal.mapping.constants == {"customer": "ann", "currency": "NZD"}
    two = pl.concat([customers, pl.DataFrame({"id": ["bob"], "currency": ["NZD"]})])
    asked_who = propose(path, dataclasses.replace(about, owners=Owners(two, accounts)))
    assert asked_who.questions[0].key == "customer"


@pytest.mark.parametrize(
    ("numbers", "is_own"), [(["123"] * 5, True), (["123"] * 4, False), (["1", "2"] * 3, False)]
)
def test_an_own_account_number_is_taken_and_anothers_is_not(
    tmp_path: Path, numbers: list[str], is_own: bool
) -> None:
    rows = "".join(f"2026-06-1{i},{number},X,4.00,\n" for i, number in enumerate(numbers))
    (tmp_path / "bank.csv").write_text(f"Date,Account,Details,Paid out,Paid in\n{rows}")
    found = proposed(tmp_path / "bank.csv", currency="GBP")
    assert ("account" in found.mapping.columns) == is_own
    assert any("Account may be the account of the other" in d for d in found.doubts) != is_own
    named = proposed(tmp_path / "bank.csv", currency="GBP", account="mine")
    assert named.mapping.constants["account"] == "mine"


STATES = "Date,Details,Paid out,Paid in,State\n2026-06-01,X,4.00,,{}\n2026-06-02,Y,5.00,,{}\n"


def test_rows_that_are_not_booked_are_left_out(tmp_path: Path) -> None:
    found = of(tmp_path, STATES.format("COMPLETED", "PENDING"))
    assert found.mapping.only == {"State": ("COMPLETED",)}
    assert amounts(tmp_path, found) == [-400]
    assert of(tmp_path, STATES.format("odd", "odd")).mapping.only == {}
    unsure = STATES.format("odd", "even")
    assert asked(of(tmp_path, unsure)) == {"only": ("odd", "even")}
    assert amounts(tmp_path, of(tmp_path, unsure, only="even")) == [-500]


def test_rows_that_say_what_was_in_the_account_are_left_out(tmp_path: Path) -> None:
    text = (
        "Date,Details,Paid out,Paid in,Cleared\n2026-06-01,Starting Balance,,100.00,Cleared\n"
        "2026-06-02,X,4.00,,Cleared\n2026-06-03,Y,5.00,,Uncleared\n"
    )
    found = of(tmp_path, text)
    assert found.mapping.without == {"Details": ("Starting Balance",)}
    assert found.mapping.only == {"Cleared": ("Cleared",)}
    assert amounts(tmp_path, found) == [-400]
