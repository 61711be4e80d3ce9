"""A proposed mapping, and its text as a file for editing."""

from typing import NamedTuple

import msgspec

from tuppence.bankdata.evidence import Question
from tuppence.bankdata.mapping import TableMapping
from tuppence.structured import to_yaml


class Proposal(NamedTuple):
    """A mapping for a file, with what is not certain about it.

    Attributes:
        mapping: The mapping; incomplete where there are questions.
        origin: The origin of the mapping, as a sentence for people.
        questions: Questions to be answered before the file can be imported.
        doubts: Sentences about what a person should look at.
    """

    mapping: TableMapping
    origin: str
    questions: tuple[Question, ...]
    doubts: tuple[str, ...]


def mapping_text(proposal: Proposal) -> str:
    """Return the text of a mapping file; comments say what has to be decided in it."""
    lines = [f"# {proposal.origin[0].upper()}{proposal.origin[1:]}."]
    for question in proposal.questions:
        choices = f" One of: {', '.join(question.choices)}." if question.choices else ""
        lines.append(f"# To decide: {question.key}. {question.text}{choices}")
    lines += [f"# To check: {doubt}." for doubt in proposal.doubts]
    plain = msgspec.to_builtins(proposal.mapping)
    return "\n".join(" ".join(line.split()) for line in lines) + "\n" + to_yaml(plain)
