"""What is wrong with a spec, said as one message with place and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from recsys.data.config import SOURCES
from recsys.errors import InputError, did_you_mean
from recsys.splits.config import SPLITS

# Sections whose keys depend on one of them: pydantic puts the chosen kind into the path of what it finds there.
_BY_KIND: dict[str, dict[str, Any]] = {"data": SOURCES, "split": SPLITS}
LONGEST = 60
# How many places are named beside the first.
TOLD = 5


class Trouble(NamedTuple):
    """The first thing that is wrong, and the places of the others. Places are paths of keys, as people write them."""

    message: str
    remedy: str
    place: str = ""
    others: tuple[str, ...] = ()


def explain(error: ValidationError, model: type[BaseModel], place: str) -> InputError:
    """The first finding as an InputError; the places of the others stand in its remedy. place: what was validated."""
    found = trouble_of(error, model)
    remedy = found.remedy
    if found.others:
        remedy += f" (also wrong: {', '.join(found.others[:TOLD])}{', …' if len(found.others) > TOLD else ''})"
    return InputError(f"{place}: {found.place}" if found.place else place, found.message, remedy)


def trouble_of(error: ValidationError, model: type[BaseModel]) -> Trouble:
    """What an error of validating this model says."""
    findings: dict[str, list[Any]] = {}
    known: dict[str, list[str]] = {}
    for finding in error.errors(include_url=False):
        outer, keys = _where(finding, model)
        context = finding.get("ctx", {})
        for inner in (context.get("place", ""), *context.get("others", ())):
            findings.setdefault(_joined(outer, inner), []).append(finding)
            known.setdefault(_joined(outer, inner), keys)
    # A list whose entry is wrong counts as too short as well.
    alone = (place for place in findings if not any(_is_below(other, place) for other in findings))
    told = list(islice(alone, TOLD + 2))
    message, remedy = _said(findings[told[0]], known[told[0]])
    return Trouble(message, remedy, told[0], tuple(told[1:]))


def _where(finding: Any, model: type[BaseModel]) -> tuple[str, list[str]]:
    """The path of a finding as people write it, and the keys that are known there."""
    path, known = "", list(model.model_fields)
    kinds: dict[str, Any] = {}
    current: Any = model
    for part in finding["loc"]:
        if isinstance(part, int) and finding["type"] != "invalid_key":
            path += f"[{part}]"
        elif part in kinds:
            current, kinds = kinds[part], {}
            known = list(current.model_fields)
        elif current is not None and part in current.model_fields:
            path = _joined(path, part)
            annotation = current.model_fields[part].annotation
            kinds = _BY_KIND.get(part, {}) if current is model else {}
            current = _section(annotation)
            known = list(current.model_fields) if current else known
        elif finding["type"] in ("extra_forbidden", "missing", "invalid_key"):
            path = _joined(path, str(part))
    if finding["type"].startswith("union_tag"):
        return _joined(path, finding["ctx"]["discriminator"].strip("'")), sorted(kinds)
    return path, known


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, also one that may be left out; None where it holds none, or one of several."""
    held = [each for each in (get_args(annotation) or (annotation,)) if isinstance(each, type)]
    models = [each for each in held if issubclass(each, BaseModel)]
    return models[0] if len(models) == 1 else None


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _is_below(place: str, other: str) -> bool:
    return place != other and place.startswith((f"{other}.", f"{other}["))


_NEEDED = {
    "greater_than": "a number above {gt} is needed",
    "greater_than_equal": "a number of at least {ge} is needed",
    "less_than": "a number below {lt} is needed",
    "less_than_equal": "a number of at most {le} is needed",
    "finite_number": "a finite number is needed",
    "string_too_short": "a text that is not empty is needed",
    "string_too_long": "a text of at most {max_length} characters is needed",
    "too_short": "a list with at least {min_length} entry is needed",
    "none_required": "only null is possible here",
}
_NEEDED_TYPE = {
    "int_parsing": "a whole number is needed",
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_parsing": "a number is needed",
    "float_type": "a number is needed",
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "string_type": "a text is needed (put it in quotes)",
    "tuple_type": "a list is needed, such as [a, b]",
    "model_type": "a mapping is needed",
    "model_attributes_type": "a mapping is needed",
    "invalid_key": "a key is a text (put it in quotes)",
}
_FORMS = {
    "address": "host:port of the head of a Ray cluster is needed, or auto",
    "window": "a length of time is needed, such as 14d, 12h or 30min",
    "label": "letters, digits, spaces and . _ + - are allowed, beginning with a letter or digit",
    "name": "letters, digits and . _ - are allowed, beginning with a letter or digit",
}


def _said(findings: Sequence[Any], known: Iterable[str]) -> tuple[str, str]:
    """Message and remedy of what was found at one place: several findings where several kinds of value are possible."""
    finding = findings[0]
    kind, context, value = finding["type"], finding.get("ctx", {}), finding.get("input")
    if kind == "wrong":
        return context["message"], context["remedy"]
    if kind == "extra_forbidden":
        return "no such key", did_you_mean(finding["loc"][-1], known)
    if kind == "missing":
        return "is missing", "add it"
    if kind == "literal_error" and len(findings) == 1:
        return f"{_shown(value)} is not known", did_you_mean(value, _quoted(context["expected"]))
    if kind == "union_tag_invalid":
        return f"{context['tag']!r} is not known", did_you_mean(context["tag"], known)
    if kind == "union_tag_not_found":
        return "is missing", f"name one of {', '.join(known)}"
    if kind == "value_error":
        return str(context["error"]), "change these values"
    return f"is {_shown(value)}", _needed(findings)


def _needed(findings: Sequence[Any]) -> str:
    """What is needed instead. A value of a possible kind that is out of bounds hears of these bounds alone."""
    bounds = [finding for finding in findings if finding["type"] not in {*_NEEDED_TYPE, "literal_error"}]
    texts = list(dict.fromkeys(_needed_by(finding) for finding in bounds or findings))
    return " or ".join(text.removesuffix(" is needed") for text in texts[:-1]) + " or " * (len(texts) > 1) + texts[-1]


def _needed_by(finding: Mapping[str, Any]) -> str:
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "literal_error":
        return " or ".join(_quoted(context["expected"]))
    if kind == "string_pattern_mismatch":
        return _FORMS.get(finding["loc"][-1], f"a text of the form {context['pattern']} is needed")
    text = _NEEDED.get(kind) or _NEEDED_TYPE.get(kind)
    plain = {
        name: int(bound) if isinstance(bound, float) and bound == int(bound) else bound
        for name, bound in context.items()
    }
    return text.format(**plain) if text else finding["msg"]


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _shown(value: Any) -> str:
    """A value as it stands in YAML, or nearly, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    if len(text) <= LONGEST:
        return text
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else f"{text[: LONGEST - 1]}…"
