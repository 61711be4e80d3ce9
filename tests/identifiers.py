"""Generated texts around the edges of what an identifier may be."""

from typing import Final

from hypothesis import strategies as st

from tuppence.facts.identifiers import MAX_LENGTH

HIDDEN: Final = (
    *((0, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F)),
    *((0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F)),
)
BLANKS: Final = (
    *((0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F)),
    *((0x205F, 0x205F), (0x3000, 0x3000)),
)
ODD: Final = "".join(
    chr(code)
    for first, last in (*HIDDEN, *BLANKS)
    for code in (max(first - 1, 0), first, last, last + 1)
)
"""The first and last character of each range of the rule, and those beside them."""
EDGES: Final = [text for odd in ODD for text in (f"x{odd}x", f"{odd}x", f"x{odd}")]


def texts() -> st.SearchStrategy[str]:
    """Texts around the edges of the rule, without surrogates."""
    short = st.text(
        st.sampled_from(ODD + "\U0001f600\u0301 ab/.-é") | st.characters(codec="utf-8"), max_size=4
    )
    visible = st.text(st.sampled_from("abc 1"), max_size=3).map(lambda text: f"x{text}x")
    middle = st.builds(lambda a, b, c: a + b + c, st.just("x"), short, st.just("x"))
    long = st.sampled_from([MAX_LENGTH - 1, MAX_LENGTH, MAX_LENGTH + 1]).map(
        lambda count: "é" * count
    )
    return short | middle | visible | long
