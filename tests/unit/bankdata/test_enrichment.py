"""Merchants and categories found in banks' descriptions."""

from collections import Counter
from importlib.resources import files
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import frame
from tests.conftest import Report
from training.categories import Outcome, levels_of, train
from training.texts import calibration, held_out, rows, statements

from tuppence.bankdata import enrichment
from tuppence.bankdata.categories import CATEGORIES, INCOMING
from tuppence.bankdata.enrichment.brands import shipped_brands
from tuppence.bankdata.enrichment.descriptors import descriptor_of, without_town
from tuppence.bankdata.enrichment.enricher import MIN_CONFIDENCE, Enricher, Evidence
from tuppence.bankdata.enrichment.model import Model, shipped_model
from tuppence.bankdata.enrichment.trades import only_trade, trade_at_end

Row = dict[str, object]
TYPES = (None, "card", "cash", "direct debit", "fee", "interest", "salary", "transfer")


@pytest.fixture(scope="module")
def enricher() -> Enricher:
    return Enricher()


@pytest.fixture(scope="module")
def another() -> Enricher:
    return Enricher()


@pytest.mark.parametrize(
    ("text", "words", "lead"),
    [
        ("LITTLE OAK NURSERY FEB REF AXQ", "little oak nursery feb", 0),
        ("CARD PAYMENT TO TESCO STORES 2041 GB", "card payment to tesco stores 2041 gb", 3),
        ("SQ *BEAN YARD", "bean yard", 0),
        ("PAYPAL *SPOTIFY 353143", "spotify 353143", 0),
        ("Marks&Spencer plc", "marks and spencer plc", 0),
        ("McDonald’s", "mcdonalds", 0),
        ("CAFFÈ NERO", "caffe nero", 0),
        ("ZETTLE_*THE CRUST CLUB", "the crust club", 1),
        ("", "", 0),
        ("*** 12/34 ***", "12 34", 0),
    ],
)
def test_descriptions_are_split_into_words(text: str, words: str, lead: int) -> None:
    assert descriptor_of(text)[:2] == (tuple(words.split()), lead)


@pytest.mark.parametrize(
    ("text", "name", "confidence"),
    [
        ("TESCO STORES 2041 LONDON GB", "Tesco", 0.98),
        ("TESCO PFS 3372", "Tesco Fuel", 0.98),
        ("SAINSBURYS S/MKTS BRIXTON", "Sainsbury's", 0.98),
        ("MARKS AND SPENCER SIM", "Marks & Spencer", 0.9),
        ("MARKSANDSPENCER", "Marks & Spencer", 0.98),
        ("DIRECT DEBIT DIRECT LINE INS", "Direct Line", 0.98),
        ("APPLE.COM/BILL", "Apple Services", 0.98),
        ("UBER *EATS HELP.UBER.COM", "Uber Eats", 0.9),
        ("BP LEEDS", "BP", 0.98),
        ("PIZZAEXPRES", "PizzaExpress", 0.85),
        ("LUNCH AT NANDOS", "Nando's", 0.0),
        ("CORAL REEF TATTOO", None, 0.0),
        ("Next month rent", None, 0.0),
        ("XQWZ 12", None, 0.0),
        ("", None, 0.0),
    ],
)
def test_brands_are_found_in_descriptions(text: str, name: str | None, confidence: float) -> None:
    found = shipped_brands().find(descriptor_of(text))
    if not confidence:
        assert found is None
    else:
        assert found is not None
        assert (found.name, found.confidence) == (name, confidence)


@pytest.mark.parametrize(
    ("text", "type_", "is_payment", "category"),
    [
        ("TESCO STORES 2041", "card", True, "groceries"),
        ("TESCO STORES 2041", "card", False, "refund"),
        ("TESCO STORES 2041", "transfer", False, None),
        ("BRITISH GAS REF 1234", "direct debit", True, "energy"),
        ("GOLDEN DRAGON CHINESE RESTAURANT", "card", True, "eating out"),
        ("PARK DENTAL PRACTICE", "card", True, "health"),
        ("LEEDS CITY COUNCIL", "direct debit", True, "council tax"),
        ("RENT FLAT 3", "standing order", True, "housing"),
        ("MR JOHN SMITH", "transfer", True, "people"),
        ("R WILSON CINEMA", "transfer", True, "people"),
        ("MR JOHN SMITH", "transfer", False, None),
        ("MR JOHN SMITH", "card", True, None),
        ("Paul", "transfer", True, None),
        ("ACME LTD SALARY", "transfer", False, "income"),
        ("HMRC CHILD BENEFIT", None, False, "benefits"),
        ("LNK HIGH STREET", "cash", True, "cash"),
        ("GROSS INTEREST", "interest", False, "interest"),
        ("ARRANGED OVERDRAFT", "interest", True, "bank fee"),
        ("XQWZ 1234", "card", True, None),
        (None, "card", True, None),
    ],
)
def test_categories(
    enricher: Enricher, text: str | None, type_: str | None, is_payment: bool, category: str | None
) -> None:
    assert enricher.find(Evidence(text, None, type_, is_payment)).category == category


@pytest.mark.parametrize(
    ("text", "merchant", "category"),
    [
        # Fuel comes before the shop beside it.
        ("SHELL LEEDS", "Shell", "transport"),
        ("ESSO HARROGATE RD", "Esso", "transport"),
        ("TEXACO STOCKPORT", "Texaco", "transport"),
        ("ASDA PETROL 4477", "Asda Fuel", "transport"),
        ("WM MORRISONS PETRO", "Morrisons Fuel", "transport"),
        ("BP HIGHFIELD CONVENIENCE", "BP", None),
        ("TESCO STORES 2041", "Tesco", "groceries"),
        # Short brands are followed by a town, which may be cut short.
        ("BP MIDDLESBR", "BP", "transport"),
        ("KFC STOKE-ON-TRENT", "KFC", "eating out"),
        ("EE BIRMINGHAM", "EE", "mobile"),
        ("H&M OXFORD ST", "H&M", "clothing"),
        ("SUBWAY MILTON KEYNES", "Subway", "eating out"),
        # A brand's name may be the beginning of another name.
        ("TESCO BANK LOAN", "Tesco Bank Loan", None),
        ("NEXT LEVEL JOINERY", "Next Level Joinery", None),
        ("COSTA BLANCA APARTMENTS", "Costa Blanca Apartments", None),
        ("WALLIS SEEDS", "Wallis Seeds", None),
        ("BOOTS AND SADDLERY", "Boots Saddlery", None),
        ("THREE TUNS PUB", "Three Tuns Pub", "eating out"),
        ("SUBWAY FARE NYC", "Subway Fare", "transport"),
        ("CORAL REEF AQUATICS", "Coral Reef Aquatics", None),
        ("SAINSBURYS CASH", "Sainsburys Cash", None),
        # Wallets and processors are looked through.
        ("APPLE PAY: ZARA OXFORD ST", "Zara", "clothing"),
        ("GOOGLE PAY GREGGS 0042", "Greggs", "eating out"),
        ("SAMSUNG PAY ODEON", "Odeon", "entertainment"),
        ("CRV*LIDL GB LEEDS", "Lidl", "groceries"),
        ("PAYPAL *NETFLIX.COM", "Netflix", "subscriptions"),
        ("PAYPAL SPOTIFY", "Spotify", "subscriptions"),
        ("SUMUP *LAMBS RESTAURANT", "Lambs Restaurant", "eating out"),
        ("SUMUP LAMBS RESTAURANT", "Lambs Restaurant", "eating out"),
        ("ZETTLE_*OLD MILL CAFE", "Old Mill Cafe", "eating out"),
        ("SQ *HARBOUR HOTEL", "Harbour Hotel", "travel"),
        ("APPLE PAY", None, None),
        ("GOOGLE PAY", None, None),
        # What is left of the name of a marketplace says nothing.
        ("PAYPAL *CAFE SUPPLIER", "Cafe Supplier", None),
        ("PAYPAL FASHION BOUTIQUE", "Fashion Boutique", None),
        ("AMZNMKTPLACE RESTAURANT", "Amazon", None),
        ("AMZN MKTP UK*2K4JQ0XX4", "Amazon", None),
        ("EBAY O*12-34567-89012", "eBay", None),
        ("ETSY.COM - JEWELLERY", "Etsy", None),
        # Repayments and savings are not spending.
        ("BARCLAYCARD", "Barclaycard", None),
        ("AMEX PAYMENT", "American Express", None),
        ("LOAN REPAYMENT HOTEL", "Loan Repayment Hotel", None),
        ("SAVINGS POT HOLIDAY HOTEL", "Savings Pot Holiday Hotel", None),
        # Names are those that people say.
        ("ALDI 47 742", "Aldi", "groceries"),
        ("W M MORRISON PLC 115", "Morrisons", "groceries"),
        ("MARKS  SPENCER SIMPLY", "Marks & Spencer", "groceries"),
        # What banks add is not part of a name.
        ("GREGGS 0411 ON 12 JUN BCC", "Greggs", "eating out"),
        ("VIS GREGGS 0411 LEEDS GBR", "Greggs", "eating out"),
        ("CONTACTLESS CARD PAYMENT TO GREGGS", "Greggs", "eating out"),
        ("GREGGS CARD ENDING 1234 REF 2K4JQ0", "Greggs", "eating out"),
        # Other languages are refused, or understood.
        ("HAUPTSTRASSE GMBH KOELN", "Hauptstrasse Gmbh Koeln", None),
        ("FERRETERIA HIJOS DE PEREZ", "Ferreteria Hijos De Perez", None),
        ("RESTAURANTE CASA LUCIO", "Restaurante Casa Lucio", "eating out"),
        ("CASH AT NATWEST", "Cash Natwest", "cash"),
        ("CASH CONVERTERS LEEDS", "Cash Converters", None),
    ],
)  # fmt: skip
def test_payments_by_card_name_their_merchant(
    enricher: Enricher, text: str, merchant: str | None, category: str | None
) -> None:
    found = enricher.find(Evidence(text, None, "card", is_payment=True))
    assert (found.merchant, found.category) == (merchant, category)


LEARNED: Final = st.deferred(lambda: st.sampled_from([row.text for row in rows()]))


@given(st.text(max_size=40) | LEARNED, st.data())
def test_every_finding_has_a_confidence(
    enricher: Enricher, another: Enricher, text: str, data: st.DataObject
) -> None:
    evidence = Evidence(text, None, data.draw(st.sampled_from(TYPES)), data.draw(st.booleans()))
    found = enricher.find(evidence)
    assert (found.category is None) == (found.category_confidence is None)
    assert (found.merchant is None) == (found.merchant_confidence is None)
    if found.category is not None:
        assert found.category in CATEGORIES
        assert (found.category in INCOMING) != evidence.is_payment
        assert MIN_CONFIDENCE <= (found.category_confidence or 0) <= 100
    assert found == another.find(evidence)


def test_certain_fields_stay_and_others_take_the_higher_confidence(enricher: Enricher) -> None:
    given: Row = {"account": "a", "amount": -100, "type": "card", "text": "TESCO STORES 2041"}
    sure: Row = {"category": "gifts", "category confidence": 100, "merchant": "My shop"}
    banks: Row = {"merchant": "TESCO STORES", "merchant confidence": 90}
    by_code: Row = {"category": "household", "category confidence": 98}
    made: list[Row] = [sure | {"merchant confidence": 100}, banks, by_code, {"text": None}]
    table = frame("transactions", [{"id": str(n), **given, **row} for n, row in enumerate(made)])
    names = ("merchant", "merchant confidence", "category", "category confidence")
    assert enricher.enriched(table).select(names).rows() == [
        ("My shop", 100, "gifts", 100),
        ("Tesco", 98, "groceries", 97),
        ("Tesco", 98, "household", 98),
        (None, None, None, None),
    ]


def test_enrichment_keeps_the_order_and_other_columns(enricher: Enricher) -> None:
    given = {"account": "a", "amount": -100, "type": "card"}
    table = frame(
        "transactions", [{"id": f"{n}", **given, "text": f"GREGGS {n % 7}"} for n in range(500)]
    )
    found = enricher.enriched(table)
    assert found.columns == table.columns
    assert found["id"].equals(table["id"])
    assert found["merchant"].unique().to_list() == ["Greggs"]
    assert enricher.enriched(found).equals(found)
    assert enricher.enriched(table.clear()).height == 0


def test_the_model_is_accurate_on_unseen_brands(report: Report) -> None:
    model, allowed = shipped_model(), CATEGORIES - INCOMING - {"people"}
    examined = held_out()
    learned = {row.source for row in rows()} | {evidence.text for evidence, _ in calibration()}
    assert not {row.source for row in examined} & learned
    said = [(row, model.category(descriptor_of(row.text), allowed)[0]) for row in examined]
    answered = [(row, category) for row, category in said if category]
    right = sum(category == row.category for row, category in answered) / len(answered)
    report("right", right)
    report("answered", len(answered) / len(examined))
    assert right >= 0.97
    assert len(answered) > 0.12 * len(examined)
    given = Counter(category for _, category in answered)
    hits = Counter(category for row, category in answered if category == row.category)
    assert [name for name, count in given.items() if hits[name] < 0.95 * count] == []


def test_a_class_answers_from_the_least_lead_that_proves_its_precision() -> None:
    def outcomes(first: int, count: int, *, is_right: bool) -> list[Outcome]:
        return [Outcome("energy", first + n, is_right, weight=3) for n in range(count)]

    right, wrong = outcomes(100, 60, is_right=True), outcomes(0, 40, is_right=False)
    ((least, confidence), *_) = levels_of(wrong + right)
    assert least == 39  # with one wrong answer the lower limit is 0.963, with two 0.943
    assert confidence == 97
    assert levels_of(wrong) == ()
    assert levels_of(right[:13]) == ()  # their limit is 0.948
    assert levels_of(right[:14]) != ()


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("LONDON CITY AIRPORT PARKING", "transport"),
        ("STATION PARKING 0042 LEEDS", "transport"),
        ("AIRPORT PARKING CAFE", None),  # another trade follows
        ("SUNNY DRIVING SCHOOL", None),
    ],
)
def test_words_for_a_trade_at_the_end_name_it(text: str, category: str | None) -> None:
    words = text.lower().split()
    assert trade_at_end(without_town([w for w in words if not w.isdigit()])) == category


@pytest.mark.parametrize(
    ("text", "category"),
    [("rent", "housing"), ("monthly rent", "housing"), ("rent smith", None), ("", None),
     ("rent parking", None)],
)  # fmt: skip
def test_words_for_one_trade_only_name_it(text: str, category: str | None) -> None:
    assert only_trade(text.split()) == category


def test_a_model_is_silent_below_the_least_lead() -> None:
    model = Model(
        ("", "energy"), (0, 0), {"=gas": (0, 300), "=oven": (0, 100)}, {"energy": ((200, 96),)}
    )
    assert model.category(descriptor_of("gas"), CATEGORIES) == ("energy", 96)
    assert model.category(descriptor_of("oven"), CATEGORIES) == (None, 0)
    assert model.category(descriptor_of("gas"), {"water"}) == (None, 0)


def test_enrichment_is_accurate_on_statements_written_by_hand(
    enricher: Enricher, report: Report
) -> None:
    found = [(enricher.find(evidence).category, truth) for evidence, truth in statements()]
    right = sum(category == truth for category, truth in found if category)
    answered = sum(category is not None for category, _ in found)
    report("right", right / answered)
    report("found", right / sum(truth != "" for _, truth in found))
    assert right >= 0.97 * answered
    assert right >= 0.85 * sum(truth != "" for _, truth in found)


def test_training_reproduces_a_simple_labelled_set() -> None:
    few = [row for row in rows() if row.category in {"energy", "water", "gambling"}]
    model = train(few)
    assert set(model.classes) == {"energy", "water", "gambling"}
    for text, category in (("WATER BILL 12", "water"), ("ONLINE CASINO", "gambling")):
        assert model.lead(descriptor_of(text), CATEGORIES)[0] == category
    assert msgspec.json.encode(model) == msgspec.json.encode(train(few))


def test_lists_of_others_include_their_licences() -> None:
    for name, owner in (("brands", "name-suggestion-index contributors"), ("places", "GeoNames")):
        assert owner in (files(enrichment) / f"{name}.LICENSE.md").read_text()
