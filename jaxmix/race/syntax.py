"""One Python file read as source: what it imports, which names it uses, and hashes of its code.

Nothing is imported or executed. A hash is of the syntax tree, so that comments, docstrings and
layout do not count; `jaxmix.race.closure` follows what is found here from file to file.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

INVISIBLE = {"ctx", "kind", "type_comment"}
"""Fields of syntax trees that place or spelling decide, and comments."""

Chains = frozenset[tuple[str, ...]]
"""The attributes that follow the uses of one name: (("load",), ()) of `data.load(f(data))`."""


class Import(NamedTuple):
    """One name that an import statement asks for."""

    bound: str
    """The name that it gets here; none where the module is only loaded."""

    level: int
    """Leading dots."""

    module: str

    name: str
    """What of the module: none for the module itself, a star for whatever it has."""


class Part(NamedTuple):
    """One statement of a module, outside functions and classes."""

    kind: Literal["import", "definition", "effect"]
    """Definitions matter where their names are used; effects, such as a call, always."""

    defines: frozenset[str]
    """Names that it gives a meaning to."""

    imports: tuple[Import, ...]
    uses: Mapping[str, Chains]
    strings: frozenset[str]
    """Those that might be names."""

    pairs: frozenset[tuple[str, str]]
    """Each string in a key of a dictionary with each in its value: what lazy tables are."""

    digest: str


class Syntax(NamedTuple):
    """What the source of one module says."""

    parts: tuple[Part, ...]
    imports: tuple[Import, ...]
    uses: Mapping[str, Chains]
    """Of all parts together; names alone that the module imports."""


def read(path: Path) -> Syntax:
    """Read a Python file, once a process as long as it stays as it is.

    Args:
        path: the file.

    Returns:
        Its `Syntax`.

    Raises:
        ValueError: with the line, if the file is not valid Python.
    """
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@cache
def _read(path: Path, mtime_ns: int, size: int) -> Syntax:
    try:
        with warnings.catch_warnings():
            # A user's "\d" is their own affair, and no error even where warnings are.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ValueError(f"{path}, line {line}: {getattr(error, 'msg', error)}") from None
    parts = tuple(_part(statement) for statement in tree.body if not _says_nothing(statement))
    imports = tuple(one for part in parts for one in part.imports)
    bound = {one.bound for one in imports}
    uses: dict[str, Chains] = {}
    for part in parts:
        for name in part.uses if "*" in bound else bound & part.uses.keys():
            uses[name] = uses.get(name, frozenset()) | part.uses[name]
    return Syntax(parts, imports, uses)


def digest(texts: list[str]) -> str:
    """sha256 of texts in their order, hexadecimal."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _part(statement: ast.stmt) -> Part:
    imports: list[Import] = []
    uses: dict[str, set[tuple[str, ...]]] = {}
    strings: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for node in _run(statement):
        kind = type(node)
        if kind is ast.Name or kind is ast.Attribute:
            if chain := _chain(node):
                uses.setdefault(chain[0], set()).add(chain[1:])
        elif kind is ast.Constant:
            if isinstance(node.value, str) and node.value.isidentifier():
                strings.add(node.value)
        elif kind is ast.Call:
            imports += _call(node)
        elif kind is ast.Dict:
            pairs |= _pairs(node)
        elif kind is ast.Import or kind is ast.ImportFrom:
            imports += _imports(node)
    return Part(
        _kind(statement, bool(imports or uses)),
        frozenset(_defined(statement)),
        tuple(imports),
        {name: frozenset(chains) for name, chains in uses.items()},
        frozenset(strings),
        frozenset(pairs),
        digest([dump(statement)]),
    )


def _run(statement: ast.stmt) -> Iterator[Any]:
    """All nodes that may run: none that only type checkers see, and no `a.b` within `a.b.c`."""
    waiting: list[Any] = [statement]
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is list:
            waiting += node
        elif kind is ast.If and _for_checkers(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.AST):
            yield node
            leaf = kind is ast.Name or kind is ast.Constant
            if not (leaf or (kind is ast.Attribute and _chain(node))):
                for field in _fields(kind):
                    if value := getattr(node, field, None):
                        waiting.append(value)


def _kind(statement: ast.stmt, runs: bool) -> Literal["import", "definition", "effect"]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "import"
    if isinstance(statement, ast.If) and not runs:
        return "import"  # that of types, for checkers
    defined = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    targets = isinstance(statement, ast.Assign | ast.AnnAssign)
    return "definition" if defined or (targets and any(_defined(statement))) else "effect"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            bound = alias.asname or alias.name
            yield Import(bound, node.level, node.module or "", alias.name)
        elif alias.asname:
            yield Import(alias.asname, 0, alias.name, "")
        else:
            first, _, rest = alias.name.partition(".")
            yield Import(first, 0, first, "")
            if rest:
                yield Import("", 0, alias.name, "")


def _call(node: ast.Call) -> Iterator[Import]:
    """What `import_module("...")` loads; what becomes of it is not known."""
    chain = _chain(node.func)
    if chain and chain[-1] in ("import_module", "__import__"):
        for given in [
            *node.args[:1],
            *(word.value for word in node.keywords if word.arg == "name"),
        ]:
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                module = given.value.lstrip(".")
                yield Import("", len(given.value) - len(module), module, "*")


def _for_checkers(test: ast.expr) -> bool:
    chain = _chain(test)
    return chain is not None and chain[-1] == "TYPE_CHECKING"


def _chain(node: ast.AST) -> tuple[str, ...] | None:
    """A name that is read, with the attributes that follow it."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
        return None
    return (node.id, *reversed(attributes)) if attributes else (node.id,)


def _defined(statement: ast.AST) -> Iterator[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            yield from (one.bound for one in _imports(statement))
        case ast.Assign(targets=targets):
            yield from _names(targets)
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            yield from _names([target])
        case _:
            children = ast.iter_child_nodes(statement)
            if isinstance(statement, ast.If) and _for_checkers(statement.test):
                children = statement.orelse
            for child in children:
                if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                    yield from _defined(child)


def _names(targets: list[ast.expr]) -> list[str]:
    """Names that an assignment defines; none where it also changes an object."""
    flat = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    names = [target.id for target in flat if isinstance(target, ast.Name)]
    return names if len(names) == len(flat) else []


def _pairs(table: ast.Dict) -> set[tuple[str, str]]:
    entries = zip(table.keys, table.values, strict=True)
    return {pair for key, value in entries for pair in product(_strings(key), _strings(value))}


def _strings(node: ast.AST | None) -> set[str]:
    every = ast.walk(node) if node is not None else ()
    return {n.value for n in every if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _says_nothing(node: object) -> bool:
    """Whether this is a docstring, of whatever, or a `pass`."""
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def dump(tree: ast.AST) -> str:
    """Write a syntax tree as text, without docstrings, `pass` and what has no value.

    `ast.dump` shows fields that newer versions of Python add to every node (`type_params`), and
    leaves out others; here a field that is empty is never written, and strings are ASCII, so that
    the same code has the same text in all versions that read it as the same tree.

    Args:
        tree: of a module or anything in it.

    Returns:
        The text.

    Example:
        >>> dump(ast.parse("def f(x):\\n    'Twice x.'\\n    return 2 * x  # not x + x"))
        '(Module body=[(FunctionDef name=f args=(arguments args=[(arg arg=x),])
        body=[(Return value=(BinOp left=(Constant 2) op=(Mult) right=(Name x))),]),])'
    """
    written: list[str] = []
    # No recursion: a sum of a thousand terms is as deep.
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is str:
            written.append(node)
        elif kind is ast.Constant or kind is ast.MatchSingleton:
            written.append(f"({kind.__name__} {node.value!a})")
        elif kind is ast.Name:
            written.append(f"(Name {node.id})")
        elif kind is list:
            written.append("[")
            waiting.append("]")
            for one in reversed(node):
                if not _says_nothing(one):
                    waiting += (",", one)
        elif isinstance(node, ast.AST):
            written.append(f"({kind.__name__}")
            waiting.append(")")
            for field in _fields(kind):
                if value := getattr(node, field, None):
                    waiting += (value, f" {field}=")
        else:
            written.append(str(node))
    return "".join(written)


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(field for field in reversed(kind._fields) if field not in INVISIBLE)
