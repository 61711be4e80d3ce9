"""Random well-typed rules and difficult facts."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.building import day, frame

from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.rules.rule import Message, Rule

AS_OF: Final = "2026-03-31"

SCHEMA: Final = Schema(
    (
        Field("income", FieldType.MONEY, "A month's."),
        Field("ratio", FieldType.NUMBER, "Something with digits after the point.", decimals=2),
        Field("joined", FieldType.DATE, "Some day."),
        Field("keen", FieldType.BOOLEAN, "Whether keen."),
        Field("tier", FieldType.TEXT, "Which tier."),
    )
)

NUMBERS: Final = (
    "0", "1", "2", "3", "7", "10", "50", "100", "0.1", "0.01", "1.1", "1.25", "0.05", "33.33", "-1",
    "0.3333", "110", "1000000", "0.5",
)  # fmt: skip
DATES: Final = (
    '@"2026-03-31"', '@"2026-03-01"', '@"2025-12-31"', '@"2024-02-29"', "today()",
    'today() - @"P30D"', 'today() - @"P90D"', 'today() - @"P1M"', 'today() - @"P1Y"',
    "month start(today())", 'month start(today()) - @"P1M"', 'today() - @"P14D"',
)  # fmt: skip
TEXTS: Final = ("food", "rent", "fun", "Ünïcode", "a", "")
COLLECTIONS: Final = ("payments", "receipts", "transactions")
PREDICATES: Final = (
    'contains(merchant, "o")', 'starts with(text, "f")', 'lower case(merchant) = "food"',
    'matches(text, "^f.*d?$")', "string length(merchant) > 3", "booking date.weekday in (6, 7)",
    "booking date.month = 3", "booking date.day < 5", 'day of week(booking date) = "Monday"',
    'upper case(category) = "FOOD" or merchant = null', "not(merchant = null)",
    'if category = null then merchant = "food" else category = "fun"',
    'booking date in [@"2026-03-01"..@"2026-03-31"]', "amount between 10 and 100",
    "amount in [10..100)", "amount in (> 50)", 'category in ("food", "fun")', "balance != null",
    "balance < 0", "balance between -100 and 100", "country != customer.country",
    "category = customer.tier", "booking date >= customer.joined", "amount > customer.income",
    "own transfer", "not(own transfer)", "text = null", 'account type = "savings"', "amount = 10",
    "repeated", "repeated = false", "category = merchant", "floor(amount) = amount",
    "modulo(amount, 10) = 0 and amount > 5",
    "amount in (10, 33.33)", "balance in (0, [10..20], null)", "amount in ([0..5], > 100)",
    'booking date in (@"2026-03-31", @"2026-03-01")', "abs(balance) > 10", "even(amount)",
    "unusual", "not(unusual)", "unusual = null", "after trial", "largest before > 20",
)  # fmt: skip


class Maker:
    """Generates expressions of a type, with less depth left at each level."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.loops = 0

    def pick(self, *options: Any) -> Any:
        """Return one of the options."""
        return options[self.random.randrange(len(options))]

    # -- rows --------------------------------------------------------------------------------

    def predicate(self, depth: int) -> str:
        """Return a condition of a filter over transactions."""
        if depth > 0 and self.random.random() < 0.4:
            left, right = self.predicate(depth - 1), self.predicate(depth - 1)
            return str(self.pick(f"{left} and {right}", f"({left} or {right})", f"not({left})"))
        kind = self.random.randrange(7)
        if kind == 0:
            return f'category {self.pick("=", "!=")} "{self.pick(*TEXTS)}"'
        if kind == 1:
            return f"merchant {self.pick('=', '!=')} {self.pick('null', *map(repr_, TEXTS))}"
        if kind == 2:
            return f"amount {self.pick('<', '<=', '>', '>=', '=', '!=')} {self.pick(*NUMBERS)}"
        if kind <= 4:
            return f"booking date {self.pick('<', '<=', '>', '>=', '=')} {self.pick(*DATES)}"
        return str(self.pick(*PREDICATES))

    def rows(self, depth: int = 1) -> str:
        """Return a list of transactions."""
        name = str(self.pick(*COLLECTIONS))
        if self.random.random() < 0.15:
            return name
        filtered = f"{name}[{self.predicate(depth)}]"
        return f"{filtered}[{self.predicate(0)}]" if self.random.random() < 0.1 else filtered

    def series(self, depth: int) -> str:
        """Return a list of numbers."""
        kind = self.random.randrange(9)
        if kind == 0:
            field = self.pick(
                "balance", "forecast", "forecast low", "forecast high", "shortfall chance"
            )
            return f"accounts[{self.account_predicate()}].{field}"
        if kind == 8:
            field = self.pick("amount", "monthly amount", "change", "times", "previous amount")
            return f"{self.streams()}.{field}"
        if kind == 1:
            return f"{self.rows(depth)}.balance"
        if kind == 2:
            body = self.pick(
                "t.amount * 2", "-t.amount", "t.amount - 5", "1", "t.amount / 4", "0.1 * t.amount",
                "t.balance", "2 * (t.amount + 1)",
            )  # fmt: skip
            return f"for t in {self.rows(depth)} return {body}"
        return f"{self.rows(depth)}.amount"

    def account_predicate(self) -> str:
        """Return a condition of a filter over accounts."""
        return str(
            self.pick(
                'type = "current"', "balance != null", "balance < 0", "credit limit > 100",
                'opened < @"2020-01-01"', 'type = "savings" and balance > 10', "name = null",
                "credit limit in (0, 100)", 'opened in (@"1997-05-19", @"2022-01-08")',
                "floor(balance) = balance", "opened.year = 2022", "forecast < 0",
                "forecast low != null", "pay day > today()", "forecast high > balance",
            )
        )  # fmt: skip

    def streams(self) -> str:
        """Return a list of bills, subscriptions or incomes."""
        name = str(self.pick("bills", "subscriptions", "incomes"))
        if self.random.random() < 0.2:
            return name
        asked = self.pick(
            "amount > 10", "change > 0", "change != 0", 'state = "mature"', 'state != "stopped"',
            "next date > today()", 'last date > today() - @"P30D"', 'cadence = "monthly"',
            "times >= 3", "confidence > 0.5", f"payee = {repr_(self.pick(*TEXTS))}",
            "category != null", "window days < 3", "monthly amount in [1..100]", "duplicate",
            "not(duplicate)", 'state = "early" and first date > today() - @"P75D"',
        )  # fmt: skip
        return f"{name}[{asked}]"

    # -- values ------------------------------------------------------------------------------

    def number(self, depth: int) -> str:
        """Return a number, or null."""
        kind = self.random.randrange(20 if depth > 0 else 9)
        match kind:
            case 0 | 1:
                return str(self.pick(*NUMBERS))
            case 2 | 3:
                function = self.pick("sum", "total", "mean", "min", "max", "median", "average")
                return f"{function}({self.series(1)})"
            case 4:
                own = f"accounts[{self.account_predicate()}]"
                return f"count({self.pick(self.rows(), own, self.streams())})"
            case 5:
                place = self.pick("1", "-1", "-2", "2", "3", "-3")
                return f"{self.rows()}[{place}].{self.pick('amount', 'amount', 'balance')}"
            case 6:
                name = self.pick(
                    "birth year", "income", "ratio", "household size", "history days",
                    "unusual spending", "usual spending",
                )  # fmt: skip
                return f"customer.{name}"
            case 7:
                field = self.pick(
                    "merchant", "category", "booking date", "amount", "text", "account type",
                    "own transfer", "balance", "account",
                )  # fmt: skip
                return f"count(distinct values({self.rows()}.{field}))"
            case 8:
                return str(
                    self.pick(
                        "customer.joined.year", "(today() - customer.joined).days",
                        "years and months duration(customer.joined, today()).years",
                        "string length(customer.tier)",
                        f"largest({self.rows()}).amount", f"smallest({self.rows()}).amount",
                        f"{self.rows()}[-1].booking date.month",
                        "count(distinct values(accounts.opened))", "accounts[1].opened.year",
                        "count(distinct values(accounts.type))", "accounts[-1].credit limit",
                        "count(distinct values(accounts.credit limit))",
                        "count(distinct values(accounts.name))", "median(accounts.balance)",
                        f"count(accounts[{self.account_predicate()}])",
                    )
                )  # fmt: skip
            case 9 | 10 | 11 | 12 | 13:
                symbol = self.pick("+", "-", "*", "/", "*", "/")
                return f"({self.number(depth - 1)} {symbol} {self.number(depth - 1)})"
            case 14:
                condition = self.condition(depth - 1)
                return (
                    f"(if {condition} then {self.number(depth - 1)} else {self.number(depth - 1)})"
                )
            case 15:
                both = f"{self.number(depth - 1)}, {self.number(depth - 1)}"
                return f"{self.pick('min', 'max', 'percentage')}({both})"
            case 16:
                low, high = self.pick(*NUMBERS), self.pick(*NUMBERS)
                return f"clamp({self.number(depth - 1)}, {low}, {high})"
            case 17:
                function = self.pick("floor", "ceiling", "abs")
                return f"{function}({self.number(depth - 1)})"
            case 18:
                function = self.pick("decimal", "round half up", "round up", "round down", "floor")
                return f"{function}({self.number(depth - 1)}, {self.pick('0', '1', '2', '-1')})"
            case _:
                return f"-{self.number(depth - 1)}"

    def condition(self, depth: int) -> str:
        """Return an expression that is true, false or null."""
        if depth > 0 and self.random.random() < 0.45:
            left, right = self.condition(depth - 1), self.condition(depth - 1)
            return str(self.pick(f"({left} and {right})", f"({left} or {right})", f"not({left})"))
        kind = self.random.randrange(10)
        match kind:
            case 0 | 1 | 2 | 3:
                symbol = self.pick("<", "<=", ">", ">=", "=", "!=")
                return f"{self.number(depth)} {symbol} {self.number(depth)}"
            case 4:
                loop = self.pick("some", "every")
                name = self.pick(
                    "t.amount > 10", 't.category = "food"', "t.balance < 0", "t.balance = null"
                )
                return f"{loop} t in {self.rows()} satisfies {name}"
            case 5:
                return f"{self.number(depth)} between {self.number(0)} and {self.number(0)}"
            case 6:
                tests = self.pick("[0..100]", "(1, 2, 10)", "(>= 50)", "]0..10[")
                return f"{self.number(depth)} in {tests}"
            case 7:
                return str(
                    self.pick(
                        f'{self.rows()}[-1].merchant = "{self.pick(*TEXTS)}"',
                        f"{self.rows()}[1] = null", f"{self.rows()}[-2] != null",
                        f"{self.rows()}[-1].merchant = {self.rows()}[-2].merchant",
                        f"{self.rows()}[-1].booking date > {self.pick(*DATES)}",
                        f'largest({self.rows()}).category = "{self.pick(*TEXTS)}"',
                        f"max({self.rows()}.booking date) < {self.pick(*DATES)}",
                    )
                )  # fmt: skip
            case 8:
                return str(
                    self.pick(
                        "customer.keen", 'customer.tier = "food"', 'accounts[1].type = "current"',
                        "some a in accounts satisfies a.balance < 0", "accounts[-1].name = null",
                        "customer.tier = null",
                        f"customer.joined < {self.pick(*DATES)}",
                        'customer.country in ("GB", "FR")',
                        'today() - customer.joined > @"P90D"', "customer.joined.month = 3",
                        'customer.joined + @"P30D" > today()', "customer.keen = null",
                        'contains(customer.tier, "o")', "odd(customer.history days)",
                        "customer.income in (100, 1000)",
                        f"{self.streams()}[1].payee = {repr_(self.pick(*TEXTS))}",
                        f"{self.streams()}[-1].next date > today()",
                        f"some s in {self.streams()} satisfies s.change > 0",
                        f"max({self.streams()}.last date) > {self.pick(*DATES)}",
                    )
                )  # fmt: skip
            case _:
                return f"{self.number(depth)} {self.pick('=', '!=')} null"

    def value(self) -> str:
        """Return an expression of any type that a message can show."""
        return str(
            self.pick(
                self.number(1), self.number(2), self.number(1), self.condition(0),
                f"{self.rows()}[-1].merchant", f"{self.rows()}[1].booking date",
                f"largest({self.rows()}).text", "customer.joined", "customer.tier",
                "customer.unusual category",
                f"{self.rows()}[1]",
            )
        )  # fmt: skip

    def rule(self, name: str) -> Rule:
        """Return a random rule."""
        return Rule(
            name,
            "tip",
            name,
            self.condition(2),
            self.number(2),
            Message("x", "x"),
            {f"v{i}": self.value() for i in range(self.random.randrange(3))},
            minimum_history_days=self.pick(0, 0, 0, 30),
        )


def repr_(text: str) -> str:
    """Return a text as a FEEL literal."""
    return f'"{text}"'


def facts(random: Random, customers: int, most_rows: int) -> FactBatch:
    """Return facts of some customers, with many edge cases."""
    pick: Callable[..., Any] = Maker(random).pick
    currencies = pick(("GBP",), ("GBP",), ("GBP", "JPY", "KWD"))
    tables: dict[str, list[dict[str, Any]]] = {"customers": [], "accounts": [], "transactions": []}
    today = day(AS_OF)
    for index in range(customers):
        identifier = f"c{index:03d}"
        tables["customers"].append(
            {
                "id": identifier,
                "currency": pick(*currencies),
                "country": pick("GB", "FR", None),
                "birth year": pick(1950, 2000, 2026, None),
                "household size": pick(1, 2, None),
                "income": pick(0, 100, 1000, 123456, None),
                "ratio": pick(0, 1, 10, 33, 12345, None),
                "joined": pick(today, today - 30, today - 90, 0, today + 5, None),
                "keen": pick(True, False, None),
                "tier": pick(*TEXTS, None),
            }
        )
        own = [f"{identifier}-{n}" for n in range(random.randrange(1, 4))]
        for account in own:
            tables["accounts"].append(
                {
                    "id": account,
                    "customer": identifier,
                    "type": pick("current", "savings"),
                    "name": pick(None, "mine"),
                    "opened": pick(None, 10_000, 19_000),
                    "credit limit": pick(None, 0, 10_000, 10_001),
                }
            )
        for number in range(_many(random, most_rows)):
            tables["transactions"].append(
                _transaction(random, pick, f"{identifier}-t{number}", number, own, today)
            )
        for stream in range(random.randrange(3) if most_rows > 2 else 0):
            one = _transaction(random, pick, "", 0, own, today)
            one |= {"own transfer": False, "type": pick("card", "direct debit", "salary", None)}
            every, rise = pick(7, 14, 28, 30, 31, 61, 91), pick(0, 0, 100, -5)
            for number in range(random.randrange(2, 7)):
                again = {
                    "id": f"{identifier}-s{stream}-{number}",
                    "sequence": 10_000 + number,
                    "booking date": today - 3 - every * number - pick(0, 0, 0, 1),
                    "amount": one["amount"] + rise * (number > 2),
                }
                tables["transactions"].append(one | again)
    frames = {name: frame(name, rows, SCHEMA) for name, rows in tables.items()}
    return batch_from(ordered(coded(frames, SCHEMA)), SCHEMA)


def _many(random: Random, most: int) -> int:
    return int(random.choice((0, 1, 2, 5, most // 2, most)))


def _transaction(
    random: Random,
    pick: Callable[..., Any],
    identifier: str,
    number: int,
    accounts: list[str],
    today: int,
) -> dict[str, Any]:
    usual = (0, 1, -1, 1000, -1000, 10_000, -10_000, 11_000, -11_000, -3333, 3333, -5000, 999, -10)
    size = random.random()
    amount = pick(*usual)
    if size < 0.01:
        amount = pick(2**62, -(2**62), 10**10, -(10**10) - 1, 2**53 + 1)
    elif size < 0.4:
        amount = random.randrange(-20_000, 20_000)
    days = pick(0, 1, 29, 30, 31, 59, 89, 90, 91, 120, 364, 365, 366, 400, -1, -40, 2, 3)
    if random.random() < 0.4:
        days = random.randrange(0, 100)
    return {
        "id": identifier,
        "sequence": number,
        "account": pick(*accounts),
        "booking date": today - days,
        "amount": amount,
        "own transfer": random.random() < 0.1,
        "category": pick(*TEXTS, None),
        "merchant": pick(*TEXTS, None, None),
        "type": pick("card", "cash", None),
        "text": pick(*TEXTS, None),
        "country": pick("GB", "FR", None),
        "balance": pick(None, 0, -1, 10_000, random.randrange(-50_000, 50_000)),
    }
