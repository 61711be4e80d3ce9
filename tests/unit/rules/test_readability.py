"""Checks the age from which a message can be read."""

from tuppence.rules.readability import reading_age


def test_the_index_is_that_of_its_formula() -> None:
    # 9 words of 33 letters in 1 sentence: 4.71 × 33/9 + 0.5 × 9 - 21.43 is about 0
    assert reading_age("You paid bank fees of £12.50 for a long time.") == 5
    # 6 words of 38 letters in 1 sentence: 4.71 × 38/6 + 0.5 × 6 - 21.43 is about 11
    assert reading_age("Overdraft charges became smaller last month") == 16
    assert reading_age("Arranging overdrafts necessitates administrative documentation costs") == 18


def test_sentences_end_at_marks_and_amounts_are_no_words() -> None:
    words = "the bank fees got less "
    one, five = words * 4, (words.strip() + ". ") * 4
    assert (reading_age(one), reading_age(five)) == (11, 5)
    assert reading_age("£12.50, 3.4.2026") is None
    assert reading_age("") is None
