"""What is wrong with a spec, said as one message with place and remedy."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from recsys.data.config import SOURCES
from recsys.errors import InputError, did_you_mean
from recsys.splits.config import SPLITS

# Sections whose keys depend on one of them: pydantic puts the chosen kind into the path of what it finds there.
_BY_KIND: dict[str, dict[str, Any]] = {"data": SOURCES, "split": SPLITS}


def wrong(message: str, remedy: str, place: str = "") -> PydanticCustomError:
    """A finding of our own inside a validator; place: the key below the one that is being validated."""
    return PydanticCustomError("wrong", "{message}; {remedy}", {"message": message, "remedy": remedy, "place": place})


def explain(error: ValidationError, model: type[BaseModel], place: str) -> InputError:
    """The first finding as an InputError; the places of the others stand in its remedy."""
    where, message, remedy = first_finding(error, model)
    return InputError(f"{place}: {where}" if where else place, message, remedy)


def first_finding(error: ValidationError, model: type[BaseModel]) -> tuple[str, str, str]:
    """Where, what and what to do, of the first finding."""
    findings = [(_where(each, model), each) for each in error.errors(include_url=False)]
    (where, known), first = findings[0]
    message, remedy = _said(first, known)
    others = [other for other in dict.fromkeys(place for (place, _), _ in findings) if other != where]
    if others:
        remedy += f" (also wrong: {', '.join(others[:5])}{', …' if len(others) > 5 else ''})"
    return where, message, remedy


def _where(finding: Any, model: type[BaseModel]) -> tuple[str, list[str]]:
    """The path of a finding as people write it, and the keys that are known there."""
    path, known = "", list(model.model_fields)
    kinds: dict[str, Any] = {}
    current: Any = model
    for part in finding["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in kinds:
            current, kinds = kinds[part], {}
            known = list(current.model_fields)
        elif current is not None and part in current.model_fields:
            path += f".{part}" if path else part
            annotation = current.model_fields[part].annotation
            kinds = _BY_KIND.get(part, {}) if current is model else {}
            current = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
            known = list(current.model_fields) if current else known
        elif finding["type"] in ("extra_forbidden", "missing"):
            path += f".{part}" if path else str(part)
    inner = finding.get("ctx", {}).get("place") if finding["type"] == "wrong" else None
    if finding["type"].startswith("union_tag"):
        inner = finding["ctx"]["discriminator"].strip("'")
    if inner:
        path += f".{inner}" if path else inner
    return path, known


_NEEDED = {
    "greater_than": "a number above {gt} is needed",
    "greater_than_equal": "a number of at least {ge} is needed",
    "less_than": "a number below {lt} is needed",
    "less_than_equal": "a number of at most {le} is needed",
    "int_parsing": "a whole number is needed",
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_parsing": "a number is needed",
    "float_type": "a number is needed",
    "finite_number": "a finite number is needed",
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "string_type": "a text is needed (put it in quotes)",
    "string_too_short": "a text that is not empty is needed",
    "string_too_long": "a text of at most {max_length} characters is needed",
    "string_pattern_mismatch": "letters, digits and . _ - are allowed, beginning with a letter or digit",
    "tuple_type": "a list is needed, such as [a, b]",
    "list_type": "a list is needed, such as [a, b]",
    "too_short": "a list with at least {min_length} entry is needed",
    "model_type": "a mapping is needed",
    "model_attributes_type": "a mapping is needed",
    "dict_type": "a mapping is needed",
    "none_required": "only null is possible here",
}


def _said(finding: Any, known: list[str]) -> tuple[str, str]:
    kind, context, value = finding["type"], finding.get("ctx", {}), finding.get("input")
    key = finding["loc"][-1] if finding["loc"] else ""
    if kind == "wrong":
        return context["message"], context["remedy"]
    if kind == "extra_forbidden":
        return "no such key", did_you_mean(key, known)
    if kind == "missing":
        return "is missing", "add it"
    if kind == "literal_error":
        return f"{value!r} is not known", did_you_mean(value, re.findall(r"'([^']*)'", context["expected"]))
    if kind == "union_tag_invalid":
        return f"{context['tag']!r} is not known", did_you_mean(
            context["tag"], re.findall(r"'([^']*)'", context["expected_tags"])
        )
    if kind == "union_tag_not_found":
        return "is missing", "name it"
    if kind == "value_error":
        return str(context["error"]), "change these values"
    shown = repr(value) if not isinstance(value, dict | list) or len(repr(value)) < 60 else f"a {type(value).__name__}"
    needed = _NEEDED.get(kind)
    return f"is {shown}", needed.format(**context) if needed else finding["msg"]
