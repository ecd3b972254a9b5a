"""A seeded sample of small changes to the code that the tests ought to notice.

The changes are cosmic-ray's: another operator, another comparison, a number one off, a condition
turned round, a loop that never runs, an exception that is not caught, a decorator less. cosmic-ray
draws no sample and would offer the twelve ways to replace one ``*`` twelve times, so places are
drawn here first, each place once, and then one change at that place.

Left out are places that no run can notice: annotations (never evaluated here) and what stands
under ``if TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator, operator_names


@dataclass(frozen=True)
class Mutant:
    """One file with one change."""

    file: str  # relative to the root of the repository
    line: int
    operator: str
    before: str
    after: str
    code: str

    @property
    def key(self) -> str:
        """The same change to the same text of the file has the same key."""
        return hashlib.sha256(f"{self.file}\n{self.code}".encode()).hexdigest()[:12]


class _Places(Visitor):
    """Collects where operators could change something, in the order of each one's occurrences."""

    #: What no operator changes, and what most of a text consists of.
    UNCHANGED = ("name", "string", "newline", "fstring_string")

    def __init__(self, operators):
        self.found: dict[str, list[tuple[int, int]]] = {name: [] for name in operators}
        self.operators = {name: operator() for name, operator in operators.items()}

    def visit(self, node):
        if node.type not in self.UNCHANGED:
            for name, operator in self.operators.items():
                self.found[name] += [start for start, _ in operator.mutation_positions(node)]
        return node


def sample(root: Path, file_groups: dict[str, tuple[list[str], int]], seed: int) -> list[Mutant]:
    """So many mutants of each group of files, drawn without repetition of a place."""
    chosen = []
    for name, (files, wanted) in file_groups.items():
        rng = random.Random(f"{seed} {name}")
        places: dict[tuple[str, int, int, str], list[tuple[str, int]]] = {}
        for file in files:
            for key, change in _changes(root / file):
                places.setdefault((file, *key), []).append(change)
        order = sorted(places)
        rng.shuffle(order)
        of_group: list[Mutant] = []
        for place in order:
            if len(of_group) == wanted:
                break
            mutant = _mutant(root, place[0], place[1], *rng.choice(places[place]))
            if mutant is not None:
                of_group.append(mutant)
        chosen += of_group
    return chosen


def _changes(path: Path) -> Iterator[tuple[tuple[int, int, str], tuple[str, int]]]:
    """Every change of a file: (line, column, kind of operator), (operator, occurrence)."""
    source = path.read_text(encoding="utf-8")
    silent = _never_run(source)
    operators = {name: get_operator(name) for name in operator_names()}
    # those that name a variable put random numbers in its place
    places = _Places({name: each for name, each in operators.items() if not each.arguments()})
    places.walk(get_ast(source))
    for name, found in places.found.items():
        kind = name.partition("/")[2].partition("_")[0]
        for occurrence, (line, column) in enumerate(found):
            if not any(start <= (line, column) < end for start, end in silent):
                yield (line, column, kind), (name, occurrence)


def _mutant(root: Path, file: str, line: int, operator: str, occurrence: int) -> Mutant | None:
    """The changed file; None where the change is no Python or none at all."""
    source = (root / file).read_text(encoding="utf-8")
    code = MutationVisitor.mutate_code(source, get_operator(operator)(), occurrence)
    try:
        if code is None or ast.dump(ast.parse(code)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    old, new = source.splitlines(), code.splitlines()
    first = next(i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
    return Mutant(
        file, line, operator.partition("/")[2], old[first].strip(), new[first].strip(), code
    )


def _never_run(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations and type checkers' imports stand."""
    silent: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
            silent += [a.annotation for a in every if a.annotation]
            silent += [node.returns] if node.returns else []
        elif isinstance(node, ast.AnnAssign):
            silent.append(node.annotation)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            silent.append(node)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)) for node in silent
    ]
