"""Invented statements of banks for tests: documents, files of programs, and exports of banks."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from tests.building import NOBODY, ROOT, TOKENS

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import camt, mt940, ofx, qif
from tuppence.bankdata.evidence import Circumstances
from tuppence.bankdata.exports import FileDefaults
from tuppence.bankdata.proposal import propose
from tuppence.bankdata.proposed import Proposal
from tuppence.bankdata.records import Document, Items
from tuppence.bankdata.statement import ParsedStatement, read_statement
from tuppence.bankdata.tabular import Owners, ParsedTable, read_table
from tuppence.facts.schema import Schema

SAMPLES: Final = ROOT / "tests/unit/bankdata/banks"
"""The folder of an invented export of each bank with a shipped mapping."""
TODAY: Final = datetime.date(2026, 6, 30)
"""The day on which they are read."""

# -- documents -------------------------------------------------------------------------------------


def owners(*accounts: tuple[str, str]) -> Owners:
    """Return accounts as owners; all customers have pounds."""
    customers = sorted({customer for _, customer in accounts})
    return Owners(
        pl.DataFrame(
            {"id": customers, "currency": ["GBP"] * len(customers)},
            schema={"id": pl.String, "currency": pl.String},
        ),
        pl.DataFrame(
            [(account, customer, "GBP") for account, customer in accounts],
            schema={"id": pl.String, "customer": pl.String, "currency": pl.String},
            orient="row",
        ),
    )


def read(items: Items, *contents: Any, known: Owners | None = None) -> ParsedStatement:
    documents = [Document(f"d{number}", content) for number, content in enumerate(contents)]
    return read_statement(documents, items, "ann", Schema(), known or owners(), TODAY, TOKENS)


def transactions(found: ParsedStatement, *names: str) -> list[Any]:
    frame = found.table.rows.transactions
    assert frame is not None
    rows = frame.select(names).rows()
    return [row[0] for row in rows] if len(names) == 1 else rows


def reasons(found: ParsedStatement) -> list[tuple[str, str]]:
    return found.table.rejects.select("place", "reason").rows()


def booked(**changes: Any) -> dict[str, Any]:
    """Return a transaction of UK Open Banking with changes; None removes a key."""
    whole = {
        "AccountId": "a",
        "TransactionId": "t1",
        "Amount": {"Amount": "12.50", "Currency": "GBP"},
        "CreditDebitIndicator": "Debit",
        "Status": "Booked",
        "BookingDateTime": "2026-06-24T10:00:00+01:00",
        "TransactionInformation": "GREEN BASKET 0042",
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def answer(*found: Any, resource: str = "Transaction") -> dict[str, Any]:
    return {"Data": {resource: list(found)}}


def eu(amount: str, day: str = "2026-06-24", **more: str) -> dict[str, Any]:
    money = {"amount": amount, "currency": "GBP"}
    return {"bookingDate": day, "transactionAmount": money, **more}


def booked_at(*bookings: dict[str, Any]) -> dict[str, Any]:
    return {"account": {"iban": "a"}, "transactions": {"booked": list(bookings)}}


def transactions_of(store: FactStore) -> Sequence[str]:
    (rows,) = [part.transactions for part in store.parts() if part.transactions is not None]
    return rows["text"].to_list()


# -- files of programs -----------------------------------------------------------------------------

OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
CHARSET:1252

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STMTRS><CURDEF>GBP
<BANKACCTFROM><BANKID>000000<ACCTID>12345678<ACCTTYPE>SAVINGS</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260601<DTEND>20260630
<STMTTRN><TRNTYPE>POS<DTPOSTED>20260602233000[-5:EST]<TRNAMT>-12.50<FITID>A1
<NAME>BEAN &amp; YARD<MEMO>LEEDS</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260601<TRNAMT>+1100,00<FITID>A2<NAME>ACME LTD</STMTTRN>
<STMTTRN><TRNTYPE>HOLD<DTPOSTED>20260603<TRNAMT>-5.00<FITID>A3<NAME>CAB FIRM</STMTTRN>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>soon<TRNAMT>-5.00<FITID>A4<NAME>BAD</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>1087.50<DTASOF>20260630</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""
CARD = """<?xml version="1.0" encoding="UTF-8"?><?OFX OFXHEADER="200" VERSION="220"?>
<OFX><CREDITCARDMSGSRSV1><CCSTMTTRNRS><CCSTMTRS><CURDEF>USD</CURDEF>
<CCACCTFROM><ACCTID>4111111111111111</ACCTID></CCACCTFROM>
<BANKTRANLIST>
<STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20260602</DTPOSTED><TRNAMT>-9.99</TRNAMT>
<FITID>B1</FITID><NAME>WEB SHOP</NAME><MEMO></MEMO></STMTTRN>
</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>"""
QIF = """!Account
NCurrent
TBank
^
!Type:Bank
D01/06/2026
T1,000.00
POpening Balance
L[Current]
^
D13/06/2026
T-1,012.50
PBean Yard
MLeeds
LEating
^
D 2/ 6'26
T4.00
PRefund
^
Dlater
T-1.00
PBad
^
!Type:Invst
D13/06/2026
NBuy
^
"""
MT940 = """:20:STARTUMS
:25:00000000/0123456789
:28C:1/1
:60F:C260531EUR1000,00
:61:2606020602D12,50NDDTNONREF//B1
:86:105?00BASISLASTSCHRIFT?20BEAN YARD?21JUNE?32Bean Yard GmbH
:61:2606030603C100,00NTRFNONREF
:86:166?00GUTSCHRIFT?20PAY JUNE?32Acme GmbH
:61:26BAD
:86:nothing
:61:2606030603RC100,00NTRFNONREF
:86:166?00STORNO?20PAY JUNE?32Acme GmbH
:62F:C260630EUR987,50
-
"""
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def entry(amount: str, way: str, status: str = "<Cd>BOOK</Cd>", more: str = "") -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>{status}</Sts>'
        f"<BookgDt><Dt>2026-06-02</Dt></BookgDt>{more}</Ntry>"
    )


PARTIES = (
    "<AcctSvcrRef>R1</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RDDT</Cd>"
    "<SubFmlyCd>ESDD</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><RltdPties>"
    "<Dbtr><Pty><Nm>A Person</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Bean Yard</Nm></Pty></Cdtr>"
    "</RltdPties><RmtInf><Ustrd>June</Ustrd><Ustrd>A1</Ustrd></RmtInf></TxDtls></NtryDtls>"
)
CAMT = (
    f'<?xml version="1.0"?><Document xmlns="{NAMESPACE}"><BkToCstmrStmt><GrpHdr/><Stmt><Id>1</Id>'
    "<Acct><Id><IBAN>DE75512108001245126199</IBAN></Id><Tp><Cd>CACC</Cd></Tp><Ccy>EUR</Ccy></Acct>"
    "<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>1000.00</Amt>"
    "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-05-31</Dt></Dt></Bal>"
    "<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>1087.50</Amt>"
    "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-06-30</Dt></Dt></Bal>"
    + entry("100.00", "CRDT", "BOOK")
    + entry("12.50", "DBIT", more=PARTIES)
    + entry("7.00", "DBIT", "<Cd>PDNG</Cd>")
    + entry("7.00", "UP")
    + "</Stmt></BkToCstmrStmt></Document>"
)
FORMATS: Final[dict[str, tuple[Any, str, FileDefaults]]] = {
    "ofx": (ofx, OFX, FileDefaults(TODAY)),
    "card": (ofx, CARD, FileDefaults(TODAY)),
    "qif": (qif, QIF, FileDefaults(TODAY, currency="GBP")),
    "mt940": (mt940, MT940, FileDefaults(TODAY)),
    "camt": (camt, CAMT, FileDefaults(TODAY)),
}
"""The module of each format, a statement, and what a person says about it."""


BY_NAME_ONLY: Final = {"hsbc", "first-direct"}
FIELDS: Final = (
    "booking date", "amount", "balance", "account", "type", "category", "merchant",
    "foreign currency", "text",
)  # fmt: skip


def proposed(path: Path, bank: str = "", **answers: str) -> Proposal:
    about = Circumstances(Schema(), NOBODY, TODAY, lambda _: False, bank, answers)
    return propose(path, about)


def reading_of(path: Path, proposal: Proposal) -> ParsedTable:
    return read_table(path, proposal.mapping, Schema(), NOBODY, TODAY, TOKENS)
