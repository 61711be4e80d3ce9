"""Checks a definition as its author wrote it, in a file or in the database."""

from collections.abc import Callable, Iterable

from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule, Finding, check_rule
from tuppence.rules.definition import Definition, rule_of
from tuppence.rules.domain import Definitions
from tuppence.rules.form_checking import form_findings

Examine = Callable[[Definition, CheckedRule], Iterable[Finding]]
"""Finds more about a rule that has no errors, from what the language does not know."""


def check_definition(
    definition: Definition, schema: Schema, functions: Definitions, examine: Examine
) -> tuple[CheckedRule, list[Finding]]:
    """Translate a definition to FEEL, and check everything in it.

    Args:
        definition: The definition.
        schema: Schema of the facts.
        functions: The domain functions.
        examine: Finds more about a rule without errors.

    Returns:
        The checked rule, which must not be used if a finding is an error, and the findings.

    Raises:
        UserError: The definition cannot be translated.
    """
    checked, findings = check_rule(rule_of(definition, schema), schema, functions)
    in_form = list(form_findings(definition, schema))
    forms = {finding.place[:1] for finding in in_form}
    findings = in_form + [one for one in findings if one.place[:1] not in forms]
    if all(finding.diagnostic.warning for finding in findings):
        findings += examine(definition, checked)
    return checked, findings
