"""OFX, QIF, MT940 and camt.053: invented statements, and what damaged ones end in."""

from pathlib import Path
from typing import Any

import pytest
from tests.building import NOBODY, TOKENS, day
from tests.statements import CAMT, FORMATS, NAMESPACE, OFX, TODAY

from tuppence.bankdata import camt, mt940, ofx, qif
from tuppence.bankdata.exports import FileDefaults, plain_number, read_exports
from tuppence.bankdata.statement import ParsedStatement, read_statement
from tuppence.errors import UserError
from tuppence.facts.schema import Schema


def read(module: Any, text: str | bytes, given: FileDefaults, tmp_path: Path) -> ParsedStatement:
    path = tmp_path / f"statement{module.ENDINGS[0]}"
    path.write_bytes(text.encode("windows-1252") if isinstance(text, str) else text)
    documents = read_exports([path], module.ENDINGS, module.decode, given)
    return read_statement(documents, module.items, "me", Schema(), NOBODY, TODAY, TOKENS)


def told(found: ParsedStatement) -> list[tuple[Any, ...]]:
    rows = found.table.rows.transactions
    assert rows is not None
    return rows.select("booking date", "amount", "balance", "type", "text").rows()


def accounts(found: ParsedStatement) -> list[tuple[Any, ...]]:
    assert found.table.rows.accounts is not None
    return found.table.rows.accounts.select("id", "type").rows()


def rejects(found: ParsedStatement) -> list[tuple[str, str]]:
    return found.table.rejects.select("place", "reason").rows()


def of(name: str, tmp_path: Path, **changes: str) -> ParsedStatement:
    module, text, given = FORMATS[name]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return read(module, text, given, tmp_path)


def test_ofx_of_an_account_is_read(tmp_path: Path) -> None:
    found = of("ofx", tmp_path)
    assert told(found) == [
        (day("2026-06-01"), 110000, None, None, "ACME LTD"),
        (day("2026-06-02"), -1250, 108750, "card", "BEAN & YARD LEEDS"),
    ]
    assert accounts(found) == [("12345678", "savings")]
    assert found.ignored == {"pending transactions": 1}
    assert rejects(found) == [("STMTRS[1].STMTTRN[4]", "DTPOSTED is not a date: soon")]
    rows = found.table.rows.transactions
    assert rows is not None
    assert rows["id"].to_list() == ["A2", "A1"]


def test_ofx_is_read_in_the_encoding_of_its_header(tmp_path: Path) -> None:
    text = OFX.replace("CHARSET:1252", "CHARSET:1251").replace("BEAN &amp; YARD", "МАГАЗИН")
    found = read(ofx, text.encode("windows-1251"), FileDefaults(TODAY), tmp_path)
    assert told(found)[1][-1] == "МАГАЗИН LEEDS"
    unknown = OFX.replace("CHARSET:1252", "CHARSET:KLINGON").encode()
    with pytest.raises(UserError, match="there is no encoding KLINGON"):
        read(ofx, unknown, FileDefaults(TODAY), tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "OFXHEADER:100 DATA:OFXSGML VERSION:102 CHARSET:ISO-8859-2 <OFX>",
        '<?xml version="1.0" encoding="iso-8859-2"?><?OFX OFXHEADER="200"?><OFX>',
    ],
)
def test_ofx_names_its_encoding_in_several_ways(tmp_path: Path, header: str) -> None:
    text = header + OFX[OFX.index("<OFX>") + 5 :].replace("BEAN &amp; YARD", "ŁÓDŹ")
    found = read(ofx, text.encode("iso-8859-2"), FileDefaults(TODAY), tmp_path)
    assert told(found)[1][-1] == "ŁÓDŹ LEEDS"
    assert found.table.doubts == ()


@pytest.mark.parametrize(
    ("name", "place"), [("ofx", "BEAN &amp; YARD"), ("qif", "Bean Yard"), ("mt940", "Bean Yard")]
)
def test_a_guess_of_the_encoding_is_told_and_answered(
    tmp_path: Path, name: str, place: str
) -> None:
    module, text, given = FORMATS[name]
    plain = text.replace("CHARSET:1252", "CHARSET:NONE")
    data = plain.replace(place, "Café 4111111111111111").encode("cp850")
    found = read(module, data, given, tmp_path)
    (doubt,) = found.table.doubts
    assert "is not UTF-8 and was read as windows-1252" in doubt
    assert "as in " in doubt
    assert "--encoding" in doubt
    answered = read(module, data, given._replace(encoding="cp850"), tmp_path)
    assert answered.table.doubts == ()
    assert any("Café" in (row[-1] or "") for row in told(answered))
    assert read(module, plain.encode(), given, tmp_path).table.doubts == ()
    with pytest.raises(UserError, match="is not windows-1252 text") as caught:
        read(module, data.replace(b"\x82", b"\x90"), given, tmp_path)  # a letter of cp850 alone
    assert "--encoding cp850" in (caught.value.hint or "")
    with pytest.raises(UserError, match="there is no encoding 'klingon'"):
        read(module, data, given._replace(encoding="klingon"), tmp_path)
    with pytest.raises(UserError, match="this is UTF-8 text, not cp850") as caught:
        read(module, "CAFÉ".encode(), given._replace(encoding="cp850"), tmp_path)
    assert "--encoding utf-8" in (caught.value.hint or "")


def test_camt_is_read_in_the_encoding_that_a_person_gives(tmp_path: Path) -> None:
    text = CAMT.replace("Bean Yard", "CAFÉ").encode("iso-8859-1")
    with pytest.raises(UserError, match="this is not XML"):
        read(camt, text, FileDefaults(TODAY), tmp_path)
    found = read(camt, text, FileDefaults(TODAY, encoding="iso-8859-1"), tmp_path)
    assert told(found)[1][-1] == "CAFÉ June A1"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("-12.5", "GBP", -1250), ("-1,100", "GBP", None), ("1.100", "GBP", None),
        ("1100", "GBP", 110000), ("0.100", "GBP", 10), ("1.100", "KWD", 1100),
        ("1,100", "KWD", None), ("1,100", "JPY", None), ("1.234,50", "EUR", None),
    ],
)  # fmt: skip
def test_amounts_of_ofx_with_two_meanings_are_set_aside(
    tmp_path: Path, amount: str, currency: str, minor: int | None
) -> None:
    text = OFX.replace("-12.50", amount).replace("+1100,00", "1").replace("GBP", currency)
    found = read(ofx, text.replace("1087.50", "5"), FileDefaults(TODAY), tmp_path)
    amounts = [row[1] for row in told(found)]
    assert minor in amounts if minor is not None else len(amounts) == 1
    assert len(rejects(found)) == (1 if minor is not None else 2)


def test_ofx_of_a_card_is_read_and_its_number_hidden(tmp_path: Path) -> None:
    found = of("card", tmp_path)
    assert told(found) == [(day("2026-06-02"), -999, None, None, "WEB SHOP")]
    ((account, kind),) = accounts(found)
    assert account.startswith("hidden-")
    assert kind == "credit card"


def test_qif_is_read(tmp_path: Path) -> None:
    found = of("qif", tmp_path)
    assert told(found) == [(day("2026-06-13"), -101250, None, None, "Bean Yard Leeds")]
    assert accounts(found) == [("Current", "current")]
    assert found.ignored == {"opening balances": 1, "records of the type invst": 1}
    assert [why for _, why in rejects(found)] == [
        "D is not a date of the form of the others: 2/ 6'26",
        "D is not a date of the form of the others: later",
    ]


def test_qif_with_the_dates_of_old_programs_is_read(tmp_path: Path) -> None:
    text = "!Type:CCard\nD6/13'26\nT-1.00\n^\nD 6/ 4'26\nU2.00\nT2.00\n^\n"
    found = read(qif, text, FileDefaults(TODAY, "visa", "USD"), tmp_path)
    assert [(row[0], row[1]) for row in told(found)] == [
        (day("2026-06-04"), 200),
        (day("2026-06-13"), -100),
    ]
    assert accounts(found) == [("visa", "credit card")]


UNSURE = "!Type:Bank\nD03/06/2026\nT-{}\n^\n"


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        (
            UNSURE.format("1.00"),
            FileDefaults(TODAY, "a", "GBP"),
            "as %d/%m/%Y and as %m/%d/%Y",
        ),
        (UNSURE.format("1.00"), FileDefaults(TODAY, "", "GBP"), "names no account"),
        (UNSURE.format("1.00"), FileDefaults(TODAY, "a"), "names no currency"),
        (
            UNSURE.format("1.234"),
            FileDefaults(TODAY, "a", "GBP", "%d/%m/%Y"),
            "point or with a decimal",
        ),
    ],
)
def test_qif_that_can_be_read_in_two_ways_is_refused(
    tmp_path: Path, text: str, given: FileDefaults, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(qif, text, given, tmp_path)
    assert caught.value.code == "import.undecided"


def test_a_format_of_dates_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--date-format cannot be used"):
        read(qif, UNSURE.format("1.00"), FileDefaults(TODAY, "a", "GBP", "%H"), tmp_path)


def test_qif_is_read_as_a_person_says(tmp_path: Path) -> None:
    given = FileDefaults(TODAY, "a", "GBP", "%d/%m/%Y")
    assert told(read(qif, UNSURE.format("1.00"), given, tmp_path))[0][0] == day("2026-06-03")


def test_mt940_is_read_line_by_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = of("mt940", tmp_path)
    first, second, third = told(found)
    assert first[:4] == (day("2026-06-02"), -1250, None, "direct debit")
    assert "Bean Yard GmbH" in first[4]
    assert "JUNE" in first[4]
    assert second[:2] == (day("2026-06-03"), 10000)
    assert third[:3] == (day("2026-06-03"), -10000, 98750)  # a credit that is taken back
    assert accounts(found) == [("00000000/0123456789", "current")]
    assert rejects(found) == [
        ("statement 1, :61: number 3", "a line does not have the form that its tag requires")
    ]
    assert caplog.text == ""  # the library logs what it cannot read


@pytest.mark.parametrize("amount", ["12.50", "1.212,50", "1 212,50", "1'212,50", "1,212,50"])
def test_amounts_of_mt940_are_read_whole_or_not_at_all(tmp_path: Path, amount: str) -> None:
    """The library reads what stands before a point."""
    found = of("mt940", tmp_path, **{"D12,50": f"D{amount}"})
    assert [row[1] for row in told(found)] == [10000, -10000]
    assert rejects(found)[0][0] == "statement 1, :61: number 1"
    found = of("mt940", tmp_path, **{"EUR987,50": f"EUR{amount}"})
    assert [row[2] for row in told(found)] == [None] * 3
    assert rejects(found)[-1][0] == "statement 1, :62F:"


def test_camt_is_read(tmp_path: Path) -> None:
    found = of("camt", tmp_path)
    assert told(found) == [
        (day("2026-06-02"), 10000, None, None, None),
        (day("2026-06-02"), -1250, 108750, "direct debit", "Bean Yard June A1"),
    ]
    assert accounts(found) == [("DE75512108001245126199", "current")]
    assert found.ignored == {
        "pending transactions": 1,
        "balances that are not closing balances": 1,
    }
    assert rejects(found) == [("Stmt[1].Ntry[4]", "CdtDbtInd is UP, neither CRDT nor DBIT")]


@pytest.mark.parametrize("name", ["mt940", "camt"])
def test_a_statement_that_a_file_has_twice_is_read_once(tmp_path: Path, name: str) -> None:
    module, text, given = FORMATS[name]
    twice = text + text
    if name == "camt":
        statement = text[text.index("<Stmt>") : text.index("</BkToCstmrStmt>")]
        twice = text.replace(statement, statement + statement)
    found = read(module, twice, given, tmp_path)
    assert told(found) == told(of(name, tmp_path))
    assert found.ignored["statements that the file has twice"] == 1


@pytest.mark.parametrize(
    ("name", "end", "place"),
    [("mt940", ":62F:", "statement 1, :61: number 4"), ("qif", "!Type:Invst", "record 4")],
)
def test_a_row_that_a_file_ends_in_is_set_aside(
    tmp_path: Path, name: str, end: str, place: str
) -> None:
    module, text, given = FORMATS[name]
    cut = text[: text.index(end)].rstrip("^\n")
    found = read(module, cut, given, tmp_path)
    assert any(at == place and "the file ends in this" in why for at, why in rejects(found))
    assert len(told(found)) == len(told(of(name, tmp_path))) - (name == "mt940")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
    f'<Document xmlns="{NAMESPACE}">&c;</Document>'
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_a_document_type_definition_is_refused(tmp_path: Path, text: str, encoding: str) -> None:
    with pytest.raises(UserError, match="document type definition") as caught:
        read(camt, text.encode(encoding), FileDefaults(TODAY), tmp_path)
    assert caught.value.code == "file.xml"


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        (ofx, "hello", "it has no <OFX>"),
        (ofx, "<OFX>" + "<A>" * 50 + "</A></OFX>", "more than 40 elements"),
        (qif, "hello", "no records under !Type:"),
        (mt940, "hello", "no line begins with :20:"),
        (camt, "hello", "this is not XML"),
        (camt, "<a>" * 50, "more than 40 elements"),
        (camt, "<Document><BkToCstmrAcctRpt/></Document>", "it has BkToCstmrAcctRpt"),
        (ofx, "<OFX><A>1</OFX>", "no statement of an account or a card"),
        (ofx, "a\0b", "not a text file"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, module: Any, text: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read(module, text, FileDefaults(TODAY, "a", "GBP"), tmp_path)


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such files in this folder"):
        list(read_exports([tmp_path], ofx.ENDINGS, ofx.decode, FileDefaults(TODAY)))


def test_files_of_a_folder_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b.OFX", "a.ofx", "c.txt"):
        (tmp_path / name).write_text(OFX)
    found = read_exports([tmp_path], ofx.ENDINGS, ofx.decode, FileDefaults(TODAY))
    assert [one.source for one in found] == ["a.ofx", "b.OFX"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_rows_of_two_files_are_the_same(tmp_path: Path, name: str) -> None:
    module, text, given = FORMATS[name]
    ids = []
    for _ in range(2):
        rows = read(module, text, given, tmp_path).table.rows.transactions
        assert rows is not None
        ids.append(rows["id"].to_list())
    assert ids[0] == ids[1]
    assert len({*ids[0]}) == len(ids[0])


@pytest.mark.parametrize(
    ("text", "point", "plain"),
    [
        ("12.50", "", "12.50"), ("-12,50", "", "-12.50"), ("+1 100,00", "", "1100.00"),
        ("1,012.50", ".", "1012.50"), ("1.012,50", ",", "1012.50"), (".5", "", "0.5"),
        ("1,012.50", "", "1,012.50"), ("5.", "", "5"), ("-.50", "", "-0.50"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_one_way(text: str, point: str, plain: str) -> None:
    assert plain_number(text, point) == plain


def test_the_order_of_a_day_is_that_of_its_own_account(tmp_path: Path) -> None:
    """The second account of the file begins earlier; that turns no order around."""
    booking = "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{}<TRNAMT>{}<FITID>{}</STMTTRN>"
    accounts = {
        "11111111": (("20260601", "-1.00"), ("20260630", "-2.00"), ("20260630", "-3.00")),
        "22222222": (("20260515", "-4.00"),),
    }
    statements = "".join(
        f"<STMTTRNRS><TRNUID>1<STMTRS><CURDEF>GBP<BANKACCTFROM><BANKID>0<ACCTID>{name}"
        "<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>"
        + "".join(booking.format(*row, f"{name}{n}") for n, row in enumerate(rows))
        + "</BANKTRANLIST><LEDGERBAL><BALAMT>94.00<DTASOF>20260630</LEDGERBAL></STMTRS></STMTTRNRS>"
        for name, rows in accounts.items()
    )
    text = OFX[: OFX.index("<BANKMSGSRSV1>")] + f"<BANKMSGSRSV1>{statements}</BANKMSGSRSV1></OFX>"
    found = [
        (amount, balance)
        for _, amount, balance, *_ in told(read(ofx, text, FileDefaults(TODAY), tmp_path))
    ]
    assert found == [(-400, 9400), (-100, None), (-200, None), (-300, 9400)]


def test_two_payments_of_two_files_that_look_like_one_are_told(tmp_path: Path) -> None:
    paths = []
    for name in ("SPOTIFY", "NETFLIX"):
        paths.append(tmp_path / f"{name}.qif")
        paths[-1].write_text(f"!Type:Bank\nD13/06/2026\nT-9.99\nP{name}\n^\n")
    documents = read_exports(paths, qif.ENDINGS, qif.decode, FileDefaults(TODAY, "main", "GBP"))
    found = read_statement(documents, qif.items, "me", Schema(), NOBODY, TODAY, TOKENS)
    (doubt,) = found.table.doubts
    assert "NETFLIX is taken for SPOTIFY" in doubt


def test_a_record_that_is_cut_off_decides_nothing(tmp_path: Path) -> None:
    text = (
        "!Type:Bank\nD13/06/2026\nT-1,250\nPRENT\n^\n"
        "D14/06/2026\nT-2,500\nPB\n^\nD15/06/2026\nT-1,1"
    )
    given = FileDefaults(TODAY, account="main", currency="GBP")
    with pytest.raises(UserError, match="decimal point or with a decimal comma"):
        read(qif, text, given, tmp_path)


def test_a_record_without_its_end_is_rejected_as_the_whole_one_would_be_written(
    tmp_path: Path,
) -> None:
    given = FileDefaults(TODAY, account="main", currency="GBP")
    start = "!Type:Bank\nD13/06/2026\nT-1.50\nPRENT\n"
    found = read(qif, start, given, tmp_path)
    assert rejects(found) == [("record 1", "the file ends in this record, without ^")]
    assert "cut" not in found.table.rejects["content"][0]


def test_the_encoding_that_a_person_gives_replaces_the_one_in_xml(tmp_path: Path) -> None:
    data = CAMT.removeprefix('<?xml version="1.0"?>').replace("BEAN YARD", "CAFÉ").encode()
    with pytest.raises(UserError, match="there is no encoding 'nonsense'"):
        read(camt, data, FileDefaults(TODAY, encoding="nonsense"), tmp_path)
    named = b'<?xml version="1.0" encoding="UTF-8"?>' + data.decode().encode("windows-1252")
    found = read(camt, named, FileDefaults(TODAY, encoding="windows-1252"), tmp_path)
    assert "Ã" not in str(told(found))


def test_a_statement_with_another_reference_is_the_same(tmp_path: Path) -> None:
    module, text, given = FORMATS["mt940"]
    start = text[text.index(":20:") :]
    again = ":20:OTHER" + start[start.index("\n") :]
    found = read(module, f"{text.rstrip()}\n{again}", given, tmp_path)
    assert told(found) == told(read(module, text, given, tmp_path))


def test_an_ofx_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the file is cut off"):
        read(ofx, OFX[: OFX.index("BEAN")], FileDefaults(TODAY), tmp_path)


def test_amounts_of_qif_without_a_decimal_point_of_their_own_are_asked_for(tmp_path: Path) -> None:
    text = "!Type:Bank\n" + "".join(f"D{day_}/06/2026\nT{amount}\nPX\n^\n" for day_, amount in (
        (13, "-1,100"), (14, "-2,50"), (15, "-3.20"),
    ))  # fmt: skip
    with pytest.raises(UserError, match="decimal point or with a decimal comma"):
        read(qif, text, FileDefaults(TODAY, account="main", currency="GBP"), tmp_path)


@pytest.mark.parametrize("amount", ["- 1,100", "0001,100", "1 2.50", "1.000"])
def test_amounts_of_ofx_that_are_not_certain_are_set_aside(tmp_path: Path, amount: str) -> None:
    text = OFX.replace("<TRNAMT>-12.50", f"<TRNAMT>{amount}")
    assert text != OFX
    found = read(ofx, text, FileDefaults(TODAY), tmp_path)
    assert any(amount.strip("- ") in reason for _, reason in rejects(found)), rejects(found)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 234.50", "1234.50"),
        ("- 5.00", "-5.00"),
        ("1 234 567,00", "1234567.00"),
        ("0,50", "0.50"),
    ],
)
def test_blanks_between_thousands_are_read(text: str, number: str) -> None:
    assert plain_number(text) == number


def test_a_day_has_eight_digits_or_more_of_a_time(tmp_path: Path) -> None:
    text = OFX.replace("<DTPOSTED>20260601<", "<DTPOSTED>202606011<")
    assert text != OFX
    found = read(ofx, text, FileDefaults(TODAY), tmp_path)
    assert any("DTPOSTED is not a date" in reason and "202606011" in reason
               for _, reason in rejects(found)), rejects(found)  # fmt: skip


@pytest.mark.parametrize("name", ["ANSI", "KLINGON"])
def test_an_encoding_that_a_person_names_wins_over_the_header(tmp_path: Path, name: str) -> None:
    text = OFX.replace("CHARSET:1252", f"CHARSET:{name}")
    found = read(
        ofx, text.encode("windows-1252"), FileDefaults(TODAY, encoding="windows-1252"), tmp_path
    )
    assert len(told(found)) == 2


def test_a_statement_that_is_sent_again_is_read_once(tmp_path: Path) -> None:
    statement = CAMT[CAMT.index("<Stmt>") : CAMT.index("</Stmt>") + len("</Stmt>")]
    again = CAMT.replace("</Stmt>", "</Stmt>" + statement.replace("<Id>1</Id>", "<Id>2</Id>", 1), 1)
    assert told(read(camt, again, FileDefaults(TODAY), tmp_path)) == told(of("camt", tmp_path))
    response = OFX[OFX.index("<STMTTRNRS>") : OFX.index("</STMTTRNRS>") + len("</STMTTRNRS>")]
    twice = OFX.replace(response, response + response)
    assert told(read(ofx, twice, FileDefaults(TODAY), tmp_path)) == told(of("ofx", tmp_path))
