"""Merchants and categories found in banks' descriptions."""

from importlib.resources import files

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.building import frame
from tests.conftest import Report
from training.categories import train
from training.texts import held_out, rows, statements

from tuppence.bankdata import enrichment
from tuppence.bankdata.categories import CATEGORIES, INCOMING
from tuppence.bankdata.enrichment.brands import Brands
from tuppence.bankdata.enrichment.descriptors import descriptor_of
from tuppence.bankdata.enrichment.enricher import MIN_CONFIDENCE, Enricher, Evidence
from tuppence.bankdata.enrichment.model import shipped_model

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
    assert descriptor_of(text) == (tuple(words.split()), lead)


@pytest.mark.parametrize(
    ("text", "name", "confidence"),
    [
        ("TESCO STORES 2041 LONDON GB", "Tesco", 0.97),
        ("TESCO PFS 3372", "Tesco Fuel", 0.97),
        ("SAINSBURYS S/MKTS BRIXTON", "Sainsbury's", 0.85),
        ("MARKS AND SPENCER SIM", "Marks & Spencer", 0.95),
        ("MARKSANDSPENCER", "Marks & Spencer", 0.97),
        ("DIRECT DEBIT DIRECT LINE INS", "Direct Line", 0.97),
        ("APPLE.COM/BILL", "Apple Services", 0.97),
        ("UBER *EATS HELP.UBER.COM", "Uber Eats", 0.95),
        ("BP LEEDS", "BP", 0.97),
        ("PIZZAEXPRES", "PizzaExpress", 0.75),
        ("LUNCH AT NANDOS", "Nando's", 0.0),
        ("CORAL REEF TATTOO", None, 0.0),
        ("Next month rent", None, 0.0),
        ("XQWZ 12", None, 0.0),
        ("", None, 0.0),
    ],
)
def test_brands_are_found_in_descriptions(text: str, name: str | None, confidence: float) -> None:
    found = Brands().find(descriptor_of(text))
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


@given(st.text(max_size=40) | st.sampled_from(rows()).map(lambda row: row.text), st.data())
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
    by_code: Row = {"category": "household", "category confidence": 95}
    made: list[Row] = [sure | {"merchant confidence": 100}, banks, by_code, {"text": None}]
    table = frame("transactions", [{"id": str(n), **given, **row} for n, row in enumerate(made)])
    names = ("merchant", "merchant confidence", "category", "category confidence")
    assert enricher.enriched(table).select(names).rows() == [
        ("My shop", 100, "gifts", 100),
        ("Tesco", 97, "groceries", 82),
        ("Tesco", 97, "household", 95),
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
    model, allowed = shipped_model(), CATEGORIES - INCOMING
    examined = held_out()
    assert not {row.source for row in examined} & {row.source for row in rows()}
    said = [(row, *model.category(descriptor_of(row.text), allowed)) for row in examined]
    sure = [
        (row, category)
        for row, category, share in said
        if category and share >= MIN_CONFIDENCE / 100
    ]
    right = sum(category in row.categories for row, category in sure) / len(sure)
    report("right", right)
    assert len(sure) > 0.15 * len(examined)
    assert right > 0.78


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
    few = [row for row in rows() if row.categories <= {"energy", "water", "gambling"}]
    model = train(few)
    assert set(model.classes) == {"energy", "water", "gambling"}
    for text, category in (("WATER BILL 12", "water"), ("ONLINE CASINO", "gambling")):
        assert model.category(descriptor_of(text), CATEGORIES)[0] == category
    assert msgspec.json.encode(model) == msgspec.json.encode(train(few))


def test_the_list_of_brands_includes_its_licence() -> None:
    licence = (files(enrichment) / "brands_gb.LICENSE.md").read_text()
    assert "name-suggestion-index contributors" in licence
