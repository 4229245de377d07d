"""Reading a spec file, and setting single values in it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import yaml

from recsys.errors import InputError, require_regular

LARGEST = 1_000_000
# No spec comes near these; reading more takes seconds.
MOST_VALUES, LONGEST_NUMBER = 10_000, 100
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
# What PyYAML raises where a value is not of the kind that its tag names, as in `!!bool abc`.
_OF_ANOTHER_KIND = (LookupError, AttributeError, TypeError)
# What reading text as YAML may raise: a date of month 13 is a ValueError, a letter beyond Unicode an OverflowError, and
# brackets nest without end.
_UNREADABLE = (yaml.YAMLError, ValueError, OverflowError, RecursionError, *_OF_ANOTHER_KIND)
# From the path of a key and its new value to the keys that may stand beside it; None: any.
KeysBeside = Callable[[Sequence[str], Any], Container[str] | None]


def is_unicode(text: str) -> bool:
    r"""False for a text that no file can hold: one with a byte that is no UTF-8, or with half a letter.

    >>> is_unicode("caf\u00e9"), is_unicode("caf\udce9")
    (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


class _Loader(yaml.SafeLoader):
    """Plain YAML: no objects, no aliases, no key twice, not more than is read in a moment."""

    values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.values += 1
        refused = "aliases are not used in a spec" if self.check_event(yaml.events.AliasEvent) else None
        if self.values > MOST_VALUES:
            refused = f"more than {MOST_VALUES:,} values are too many for a spec"
        if refused:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, refused, event.start_mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            message = f"a number of {len(node.value):,} digits is too long"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        if isinstance(node.value, str) and not is_unicode(node.value):
            message = "half a letter, such as \\ud800, is no text"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return super().construct_scalar(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _refuse_tag(loader: _Loader, node: yaml.Node) -> Any:
    loader.construct_undefined(node)


# The plain kinds are those of JSON, and dates: no bytes, sets or lists of pairs.
for _kind in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _refuse_tag)


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError where the file is missing, unreadable, or no plain mapping."""
    try:
        require_regular(path)
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
    except _UNREADABLE as error:
        raise InputError(*_yaml_trouble(path, error)) from None
    if not isinstance(document, dict):
        found = "is empty" if document is None else f"holds a {'list' if isinstance(document, list) else 'value'}"
        raise InputError(str(path), f"{found}, a mapping is needed", "begin with `name:` and `data:`")
    return document


def _yaml_trouble(path: Path, error: Exception) -> tuple[str, str, str]:
    mark = getattr(error, "problem_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark else str(path)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    if isinstance(error, _OF_ANOTHER_KIND):
        return place, "is not plain YAML: a value is not of the kind that its tag names", "write plain values"
    if "could not determine a constructor" in problem:
        return place, "a tag such as !!python is not allowed in a spec", "write plain values"
    return place, f"is not plain YAML: {problem}", "mend that line"


def override(
    document: dict[str, Any], settings: Sequence[str], keys_beside: KeysBeside = lambda path, value: None
) -> dict[str, Any]:
    """A copy of the document with `a.b=value` settings applied; list entries are named by their number from 0.

    The value is read as YAML. Where `keys_beside` names keys, others of that mapping are dropped: a new kind does not
    know all that the old one knew. Raises InputError where a path leads nowhere.
    """
    for setting in settings:
        place = f"--set {setting}"
        text, equals, value = setting.partition("=")
        if not equals or not text.strip():
            raise InputError(place, "is not of the form a.b=value", "write e.g. --set models.0.epochs=5")
        try:
            new = yaml.load(value, Loader=_Loader)
        except _UNREADABLE:
            raise InputError(place, "the value is not plain YAML", "put it in quotes") from None
        path = text.strip().split(".")
        document = _set(document, path, new, keys_beside(path, new), place)
    return document


def _set(node: Any, path: Sequence[str], value: Any, beside: Container[str] | None, place: str) -> Any:
    """The node with the value at the path, and no key next to it that is not in `beside`."""
    if not path:
        return value
    head, *rest = path
    if isinstance(node, list | tuple):
        entry = int(head) if head.isdecimal() and len(head) <= LONGEST_NUMBER else len(node)
        if entry >= len(node):
            has = f"it has the entries 0 to {len(node) - 1}" if node else "it is empty"
            raise InputError(place, f"'{head}' is no entry of this list", has)
        chosen = node[entry]
        if isinstance(chosen, str) and rest:
            chosen = {"name": chosen}
        return [*node[:entry], _set(chosen, rest, value, beside, place), *node[entry + 1 :]]
    node = {} if node is None else node
    if not isinstance(node, dict):
        raise InputError(place, f"'{head}' leads into the value {node!r}", "set that value itself")
    if not rest and beside is not None:
        node = {key: old for key, old in node.items() if key in beside}
    return {**node, head: _set(node.get(head), rest, value, beside, place)}
