"""Runs the rules on one engine of this interpreter's environment, and prints the rates as JSON.

python engine.py NAME SECONDS
"""

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.feel.rules import RULES, BenchRule, facts

Evaluate = Callable[[], Any]


def ours(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare this project, on facts as a run has them."""
    from tuppence.feel import compile_expression, parse
    from tuppence.feel.library import BUILTINS
    from tuppence.feel.rows import RowField, Rows

    def exact(value: Any) -> Any:
        return value if isinstance(value, str) else Decimal(str(value))

    rows = [{name: exact(v) for name, v in row.items()} for row in context["payments"]]
    fields = {name: RowField(type(value), nullable=False) for name, value in rows[0].items()}
    run = compile_expression(parse(rule.feel, BUILTINS))
    payments = {"payments": Rows(rows, fields)}
    return lambda: run.evaluate(payments).value


def ours_plain(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare this project, on plain lists of contexts."""
    from tuppence.feel import compile_expression, parse
    from tuppence.feel.library import BUILTINS

    def exact(value: Any) -> Any:
        return value if isinstance(value, str) else Decimal(str(value))

    rows = [{name: exact(v) for name, v in row.items()} for row in context["payments"]]
    run = compile_expression(parse(rule.feel, BUILTINS))
    return lambda: run.evaluate({"payments": rows}).value


def zen_engine(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare ZEN, the engine of GoRules, written in Rust."""
    import zen

    expression = zen.compile_expression(rule.zen)
    return lambda: expression.evaluate(context)


def common_expression_language(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare CEL, in an implementation in Rust."""
    import cel

    program = cel.compile(rule.cel)
    return lambda: program.execute(context)


def rule_engine(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare rule-engine, written in Python."""
    import rule_engine as library

    compiled = library.Rule(rule.rule_engine)
    return lambda: compiled.evaluate(context)


def bkflow_feel(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare bkflow-feel, a FEEL in Python, which parses the rule at each evaluation."""
    import logging

    from bkflow_feel.api import parse_expression

    logging.disable(logging.CRITICAL)
    return lambda: parse_expression(rule.feel, context)


def pysfeel(rule: BenchRule, context: dict[str, Any]) -> Evaluate:
    """Prepare pySFeel, a FEEL in Python, which parses the rule at each evaluation."""
    from pySFeel import SFeelParser

    parser = SFeelParser()
    rows = ",".join(
        "{" + ",".join(f"{n}:{json.dumps(v)}" for n, v in row.items()) + "}"
        for row in context["payments"]
    )
    parser.sFeelParse(f"payments <- [{rows}]")
    return lambda: parser.sFeelParse(rule.feel)[1]


ENGINES = {
    "ours": (ours, "feel"),
    "ours, plain lists": (ours_plain, "feel"),
    "zen-engine": (zen_engine, "zen"),
    "common-expression-language": (common_expression_language, "cel"),
    "rule-engine": (rule_engine, "rule_engine"),
    "bkflow-feel": (bkflow_feel, "feel"),
    "pySFeel": (pysfeel, "feel"),
}


def main() -> None:
    """Print `{rule: {answer, seconds}}`, the seconds of one evaluation."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    make, language = ENGINES[name]
    context = facts()
    found: dict[str, dict[str, Any]] = {}
    for rule in RULES:
        if getattr(rule, language) is None:
            continue
        try:
            evaluate = make(rule, context)
            answer = evaluate()
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                evaluate()
                count += 1
            found[rule.name] = {
                "answer": answer,
                "seconds": (time.perf_counter() - began) / count,
            }
        except Exception as error:
            found[rule.name] = {"error": f"{type(error).__name__}: {error}"[:100]}
    json.dump(found, sys.stdout, default=str)


main()
