"""Digests of values, of files and of the code that a stage runs."""

from __future__ import annotations

import dis
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

# The registry names every model: with it in the closure, adding one would make every stored fit stale.
NOT_CODE_OF_A_STAGE = frozenset({"recsys.models.registry"})
TEMPLATES = frozenset({".html", ".css", ".js"})


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form, as 64 hexadecimal digits.

    Raises ValueError where the value is not plain JSON, or holds NaN or infinity.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_digest(*modules: str) -> str:
    """SHA-256 of the source of these modules and of everything they import from their own packages.

    Templates beside a module count as its source. The registry of models is left out. Raises ModuleNotFoundError where
    a module has no source file.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in NOT_CODE_OF_A_STAGE:
            continue
        path = _source(name)
        if path is None:
            raise ModuleNotFoundError(f"no source file for module {name}")
        found[name] = path
        waiting += [other for other in _imported(name, path) if other not in found]
    files = dict(found)
    for folder in {path.parent for path in found.values()}:
        files |= {str(path.relative_to(folder)): path for path in folder.iterdir() if path.suffix in TEMPLATES}
    return digest({name: file_digest(path) for name, path in files.items()})


@cache
def _home_of(top: str) -> Path | None:
    """The folder of a package, or the file of a module that is none."""
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    return Path(folders[0]) if folders else Path(spec.origin) if spec.has_location and spec.origin else None


def _source(name: str) -> Path | None:
    top, *rest = name.split(".")
    home = _home_of(top)
    if home is None or home.is_file():
        return home if not rest else None
    path = home.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imported(name: str, path: Path) -> set[str]:
    """Modules of the same top-level package that one source file imports, the packages above them included."""
    top = name.split(".")[0]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names: set[str] = set()
    code = SourceFileLoader(name, str(path)).get_code(name)  # compiled before, as a rule
    assert code is not None
    for module, level, wanted in _import_statements(code):
        base = package.rsplit(".", level - 1)[0] if level else ""
        origin = ".".join(part for part in (base, module) if part)
        names |= {origin} | {f"{origin}.{each}" for each in wanted}
    names |= {name.rsplit(".", depth)[0] for name in names | {name} for depth in range(1, name.count(".") + 1)}
    return {other for other in names if other.split(".")[0] == top and _source(other) is not None}


def _import_statements(code: CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Module, level and names of every import in compiled code and in the functions and classes within it.

    Not from a syntax tree: Python 3.11 fails with "AST constructor recursion depth mismatch" now and then where another
    thread makes one at the same time, as `inspect` does.
    """
    loaded: list[Any] = [0, ()]
    imports = dis.opmap["IMPORT_NAME"] in code.co_code[::2]  # most functions have none, and reading them takes long
    for instruction in dis.get_instructions(code) if imports else ():
        if instruction.opname == "IMPORT_NAME":
            level, wanted = loaded
            yield instruction.argval, level, wanted or ()
        loaded = [loaded[1], instruction.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _import_statements(constant)
