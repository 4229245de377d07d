"""Reading a spec file, and setting single values in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recsys.errors import InputError

LARGEST = 1_000_000


class _Loader(yaml.SafeLoader):
    """Plain YAML: no objects, no aliases, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not used in a spec", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if isinstance(key, str) and keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError where the file is missing, unreadable, or no plain mapping."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(
                str(path), f"{size:,} bytes is too large for a spec", "is this the data? See `recsys init`"
            )
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", "the ready ones are in conf/, or `recsys init`") from None
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"byte {error.start:,} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "name a file that can be read") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(*_yaml_trouble(path, error)) from None
    if not isinstance(document, dict):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        raise InputError(str(path), f"holds {kind}, a mapping is needed", "begin with `name:` and `data:`")
    return document


def _yaml_trouble(path: Path, error: Exception) -> tuple[str, str, str]:
    mark = getattr(error, "problem_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark else str(path)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    if "could not determine a constructor" in problem:
        return place, "a tag such as !!python is not allowed in a spec", "write plain values"
    return place, f"is not plain YAML: {problem}", "mend that line"


def override(document: dict[str, Any], settings: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """A copy of the document with `a.b=value` settings applied; list entries are named by their number from 0.

    The value is read as YAML. Setting the `kind`, `source` or `name` of a section leaves its other keys in place; the
    experiment drops those that the new kind does not know. Raises InputError where a path leads nowhere.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise InputError(f"--set {setting}", "is not of the form a.b=value", "write e.g. --set models.0.epochs=5")
        try:
            value = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, ValueError) as error:
            raise InputError(f"--set {setting}", "the value is not plain YAML", "put it in quotes") from error
        document = _set(document, path.strip().split("."), value, f"--set {setting}")
    return document


def _set(node: Any, path: list[str], value: Any, place: str) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(node, list | tuple):
        if not head.isdigit() or int(head) >= len(node):
            has = f"it has the entries 0 to {len(node) - 1}" if node else "it is empty"
            raise InputError(place, f"'{head}' is no entry of this list", has)
        chosen = node[int(head)]
        if isinstance(chosen, str) and rest:
            chosen = {"name": chosen}
        return [*node[: int(head)], _set(chosen, rest, value, place), *node[int(head) + 1 :]]
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise InputError(place, f"'{head}' leads into the value {node!r}", "set that value itself")
    return {**node, head: _set(node.get(head), rest, value, place)}
