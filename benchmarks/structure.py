"""How a project is built: modules per folder, longest files, circles, methods per class, lines written twice, words.

The same figures of two states of a project are printed by running this on each: ``structure.py [ROOT]``.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from _source_tree import Module, Tree, circles

N_ROWS = 10
"""Rows of the tables of largest things."""
TWICE = 6
"""So many equal lines of code after each other count as written twice."""


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--quick", action="store_true", help="as other benchmarks have it; this one is always quick")
    root: Path = parser.parse_args().root
    product, tests = Tree(root), Tree(root, ("tests",))
    for name, tree in (("product", product), ("tests", tests)):
        n_lines = sum(module.n_lines for module in tree.modules.values())
        print(f"{name}: {len(tree.modules)} modules, {n_lines} lines")
        table(f"modules per folder, {name}", tree.per_folder())
        longest = {module.path: module.n_lines for module in tree.modules.values()}
        table(f"lines per file, {name}", longest)
    table("public methods per class, inherited ones too", methods(product))
    found = circles(product.arrows)
    table("modules in a circle of imports", {", ".join(group[:6]): len(group) for group in found})
    pairs = list(written_twice(product.modules.values()))
    print(f"\nmodules in circles: {sum(map(len, found))} in {len(found)} circles")
    print(f"pairs of {TWICE} or more equal lines of code, product: {len(pairs)}, {sum(map(len, pairs))} lines")
    n_lines = sum(module.n_lines for module in product.modules.values())
    n_comments = sum(module.n_comments for module in product.modules.values())
    print(f"lines with a comment, product: {n_comments} ({n_comments / n_lines:.2%})")
    settings = setting_names(product)
    told = documented(root, settings)
    print(f"settings: {len(settings)}, in a page of docs or README: {len(told)}")
    print("settings that no page names: " + (", ".join(sorted(settings.keys() - told)) or "none"))


def table(title: str, counted: dict[object, int] | dict[str, int] | dict[Path, int]) -> None:
    """Print the largest."""
    print(f"\n{title}: {len(counted)}, of which the largest")
    largest = sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))[:N_ROWS]
    for name, number in largest:
        print(f"{number:7d}  {name}")


def methods(tree: Tree) -> dict[str, int]:
    """Count the public methods of each class; those of bases that are in the tree count too."""
    own, bases = {}, {}
    for module in tree.modules.values():
        homes = dict(names_of(module))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                name = f"{module.name}.{node.name}"
                own[name] = set(public(node))
                bases[name] = [homes.get(base.id, f"{module.name}.{base.id}") for base in called(node)]
    return {name: len(own[name].union(*(own[base] for base in ancestors(name, bases) if base in own))) for name in own}


def ancestors(name: str, bases: dict[str, list[str]]) -> Iterator[str]:
    """Yield the classes that one inherits from, by the module in which they are defined."""
    for base in bases.get(name, []):
        yield base
        yield from ancestors(base, bases)


def called(node: ast.ClassDef) -> Iterator[ast.Name]:
    """Yield the names of a class's bases."""
    for base in node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(plain, ast.Name):
            yield plain


def names_of(module: Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a module imports with where they are from."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            base = module.absolute(node)
            yield from ((alias.asname or alias.name, f"{base}.{alias.name}") for alias in node.names)


def public(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names of a class's own public methods; a property is none."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and not one.name.startswith("_"):
            words = {ast.unparse(decorator) for decorator in one.decorator_list}
            if not words & {"property", "cached_property", "functools.cached_property"}:
                yield one.name


def written_twice(modules: Iterable[Module]) -> Iterator[list[str]]:
    """Yield the lines of each pair of places that say the same, as long as they do."""
    lines = [[line for _, line in module.code] for module in modules]
    places: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for file, code in enumerate(lines):
        for start in range(len(code) - TWICE + 1):
            places[tuple(code[start : start + TWICE])].append((file, start))
    for at in places.values():
        for number, one in enumerate(at):
            for other in at[number + 1 :]:
                if not continues(lines, one, other):
                    yield common(lines, one, other)


def continues(lines: list[list[str]], one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Tell whether the line before is the same in both places: then the pair has been counted there."""
    (file, start), (other_file, other_start) = one, other
    return bool(start and other_start and lines[file][start - 1] == lines[other_file][other_start - 1])


def common(lines: list[list[str]], one: tuple[int, int], other: tuple[int, int]) -> list[str]:
    """Return the lines that two places have in common."""
    left, right = lines[one[0]][one[1] :], lines[other[0]][other[1] :]
    n_equal = next((n for n, (here, there) in enumerate(zip(left, right, strict=False)) if here != there), len(right))
    return left[:n_equal]


def setting_names(tree: Tree) -> dict[str, set[str]]:
    """Return the names of each setting in the environment, by its field: ours, and those of others that it reads."""
    fields = {
        field.target.id: field
        for module in tree.modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    return {name: environment_names(name, ast.unparse(field)) for name, field in fields.items()}


def environment_names(name: str, code: str) -> set[str]:
    """Return a setting's own name, and the names that its field mentions."""
    return {f"UNDERBUTLER_{name.upper()}", *re.findall(r"['\"]([A-Z][A-Z0-9_]{3,})['\"]", code)}


def documented(root: Path, settings: dict[str, set[str]]) -> set[str]:
    """Return the settings that a page names."""
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    words = {word for page in pages for word in re.findall(r"\w+", page.read_text("utf-8"))}
    return {name for name, names in settings.items() if names & words}


if __name__ == "__main__":
    main()
