"""The files that people write: rules, mappings, and rows to correct."""

from collections.abc import Iterator
from typing import Final

from docs.generating.structure import choices, structure

from tuppence.adapters.channels.settings import (
    ChannelSettings,
    MailSettings,
    WebhookSettings,
)
from tuppence.feed.policy import Policy, PolicyCap, PolicyValue
from tuppence.feed.preferences import QuietHours
from tuppence.rules.definition import Criteria, Definition, Measure, Score, Term, Where
from tuppence.rules.message import FILTERS
from tuppence.rules.rule import Action, Approval, Cap, Example, FeedSettings, Message, Wording
from tuppence.rules.templates import ALLOWED, JINJA_FILTERS, MAX_ELEMENTS, MAX_OUTPUT
from tuppence.usecases.team_policy import Needed, SignIn, TeamPolicy

REJECTS: Final = """## Rows that were set aside

Imports write rows that they set aside to the folder `rejects` of the store, as CSV in UTF-8 with
commas. The columns are `row`, the row's number in the file; `reason`; the file's own columns, with
card numbers masked and identifiers that hold one replaced by tokens; and last `of customer` and
`of account`, the customer and account of the row if the import could tell them. If the file has
columns called `row` or `reason`, the added ones are called `row in file` and `reason set aside`;
the file's own `of customer` and `of account` get the suffix `in the file`.

To correct rows, edit this file and import it with `tuppence import csv` and the original mapping.
The import recognises the file by its first columns, ignores the added columns, and ignores
`delimiter` and `encoding` in the mapping. Parts of a bank's JSON are set aside with the columns
`document`, `place`, `reason` and `content`; that file is only for reading.

## CSV that is written

`tuppence results --format csv` and rows that were set aside are made to be opened in a
spreadsheet. A cell that would be a formula there, because it begins with `=`, `+`, `-`, `@`, a
tab or a line break, also behind blanks and quotation marks, gets an apostrophe before it. Numbers
such as `-12.50` stay numbers. Control characters, line breaks and characters that cannot be seen
are escapes such as `\\x1b` and `\\u202e`; JSON has `\\u001b`.

Importing a file of rejects takes that apostrophe away again, and puts the characters back in place
of their escapes. A backslash of the bank's that would begin such an escape is `\\x5c` in rejects.
"""


def files_page() -> Iterator[str]:
    """Yield the keys of the files that people write."""
    yield "# Files that people write\n\n## A rule\n"
    yield "YAML; `tuppence rules schema` prints its JSON Schema for editors.\n"
    yield from structure(Definition)
    yield "`when`, `score` and each of `values` are FEEL, or a form. [The words](words.md) lists"
    yield "kinds, communications, categories, types, and the value of a key that is omitted.\n"
    yield "### A form: rows of `when`\n"
    yield from structure(Criteria)
    yield "`is` is one of: " + ", ".join(f"`{word}`" for word in choices(Criteria, "is")) + ".\n"
    yield "### A form: a measure\n"
    yield from structure(Measure)
    measures = ", ".join(f"`{word}`" for word in choices(Measure, "measure"))
    yield f"`measure` is one of: {measures}.\n"
    yield "### A form: conditions of `where`\n"
    yield from structure(Where)
    yield "### A form: a score\n"
    yield from structure(Score)
    yield from structure(Term)
    yield "### Its message\n"
    yield "Jinja templates over the rule's values.\n"
    yield f"A template may contain {ALLOWED}.\n"
    yield (
        f"A title or a body has at most {MAX_OUTPUT:,} characters when it is filled in, and a "
        f"list at most {MAX_ELEMENTS} elements.\n"
    )
    yield from structure(Message)
    yield "### A variant of it\n"
    yield from structure(Wording)
    yield f"Filters for values in it: {', '.join(f'`{n}`' for n in (*FILTERS, *JINJA_FILTERS))}.\n"
    yield "### Its approval\n"
    yield from structure(Approval)
    yield "### Its place in feeds\n"
    yield from structure(FeedSettings)
    yield "### A cap of it\n"
    yield from structure(Cap)
    yield "### An action\n"
    yield from structure(Action)
    yield "### One of its tests\n"
    yield from structure(Example)
    yield from _feed_files()
    yield "## A mapping\n"
    yield "The meaning of the columns of a table, for `tuppence import csv`: "
    yield "[its keys](mapping.md).\n"
    yield REJECTS


def _feed_files() -> Iterator[str]:
    yield "## The policy of a feed\n"
    yield "YAML, by custom in `feed.yaml`; `tuppence rules schema --policy` prints its JSON Schema."
    yield "[How feeds are chosen](../explanation/feeds.md) explains what it decides.\n"
    yield from structure(Policy)
    yield "### One of its caps\n"
    yield from structure(PolicyCap)
    yield "### One of its values\n"
    yield from structure(PolicyValue)
    yield "### Its quiet hours\n"
    yield from structure(QuietHours)
    yield "## The team of a console\n"
    yield "YAML, by custom in `team.yaml`; `tuppence rules schema --team` prints its JSON Schema."
    yield "[Run the console for a team](../how-to/console-for-a-team.md) shows one.\n"
    yield from structure(TeamPolicy)
    yield "### Its identity provider\n"
    yield from structure(SignIn)
    yield "### Rules that need more approvals\n"
    yield from structure(Needed)
    yield "## Channels\n"
    yield "YAML, by custom in `channels.yaml`, for `tuppence deliver`:"
    yield "[how people are told what is new](../how-to/deliver-insights.md).\n"
    yield from structure(ChannelSettings)
    yield "### A webhook, or push\n"
    yield from structure(WebhookSettings)
    yield "### Mail\n"
    yield from structure(MailSettings)
