"""The Python source of a project, parsed: its modules, what they import, its classes, its code lines."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["PRODUCT", "Module", "Tree", "circles"]

PRODUCT = ("underbutler", "workers", "tasks", "beat")
"""Packages that are shipped."""
_FOR_TOOLS = ("noqa", "type:", "fmt:", "pragma:", "!")


@dataclass(frozen=True)
class Module:
    """One source file.

    Parameters
    ----------
    name
        Its dotted name.
    path
        The file, relative to the project.
    text
        What is in it.
    """

    name: str
    path: Path
    text: str

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__`` of its folder."""
        return self.path.name == "__init__.py"

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def n_lines(self) -> int:
        """How many lines it has."""
        return len(self.text.splitlines())

    @cached_property
    def n_comments(self) -> int:
        """How many of its lines have a comment that is for people."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        said = (token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT)
        return sum(not words.startswith(_FOR_TOOLS) for words in said)

    @cached_property
    def code(self) -> list[tuple[int, str]]:
        """Its lines of code, stripped, with their numbers: no blank, comment, docstring, import or list of names."""
        left_out = {number for node in ast.walk(self.tree) for number in _no_code(node)}
        lines = ((number, line.strip()) for number, line in enumerate(self.text.splitlines(), start=1))
        return [(number, line) for number, line in lines if line and line[0] != "#" and number not in left_out]

    def imports(self, known: frozenset[str]) -> Iterator[str]:
        """Yield the modules that it imports anywhere: at the top, in functions, and for types only."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (found for alias in node.names if (found := _longest(alias.name, known)))
            elif isinstance(node, ast.ImportFrom):
                base = self.absolute(node)
                for alias in node.names:
                    if found := _longest(f"{base}.{alias.name}", known):
                        yield found

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return what a ``from … import`` names, with no leading dots."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _no_code(node: ast.AST) -> range:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return range(node.lineno, (node.end_lineno or node.lineno) + 1)
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return range(0)


def _longest(name: str, known: frozenset[str]) -> str | None:
    """Return the module that a dotted name is in."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


class Tree:
    """The source of a project.

    Parameters
    ----------
    root
        Its folder.
    folders
        Those of its folders that are looked at.
    """

    def __init__(self, root: Path, folders: tuple[str, ...] = PRODUCT) -> None:
        paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
        self.modules = {
            module.name: module
            for path in paths
            for module in [Module(_name(path.relative_to(root)), path.relative_to(root), path.read_text("utf-8"))]
        }

    @cached_property
    def arrows(self) -> dict[str, set[str]]:
        """What each module imports."""
        known = frozenset(self.modules)
        return {name: set(module.imports(known)) - {name} for name, module in self.modules.items()}

    def per_folder(self) -> dict[Path, int]:
        """Count the modules in each folder, ``__init__`` aside."""
        counted: dict[Path, int] = {}
        for module in self.modules.values():
            if not module.is_package:
                counted[module.path.parent] = counted.get(module.path.parent, 0) + 1
        return counted


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or round several corners, the largest first."""
    reach = {name: _reached(name, arrows) for name in arrows}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in arrows if name in reach[name]
    }
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))


def _reached(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    left = list(arrows[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += arrows[name]
    return seen
