"""Proposes a mapping for a statement; what its file does not decide becomes a question."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from tuppence.bankdata.amounts import POINTS, Separators
from tuppence.bankdata.banks import Bank, bank_of
from tuppence.bankdata.categories import ACCOUNT_TYPES
from tuppence.bankdata.columns import (
    BOOKED,
    FORMATS,
    MIN_SHARE,
    NOT_BOOKED,
    Column,
    columns_of,
    currency_of,
    date_readings,
    header_of,
    in_order,
    is_sign_word,
    separators_of,
    words_of_balances,
)
from tuppence.bankdata.encodings import UTF8, guess_doubt
from tuppence.bankdata.evidence import (
    NEGATIVE,
    POSITIVE,
    UNDECIDED,
    Circumstances,
    Evidence,
    Question,
)
from tuppence.bankdata.mapping import ACCOUNT_TYPE, Sign, TableMapping, with_constants
from tuppence.bankdata.proposed import Proposal
from tuppence.bankdata.table_file import position, read_raw, read_start
from tuppence.errors import UserError

ME: Final = "me"
"""The customer of a store that has none yet."""
DELIMITERS: Final = (",", ";", "\t", "|")
_HALF: Final = 0.5
_ENOUGH_ROWS: Final = 5
"""Number of rows with one account number that show it to be the own one."""
_PLAIN_ACCOUNTS: Final = frozenset({"current", "savings"})
"""Types of accounts whose statements have a minus for money out, if for either; cards' differ."""
_OWNER_FIELDS: Final = ("account", "customer", "currency", ACCOUNT_TYPE)


def propose(path: Path, about: Circumstances) -> Proposal:
    """Propose a mapping for a CSV file.

    Raises:
        UserError: The file cannot be read, or no table of transactions is found in it.
    """
    if path.suffix == ".parquet":
        message = f"{path}: a mapping is proposed for CSV files only"
        raise UserError("import.no-proposal", message, "write one, and name it with --mapping")
    encoding, starts = read_start(path, DELIMITERS)
    start = "\n".join(" ".join(row) for row in starts[DELIMITERS[0]])
    draft = _Draft(path, about, encoding, start)
    if found := bank_of(path, starts, about.bank):
        draft.use_bank(*found, starts[found.delimiter])
    else:
        draft.look_at(starts)
    draft.name_owner()
    return draft.proposal()


class _Draft:
    """A proposal in the making; each step decides some keys of the mapping."""

    def __init__(self, path: Path, about: Circumstances, encoding: str, start: str) -> None:
        self._path = path
        self._about = about
        self._encoding = encoding
        self._mapping = TableMapping("transactions", {})
        self._origin = ""
        self._account = "main"
        self._currency = ""
        self._form = ""
        self._is_card = False
        self._questions: list[Question] = []
        self._doubts: list[str] = []
        if encoding != UTF8:
            self._set(encoding=encoding)
            self._doubts.append(guess_doubt(start, encoding))

    def proposal(self) -> Proposal:
        """Return the mapping, the questions and the doubts."""
        return Proposal(self._mapping, self._origin, tuple(self._questions), tuple(self._doubts))

    def _set(self, **keys: Any) -> None:
        self._mapping = msgspec.structs.replace(self._mapping, **keys)

    def _ask(self, question: Question) -> str:
        """Return the answer to a question; without one, keep the question."""
        answer = self._about.answers.get(question.key, "")
        if answer and (not question.choices or answer in question.choices):
            return answer
        self._questions.append(question)
        return UNDECIDED

    # -- a bank that is known ----------------------------------------------------------------------

    def use_bank(
        self, delimiter: str, name: str, bank: Bank, rows: Iterable[Sequence[str]]
    ) -> None:
        """Take the shipped mapping of a bank.

        Dates and numbers of a file with another delimiter, which a program wrote, are read as they
        stand.
        """
        titles = next((row for row in rows if bank.fits(row)), ())
        known = bank.mapping_for(titles)
        encoding = known.encoding if self._encoding == UTF8 else self._encoding
        self._mapping = msgspec.structs.replace(known, encoding=encoding, delimiter=delimiter)
        self._origin = f"the shipped mapping {name} ({', '.join(bank.names)})"
        self._origin += "" if self._about.bank else ", found by its header"
        self._account = name
        is_saved_again = delimiter != known.delimiter
        if not is_saved_again and not bank.date_formats:
            return
        table = read_raw(self._path, self._mapping)
        columns = columns_of(table)

        def named(*sources: str) -> list[Column]:
            places = (position(table.titles, source) for source in sources)
            return [columns[place] for place in places if place is not None]

        if is_saved_again:
            self._doubts.append("a program saved the export again: look at its dates and amounts")
            sources = (*known.columns_of("amount"), *known.columns_of("balance"))
            self._decide_separators(named(*sources, known.sign.paid_out, known.sign.paid_in))
        (dates,) = named(known.columns_of("booking date")[0])
        self._decide_dates(dates, FORMATS if is_saved_again else bank.date_formats, _HALF)

    # -- a file that is not known ------------------------------------------------------------------

    def look_at(self, starts: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Find out what the columns are."""
        found: list[tuple[TableMapping, list[Column]]] = []
        for delimiter, rows in starts.items():
            width, titles = header_of(rows)
            if width < 2:
                continue
            names = [f"column {i + 1}" for i in range(width)]
            columns = {name: name for name in (titles or names) if name} or {"": names[0]}
            mapping = msgspec.structs.replace(self._mapping, columns=columns, delimiter=delimiter)
            try:
                looked = columns_of(read_raw(self._path, mapping))
            except UserError:  # two columns with one title, or no rows if it is split so
                single = {title: title for title, n in Counter(titles).items() if title and n == 1}
                mapping = msgspec.structs.replace(mapping, columns=single)
                try:
                    looked = columns_of(read_raw(self._path, mapping))
                except UserError:
                    continue
            if any(one.is_date for one in looked) and any(one.is_number for one in looked):
                found.append((mapping, looked))
        if len(found) != 1:
            what = "can be split in several ways" if found else "has no column of dates and amounts"
            message = f"{self._path}: this file {what}, so no mapping can be proposed"
            raise UserError(
                "import.no-proposal", message,
                "write a mapping, and name it with --mapping: see docs/reference/mapping.md",
            )  # fmt: skip
        mapping, columns_found = found[0]
        self._mapping = msgspec.structs.replace(mapping, columns={})
        self._origin = "proposed from the titles and the texts of the columns"
        self._assign(columns_found)

    def _assign(self, found: Sequence[Column]) -> None:
        numbers = [one for one in found if one.is_number]
        sides = {r: [one for one in numbers if one.role == r] for r in ("out", "in")}
        balances = [one for one in numbers if one.role == "balance"]
        texts = [one for one in found if one.role == "text"]
        if not any(one.role for one in found):  # no header, or one in an unknown language
            texts = [one for one in found if not one.is_date and not one.is_number]
        columns: dict[str, Any] = {"booking date": self._dates(found).name}
        used = [*balances[:1]]
        if all(len(side) == 1 for side in sides.values()):
            (out,), (in_,) = sides["out"], sides["in"]
            self._set(sign=Sign(paid_out=out.name, paid_in=in_.name))
            used += [out, in_]
        else:
            amount = self._amount(numbers, balances)
            columns["amount"] = amount.name
            used.append(amount)
        if balances:
            columns["balance"] = balances[0].name
        if texts:
            names = tuple(one.name for one in texts)
            columns["text"] = names[0] if len(names) == 1 else names
        columns |= self._named(found)
        self._set(columns=columns)
        self._is_card = any(one.role == "card" for one in found)
        self._decide_booked([one for one in found if one.role == "status"])
        self._set(without=words_of_balances(texts))
        self._currency = currency_of(used)
        self._decide_separators(used)
        dates = next(one for one in found if one.name == columns["booking date"])
        self._decide_dates(dates, FORMATS, MIN_SHARE)
        if not self._mapping.has_sides:
            self._decide_sign(found)
        kept = {*self._mapping.sources()}
        if unused := [one.name for one in found if one.name not in kept]:
            self._doubts.append(f"not used: {', '.join(unused)}")
        gaps = {"booking date", "amount"} & {question.key for question in self._questions}
        self._set(columns={**self._mapping.columns, **dict.fromkeys(gaps, UNDECIDED)})

    def _dates(self, found: Sequence[Column]) -> Column:
        dates = [one for one in found if one.is_date]
        for role in ("booked", "day", "", "value day"):
            best = [one for one in dates if one.role == role]
            if len(best) == 1:
                return best[0]
            if best:
                break
        text = "Which column is the day of booking?"
        names = tuple(one.name for one in best or dates)
        answer = self._ask(Question("booking date", text, names))
        return next((one for one in dates if one.name == answer), dates[0])

    def _amount(self, numbers: Sequence[Column], balances: Sequence[Column]) -> Column:
        amounts = [one for one in numbers if one.role == "amount"]
        if not amounts:
            decimal = [one for one in numbers if one.texts.str.contains(r"[.,]\d\d\D*$").any()]
            amounts = [
                one for one in decimal if one not in balances and one.role in {"", "in", "out"}
            ]
        if len(amounts) == 1:
            return amounts[0]
        names = tuple(one.name for one in amounts or numbers)
        answer = self._ask(Question("amount", "Which column is the amount?", names))
        return next((one for one in numbers if one.name == answer), numbers[0])

    def _named(self, found: Sequence[Column]) -> dict[str, str]:
        """Return the columns of other fields, where they are certain."""
        columns: dict[str, str] = {}
        for one in found:
            words = one.texts.drop_nulls()
            is_full = len(words) == len(one.texts) > 0
            if one.role == "currency" and is_full and words.str.contains("^[A-Z]{3}$").all():
                columns.setdefault("currency", one.name)
            if one.role == "id" and is_full and words.n_unique() == len(words):
                columns.setdefault("id", one.name)
            if one.role == "account" and is_full and "account" not in self._about.answers:
                if words.n_unique() == 1 and len(words) >= _ENOUGH_ROWS:
                    columns.setdefault("account", one.name)
                else:
                    self._doubts.append(
                        f"{one.name} may be the account of the other side; if it is the own one, "
                        f"write account: {one.name} under columns"
                    )
        return columns

    def _decide_booked(self, found: Sequence[Column]) -> None:
        """Leave out rows that are not booked, by the words of a column of statuses."""
        for one in found:
            words = one.texts.drop_nulls().unique(maintain_order=True).to_list()
            booked = [word for word in words if word.casefold() in BOOKED]
            if any(word.casefold() not in BOOKED | NOT_BOOKED for word in words):
                if len(words) == 1:
                    continue
                text = f"Which word of {one.name} do booked rows have?"
                booked = [self._ask(Question("only", text, tuple(words)))]
            self._set(only={**self._mapping.only, one.name: tuple(booked)})

    def _decide_separators(self, used: Sequence[Column]) -> None:
        found = separators_of(used)
        if found is None:
            text = "Which character stands before the decimals, as in 1.234?"
            found = Separators(self._ask(Question("decimal_point", text, POINTS)))
        self._set(decimal_point=found.point, grouping=found.grouping)

    def _decide_dates(self, column: Column, formats: Iterable[str], share: float) -> None:
        readings = date_readings(column.texts, formats, self._about.today, share)
        if not readings:
            message = f"{self._path}: the dates of {column.name} have no known form"
            raise UserError(
                "import.no-proposal", message,
                "write a mapping with date_format, and name it with --mapping",
            )  # fmt: skip
        told = dict(readings)
        if len(told) == 1 and len(date_readings(column.texts, formats, date.max, share)) > 1:
            form = next(iter(told))
            self._doubts.append(f"dates: read as {form}, as other forms give days in the future")
        if len(told) > 1:
            breaks = {form: self._evidence(form).fewest_breaks() for form in told}
            told = {form: told[form] for form in told if breaks[form] == min(breaks.values())}
            if len(told) == 1:
                self._doubts.append(f"dates: read as {next(iter(told))}, as the balances follow so")
        if len(told) > 1:
            ordered = [form for form, days in told.items() if in_order(days)]
            if len(ordered) == 1:
                told = {ordered[0]: told[ordered[0]]}
                self._doubts.append(f"dates: read as {ordered[0]}, as the rows are in order so")
        self._form = next(iter(told))
        if len(told) == 1:
            self._set(date_format=self._form)
            return
        example = column.texts.drop_nulls()[0]
        text = f"In which form are the dates, such as {example}?"
        self._set(date_format=self._ask(Question("date_format", text, tuple(told))))

    # -- signs -------------------------------------------------------------------------------------

    def _decide_sign(self, found: Sequence[Column]) -> None:
        evidence = self._evidence(self._form)
        rows = evidence.rows()
        for one in found:
            if not is_sign_word(one):
                continue
            signed = evidence.rows(Sign(column=one.name))
            if signed.height >= rows.height > 0:
                self._set(sign=Sign(column=one.name))
                return
        told = {**evidence.sign_by_balances(), **evidence.sign_by_shops()}
        kind = self._about.answers.get(ACCOUNT_TYPE)
        if not told and kind in _PLAIN_ACCOUNTS and (rows["amount"] < 0).any():
            told = {NEGATIVE: f"as in other statements of {kind} accounts"}
        if len(told) == 1:
            ((answer, why),) = told.items()
            self._doubts.append(f"sign: {answer} amounts are money out, {why}")
        else:
            text = (
                "Which amounts are money out, the negative or the positive ones? "
                "(The negative ones, with --account-type current or savings.)"
            )
            answer = self._ask(Question("sign", text, (NEGATIVE, POSITIVE)))
        if answer == POSITIVE:
            self._set(sign=Sign(inverted=True))
            self._is_card = True
        if answer == UNDECIDED:
            self._set(sign=Sign(column=UNDECIDED))

    def _evidence(self, form: str) -> Evidence:
        """Return the evidence of the rows if their dates have a form."""
        currency = self._about.answers.get("currency") or self._currency
        return Evidence(self._path, self._mapping, self._about, form, currency)

    # -- whose rows they are -----------------------------------------------------------------------

    def name_owner(self) -> None:
        """Decide the account, the customer and the currency of the rows."""
        answers, owners = self._about.answers, self._about.owners
        mapping, given = self._mapping, dict[str, str]()
        given |= {key: answers[key] for key in _OWNER_FIELDS if answers.get(key)}
        if "customer" not in {**mapping.columns, **mapping.constants, **given}:
            given["customer"] = self._customer()
        if "account" not in {**mapping.columns, **mapping.constants, **given}:
            given["account"] = self._own_account(given.get("customer", ""))
        known = owners.customers.filter(pl.col("id") == given.get("customer", ""))["currency"]
        if "currency" not in {**mapping.columns, **mapping.constants, **given}:
            given["currency"] = known[0] if len(known) else self._own_currency()
        named = {**mapping.columns, **mapping.constants, **given}
        if ACCOUNT_TYPE not in named and named.get("account") not in [*owners.accounts["id"]]:
            if self._is_card:
                text = "Is it a current account, savings, a credit card or a loan?"
                question = Question(ACCOUNT_TYPE, text, ACCOUNT_TYPES, "--account-type")
                given[ACCOUNT_TYPE] = self._ask(question)
            else:
                self._doubts.append("account type: taken as current; --account-type says otherwise")
        kept = {key: value for key, value in given.items() if value}
        self._mapping = with_constants(mapping, kept, self._path)

    def _customer(self) -> str:
        customers = [*self._about.owners.customers["id"]]
        if len(customers) > 1:
            return self._free(Question("customer", "Whose rows are these?", (), "--customer"))
        return customers[0] if customers else ME

    def _own_account(self, customer: str) -> str:
        accounts = self._about.owners.accounts
        mine = [*accounts.filter(pl.col("customer") == customer)["id"]]
        if not mine:
            self._doubts.append(
                f"account: the file names none, so it is called {self._account}; --account names it"
            )
            return self._account
        text = f"Which account's rows are these? The store has {', '.join(mine)}"
        return self._free(Question("account", text, (), "--account"))

    def _own_currency(self) -> str:
        if self._currency:
            self._doubts.append(f"currency: {self._currency}, from the titles or the amounts")
            return self._currency
        return self._free(
            Question("currency", "In which currency are the amounts?", (), "--currency")
        )

    def _free(self, question: Question) -> str:
        """Ask for a text; the mapping has nothing where it is not known."""
        return self._ask(question).replace(UNDECIDED, "")
