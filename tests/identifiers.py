"""Generated texts around the edges of what an identifier may be."""

from typing import Final

from hypothesis import strategies as st

from tuppence.facts.identifiers import LONGEST

ODD: Final = (
    "\x00\x01\t\n\x1b\x1f\x7f\x85\x9f\xa0\xad\u061c\u1680\u180e\u2000\u200b\u200f\u2028\u202e\u202f"
    "\u205f\u2060\u2066\u206f\u3000\ufeff\ufff9\U000e0001\U000e007f\U0001f600\u0301 ab/.-é"
)


def texts() -> st.SearchStrategy[str]:
    """Texts around the edges of the rule, without surrogates."""
    short = st.text(st.sampled_from(ODD) | st.characters(codec="utf-8"), max_size=4)
    visible = st.text(st.sampled_from("abc 1"), max_size=3).map(lambda text: f"x{text}x")
    middle = st.builds(lambda a, b, c: a + b + c, st.just("x"), short, st.just("x"))
    long = st.sampled_from([LONGEST - 1, LONGEST, LONGEST + 1]).map(lambda count: "é" * count)
    return short | middle | visible | long
