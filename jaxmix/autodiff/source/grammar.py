"""What the source transformation can read, and why it refuses the rest with a line number.

The grammar is the straight-line code, branches and loops of `notes/autodiff.md`; a construct
outside of it raises, so that no derivative is silently wrong.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager

ALLOWED = (
    *(ast.Assign, ast.AugAssign, ast.If, ast.For, ast.While, ast.Return, ast.Break, ast.Continue),
    *(ast.Pass, ast.Constant, ast.Name, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.BoolOp),
    *(ast.Compare, ast.IfExp, ast.Call, ast.Subscript, ast.Attribute, ast.expr_context),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd),
    *(ast.And, ast.Or, ast.Not, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)

LOOP = "write a for loop over a range"
ADVICE: dict[type[ast.AST], tuple[str, str]] = {
    ast.Assert: ("an assert statement", "check the arguments before the call"),
    ast.ClassDef: ("a class", "define it outside of the function"),
    ast.Delete: ("a del statement", "leave the variable alone"),
    ast.Dict: ("a dictionary", "use variables of plain numbers"),
    ast.DictComp: ("a comprehension", LOOP),
    ast.Expr: ("an expression without an effect on the result", "remove it"),
    ast.FunctionDef: ("a function inside the function", "define it in the module"),
    ast.GeneratorExp: ("a comprehension", LOOP),
    ast.Global: ("a global statement", "hand the value in as an argument"),
    ast.Import: ("an import", "import at the top of the module"),
    ast.ImportFrom: ("an import", "import at the top of the module"),
    ast.JoinedStr: ("text", "use numbers alone"),
    ast.Lambda: ("a lambda", "define a function in the module"),
    ast.List: ("a list", "use variables of plain numbers"),
    ast.ListComp: ("a comprehension", LOOP),
    ast.Match: ("a match statement", "write if, elif and else"),
    ast.NamedExpr: ("an assignment inside an expression", "assign on a line of its own"),
    ast.Nonlocal: ("a nonlocal statement", "hand the value in as an argument"),
    ast.Raise: ("a raise statement", "check the arguments before the call"),
    ast.Set: ("a set", "use variables of plain numbers"),
    ast.SetComp: ("a comprehension", LOOP),
    ast.Slice: ("a slice", "index one number at a time"),
    ast.Starred: ("a star", "write the arguments one by one"),
    ast.Try: ("a try statement", "test for the failure with an if"),
    ast.With: ("a with statement", "leave the context to the caller"),
    ast.Yield: ("a generator", "return one number"),
}


class SourceError(ValueError):
    """A program, or a construct in it, that the source transformation cannot read."""


def refusal(file: str, node: ast.AST, what: str, advice: str) -> SourceError:
    """Build the error for a construct; the caller raises it."""
    line = getattr(node, "lineno", 0)
    shown = ast.unparse(node).splitlines()[0]
    return refusal_at(file, line, f"{what}, `{shown}`", advice)


def refusal_at(file: str, line: int, what: str, advice: str) -> SourceError:
    """Build the error for a line; the caller raises it."""
    return SourceError(f"{file}, line {line}: cannot differentiate {what}; {advice}")


@contextmanager
def limited_depth(file: str, node: ast.FunctionDef) -> Iterator[None]:
    """Refuse a function that is nested deeper than Python follows, itself or in its derivative."""
    try:
        yield
    except (RecursionError, IndentationError):
        what = "an expression or a chain of branches and exits so long"
        advice = "split it over lines or functions"
        raise refusal_at(file, _deepest_line(node), what, advice) from None


def _deepest_line(node: ast.FunctionDef) -> int:
    line = node.lineno
    level: list[ast.AST] = [node]
    while level:
        line = next((part.lineno for part in level if isinstance(part, ast.expr | ast.stmt)), line)
        level = [child for part in level for child in ast.iter_child_nodes(part)]
    return line


def check(file: str, node: ast.AST) -> None:
    """Raise for the first construct that is outside of the grammar.

    Args:
        file: the file's name, for the message.
        node: the statement or expression to check.

    Raises:
        SourceError: with the line, the construct and what to write instead.
    """
    if not isinstance(node, ALLOWED):
        kind = type(node).__name__
        what, advice = ADVICE.get(type(node), (f"this construct ({kind})", "write it otherwise"))
        raise refusal(file, node, what, advice)
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
        raise refusal(file, node, "a value that is no real number", "use numbers alone")
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno"):
            check(file, child)
        elif not isinstance(child, ALLOWED):
            raise refusal(file, node, "an operator", "use + - * / // % ** and comparisons")
