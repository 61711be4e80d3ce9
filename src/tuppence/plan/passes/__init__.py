"""The passes from checked rules to a plan for columns, each a pure function in its own module.

lower    expressions     -> steps over columns, rule by rule
share    steps           -> features, attributes and constants, each listed once for all rules
lay_out  features        -> accumulators and dimensions, table by table
emit     steps           -> instructions over registers
"""

from collections.abc import Sequence

from tuppence.feel.values import Date
from tuppence.plan.columns import ColumnPlan
from tuppence.plan.model import Model
from tuppence.plan.passes.emit import emit
from tuppence.plan.passes.lay_out import lay_out
from tuppence.plan.passes.lower import lower
from tuppence.plan.passes.share import share
from tuppence.rules.checking import CheckedRule

__all__ = ["column_plan"]


def column_plan(
    rules: Sequence[CheckedRule], model: Model, as_of: Date, previous: ColumnPlan | None = None
) -> ColumnPlan:
    """Plan rules for columns; what does not fit is recorded with each rule.

    Args:
        rules: The rules, in the order of the results.
        model: The facts that rules may read.
        as_of: The date that `today()` gives.
        previous: An earlier plan; rules that it holds are not lowered again where it is for the
            same facts and the same date.
    """
    lowered = lower(rules, model, as_of, previous)
    inputs = share(lowered)
    tables = lay_out(inputs.features, model)
    program = emit(lowered, inputs, tables)
    return ColumnPlan(as_of, model, lowered, inputs, tables, program)
