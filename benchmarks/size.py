"""How large the project is, and how much of its notebooks is analysis: counted, not timed.

    python benchmarks/size.py

Code lines are lines with code on them: no blank line, comment or docstring. A door is an `__all__`: of a room's face
(`__init__.py`) or of a module. A statement of a notebook is of the first kind below that fits, and counts as many lines
as it has code lines.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "pathcost_lib"
LONG, MANY = 40, 8
PARTICIPLES = ("found", "held", "shown", "said")

#: Rooms whose functions are methods; a call of them, of pandas or of a model is analysis.
METHODS = ("ledger", "pathways", "benchmark", "variation", "scenarios", "value", "comparators", "quality")
MODELS = ("numpy", "pandas", "scipy", "statsmodels", "np", "pd", "smf", "sm", "stats", "rng")
# fmt: off
PANDAS = {
    "agg", "aggregate", "apply", "assign", "astype", "clip", "count", "cumsum", "cut", "describe", "diff",
    "div", "drop", "drop_duplicates", "dropna", "eval", "expanding", "explode", "fillna", "filter", "first",
    "groupby", "head", "idxmax", "idxmin", "insert", "isin", "isna", "join", "last", "map", "mask", "max",
    "mean", "median", "melt", "merge", "min", "mul", "nlargest", "notna", "nsmallest", "nunique", "pct_change",
    "pipe", "pivot", "pivot_table", "qcut", "quantile", "query", "rank", "reindex", "rename", "replace",
    "reset_index", "resample", "rolling", "round", "set_index", "shift", "sort_values", "stack", "std", "sub",
    "sum", "tail", "transform", "unique", "unstack", "value_counts", "var", "where", "xs",
}
# fmt: on
DRAWING = ("seaborn", "sns", "plt", "matplotlib", "ax")
FORM = {"title", "alt", "note", "height", "tall", "heads", "headings", "chart", "name"}
DISCLOSING = ("disclose", "disclose_together")
KINDS = ("parameters", "imports", "disclosure", "form", "drawing", "analysis", "other")


# -- lines ------------------------------------------------------------------------------------------------------------
def code_lines(source: str) -> set[int]:
    """Return the numbers of lines with code: no blank line, comment or docstring."""
    beside = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in beside:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines - _docstrings(ast.parse(source))


def _docstrings(tree: ast.AST) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                lines |= _span(first)
    return lines


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def functions(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield each function's name, code lines and number of arguments (without `self` and `cls`)."""
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, len(_span(node) & lines), len([a for a in _arguments(node) if a not in ("self", "cls")])


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    a = node.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    return [argument.arg for argument in every]


def variables(source: str) -> Counter[str]:
    """Return how often each name is used as a variable or an argument."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    return Counter([*names, *(node.arg for node in nodes if isinstance(node, ast.arg))])


def splats(source: str) -> int:
    """Return how many dictionaries are spread into calls (`**options`)."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sum(keyword.arg is None for call in calls for keyword in call.keywords)


# -- doors ------------------------------------------------------------------------------------------------------------
def module_of(path: Path) -> str:
    """Return a file's module ("pathcost_lib.value")."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def door(source: str) -> list[str]:
    """Return the names of `__all__`; none if there is none."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["__all__"]:
            return [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return []


def imports(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for, in full ("pathcost_lib.value.budget_shift")."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def uses(source: str) -> set[str]:
    """Return everything that a file imports or reads as an attribute of what it imports, in full."""
    tree = ast.parse(source)
    names = imports(tree)
    read = {full for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (full := _full(node, names))}
    return {name for name in {*names.values(), *read} if name.startswith("pathcost_lib.")}


def _full(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    base = _full(node.value, names) if isinstance(node, ast.Attribute) else ""
    return f"{base}.{node.attr}" if base and isinstance(node, ast.Attribute) else ""


#: What the front door's names stand for.
FRONT = {
    f"{LIBRARY.name}.{name}": full
    for name, full in imports(ast.parse((LIBRARY / "__init__.py").read_text(encoding="utf-8"))).items()
}


# -- notebooks --------------------------------------------------------------------------------------------------------
def cells(path: Path) -> list[tuple[str, bool]]:
    """Return a notebook's code cells: the source, and whether it is the parameters'."""
    book = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    return [("".join(cell["source"]), "parameters" in cell["metadata"].get("tags", [])) for cell in code]


def source_of(path: Path) -> str:
    """Return the code of a Python file or of a notebook."""
    return "\n".join(s for s, _ in cells(path)) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")


def kinds(path: Path) -> Counter[str]:
    """Return a notebook's code lines by kind."""
    names = imports(ast.parse(source_of(path)))
    lines: Counter[str] = Counter()
    for source, parameters in cells(path):
        counted = code_lines(source)
        for statement, own in _statements(ast.parse(source).body):
            lines["parameters" if parameters else _kind(statement, names)] += len(own & counted)
    return lines


def _statements(body: list[ast.stmt]) -> Iterator[tuple[ast.AST, set[int]]]:
    """Yield statements with their own lines; of a compound one the head, then those in it."""
    for node in body:
        inner = [s for name in ("body", "orelse", "finalbody") for s in getattr(node, name, [])]
        head = next((h for name in ("test", "iter") if (h := getattr(node, name, None)) is not None), node)
        yield (head if inner else node), _span(node) - {line for s in inner for line in _span(s)}
        yield from _statements(inner)


def _kind(statement: ast.AST, names: dict[str, str]) -> str:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "imports"
    nodes = list(ast.walk(statement))
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    called = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
    methods = {f.attr for f in calls if isinstance(f, ast.Attribute)}
    full = {FRONT.get(name, name) for f in calls if (name := _full(f, names))}
    whose = {_first(f) for f in calls if isinstance(f, ast.Attribute)}
    if called & set(DISCLOSING):
        return "disclosure"
    if any(name.startswith("pathcost_lib.present.") and ".quality" not in name for name in full) or _writes_form(
        statement
    ):
        return "form"
    if whose & set(DRAWING):
        return "drawing"
    masked = any(isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Compare | ast.BinOp) for node in nodes)
    rooms = any(room in name.split(".")[1:-1] for name in full for room in METHODS)
    return "analysis" if rooms or masked or methods & PANDAS or whose & set(MODELS) else "other"


def _writes_form(statement: ast.AST) -> bool:
    """Whether it sets a title, alternative text, heading, size or note, or options that hold one."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    written = {node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)}
    keys = {
        k.value for n in ast.walk(statement) if isinstance(n, ast.Dict) for k in n.keys if isinstance(k, ast.Constant)
    }
    return bool(written & FORM or keys & FORM)


def _first(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


# -- the table --------------------------------------------------------------------------------------------------------
def counts() -> Iterator[tuple[str, str]]:
    """Yield what is counted, and how many."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(LIBRARY.rglob("*.py"))}
    production = sorted(ROOT.glob("notebooks/0[1-7]_*.ipynb"))
    readers = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/teaching/masters/*.ipynb"), LIBRARY / "cli.py"]
    yield "library: files", f"{len(sources)}"
    yield "library: lines", f"{sum(len(text.splitlines()) for text in sources.values())}"
    yield "library: code lines", f"{sum(len(code_lines(text)) for text in sources.values())}"

    used = {name for path in readers for name in uses(source_of(path))}
    faces = {path: door(text) for path, text in sources.items() if path.stem == "__init__"}
    modules = {path: door(text) for path, text in sources.items() if path.stem != "__init__"}
    # A name that a face passes on is used where the face's is.
    for path in faces:
        passed = imports(ast.parse(sources[path]))
        used |= {full for name, full in passed.items() if f"{module_of(path)}.{name}" in used}
    for what, doors in (("faces", faces), ("modules", modules)):
        names = [f"{module_of(path)}.{name}" for path, names in doors.items() for name in names]
        yield f"names at the doors of {what}", f"{len(names)}"
        yield "  used by notebooks, lessons and the command line", f"{sum(name in used for name in names)}"

    every = [(*one, path) for path, text in sources.items() for one in functions(text)]
    longest = max(every, key=lambda one: one[1])
    yield f"functions over {LONG} code lines", f"{sum(one[1] > LONG for one in every)}"
    yield "  the longest", f"{longest[1]} ({longest[3].name}: {longest[0]})"
    yield f"functions with over {MANY} arguments", f"{sum(one[2] > MANY for one in every)}"

    books = [source_of(path) for path in readers if path.suffix == ".ipynb"]
    for what, texts in (("library", list(sources.values())), ("notebooks and lessons", books)):
        named = sum((variables(text) for text in texts), Counter())
        each = ", ".join(f"{word} {named[word]}" for word in PARTICIPLES)
        yield f"{what}: participles as variables", f"{sum(named[word] for word in PARTICIPLES)} ({each})"
        yield f"{what}: dictionaries spread into calls", f"{sum(map(splats, texts))}"

    lines = {path.stem: kinds(path) for path in production}
    total = sum(lines.values(), Counter())
    yield "production notebooks: code lines", f"{total.total()}"
    for kind in KINDS:
        yield f"  {kind}", f"{total[kind]} ({total[kind] / total.total():.0%})"
    for name, own in lines.items():
        yield f"  analysis in {name}", f"{own['analysis']} of {own.total()} ({own['analysis'] / own.total():.0%})"


if __name__ == "__main__":
    table = list(counts())
    width = max(len(what) for what, _ in table)
    print("\n".join(f"{what:<{width}}  {number}" for what, number in table))
