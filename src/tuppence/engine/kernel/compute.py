"""Runs a plan's program for customers, block by block.

A rule that floats cannot decide for a customer is left to the reference engine.
"""

from typing import Any, Final

from tuppence.compiled import loop, part_of_loops
from tuppence.engine.kernel import operations, outputs
from tuppence.engine.kernel.layout import Inputs, Outputs, ProgramTables, Workspace
from tuppence.plan.columns import FIRST_ATTRIBUTE_MASK
from tuppence.plan.instructions import Opcode

BLOCK: Final = 256
"""Number of customers whose registers are processed together, so that they stay in the cache."""


@loop
def compute(
    program: ProgramTables,
    inputs: Inputs,
    work: Workspace,
    out: Outputs,
    start: int,
    many: int,
    first: int,
) -> None:
    """Run the program for some customers.

    Args:
        program: The instructions.
        inputs: Values of the customers; features are of the customers from `start` on.
        work: Registers, in which constants are filled in.
        out: The results, with signatures zero on entry.
        start: The first customer.
        many: Number of customers.
        first: Index of the first customer in `out`.
    """
    features = len(inputs.features)
    for low in range(0, many, BLOCK):
        size = min(BLOCK, many - low)
        begin = start + low
        for f in range(features):
            _copy(inputs.features[f], low, size, work.registers[f])
        for n in range(len(inputs.numbers)):
            _copy(inputs.numbers[n], begin, size, work.registers[features + n])
            _copy(inputs.number_errors[n], begin, size, work.errors[1 + n])
        for c in range(len(inputs.conditions)):
            _copy(inputs.conditions[c], begin, size, work.masks[FIRST_ATTRIBUTE_MASK + c])
        _run_block(program, inputs, work, out, begin, first + low, size)


@part_of_loops
def _copy(values: Any, first: int, many: int, out: Any) -> None:
    """Copy some values, from `first` on."""
    for i in range(many):
        out[i] = values[first + i]


@part_of_loops
def _run_block(
    program: ProgramTables,
    inputs: Inputs,
    work: Workspace,
    out: Outputs,
    customer: int,
    first: int,
    many: int,
) -> None:
    """Run the program for the customers whose values are in the registers.

    Where a result is unknown or incomplete, the instructions of its rule are run a second time to
    hash what is null on the way.
    """
    work.overflowed[:many] = 0
    for g in range(len(program.overflow_guards)):
        counts = work.registers[program.overflow_guards[g]]
        for i in range(many):
            if counts[i] > 0.0:
                work.overflowed[i] = 1
    exact = len(inputs.features) - 1
    row_counts = inputs.row_counts[:, customer : customer + many]
    hashing = False
    k = 0
    while k < len(program.code):
        one = program.code[k]
        k += 1
        if one.operation < Opcode.LESS:
            _number(one, work, exact, many)
        elif one.operation < Opcode.PUT_STATE:
            _condition(one, work, exact, many)
        elif one.operation < Opcode.END_RULE:
            _put(one, program, row_counts, work, out, exact, first, many)
        else:
            states = out.states[one.target][first : first + many]
            if hashing:
                signatures = out.signatures[one.target][first : first + many]
                outputs.sign(states, work.incomplete, work.hashes, signatures, many)
                hashing = False
            elif outputs.has_gaps(states, work.incomplete, work.hashes, many):
                hashing = True
                k = program.starts[one.target]
        if hashing and one.operation < Opcode.END_RULE:
            _hash(one, work, many)


@part_of_loops
def _bound(register: int, exact: int) -> int:
    """Return the row of a register's error bounds; those up to `exact` hold features, exactly."""
    return max(register - exact, 0)


@part_of_loops
def _number(one: Any, work: Workspace, exact: int, many: int) -> None:
    """Run an instruction that computes a number."""
    operation = one.operation
    a, ea = work.registers[one.left], work.errors[_bound(one.left, exact)]
    out, eo = work.registers[one.target], work.errors[_bound(one.target, exact)]
    if operation == Opcode.ROUND:
        operations.rounded(one.right, a, out, ea, eo, many)
    elif operation == Opcode.ABSOLUTE:
        operations.absolute(a, out, ea, eo, many)
    elif operation >= Opcode.YEAR:
        operations.part_of_date(operation, a, out, ea, eo, many)
    else:
        b, eb = work.registers[one.right], work.errors[_bound(one.right, exact)]
        if operation == Opcode.ADD:
            operations.add(1.0, a, b, out, ea, eb, eo, many)
        elif operation == Opcode.SUBTRACT:
            operations.add(-1.0, a, b, out, ea, eb, eo, many)
        elif operation == Opcode.MULTIPLY:
            operations.multiply(a, b, out, ea, eb, eo, many)
        elif operation == Opcode.DIVIDE:
            operations.divide(a, b, out, ea, eb, eo, many)
        elif operation == Opcode.MINIMUM:
            operations.extreme(1.0, a, b, out, ea, eb, eo, many)
        elif operation == Opcode.MAXIMUM:
            operations.extreme(-1.0, a, b, out, ea, eb, eo, many)
        else:
            operations.select(work.masks[one.third], a, b, out, ea, eb, eo, many)


@part_of_loops
def _condition(one: Any, work: Workspace, exact: int, many: int) -> None:
    """Run an instruction that computes a condition."""
    operation = one.operation
    mask = work.masks[one.target]
    if operation <= Opcode.IS_NULL:
        a, ea = work.registers[one.left], work.errors[_bound(one.left, exact)]
        b, eb = work.registers[one.right], work.errors[_bound(one.right, exact)]
        if operation == Opcode.EQUAL:
            operations.equal(a, b, ea, eb, mask, many)
        elif operation == Opcode.IS_NULL:
            operations.is_null(a, ea, mask, many)
        else:
            operations.less(operation == Opcode.LESS_OR_EQUAL, a, b, ea, eb, mask, many)
    elif operation == Opcode.AND:
        operations.and_(work.masks[one.left], work.masks[one.right], mask, many)
    elif operation == Opcode.OR:
        operations.or_(work.masks[one.left], work.masks[one.right], mask, many)
    elif operation == Opcode.NOT:
        operations.not_(work.masks[one.left], mask, many)
    elif operation == Opcode.SELECT_CONDITION:
        p, q = work.masks[one.left], work.masks[one.right]
        operations.select_condition(work.masks[one.third], p, q, mask, many)
    else:
        operations.is_undecided(work.masks[one.left], mask, many)


@part_of_loops
def _put(
    one: Any,
    program: ProgramTables,
    row_counts: Any,
    work: Workspace,
    out: Outputs,
    exact: int,
    first: int,
    many: int,
) -> None:
    """Run an instruction that writes a state, a score or a value."""
    operation, target, last = one.operation, one.target, first + many
    incomplete = work.incomplete
    if operation == Opcode.PUT_STATE:
        incomplete[:many] = 0
        held, short = work.masks[one.left], work.masks[one.right]
        states = out.states[target][first:last]
        limit, counts = program.limits[target], row_counts[program.table_bits[target]]
        outputs.put_state(held, short, counts, limit, work.overflowed, states, many)
        return
    states = out.states[one.right][first:last]
    if operation == Opcode.PUT_SCORE:
        a, ea = work.registers[one.left], work.errors[_bound(one.left, exact)]
        outputs.put_score(a, ea, states, incomplete, out.scores[target][first:last], many)
        return
    values, kinds = out.values[target][first:last], out.kinds[target][first:last]
    if operation == Opcode.PUT_CONDITION:
        outputs.put_condition(work.masks[one.left], states, incomplete, values, kinds, many)
        return
    a, ea = work.registers[one.left], work.errors[_bound(one.left, exact)]
    if operation == Opcode.PUT_NUMBER:
        outputs.put_number(a, ea, states, incomplete, values, kinds, many)
    else:
        kind = program.value_kinds[target]
        outputs.put_exact(kind, a, ea, states, incomplete, values, kinds, many)


@part_of_loops
def _hash(one: Any, work: Workspace, many: int) -> None:
    """Add what an instruction reads and decides to the hashes."""
    operation = one.operation
    if operation >= Opcode.PUT_STATE:
        if operation == Opcode.PUT_STATE or operation == Opcode.PUT_CONDITION:
            outputs.hash_bits(work.masks[one.left], work.hashes, many)
        else:
            outputs.hash_nulls(work.registers[one.left], work.hashes, many)
        return
    if operation <= Opcode.IS_NULL:
        outputs.hash_nulls(work.registers[one.left], work.hashes, many)
        if operation != Opcode.ROUND:
            outputs.hash_nulls(work.registers[one.right], work.hashes, many)
    if operation >= Opcode.LESS:
        outputs.hash_bits(work.masks[one.target], work.hashes, many)
    if operation == Opcode.SELECT or operation == Opcode.SELECT_CONDITION:
        outputs.hash_bits(work.masks[one.third], work.hashes, many)
