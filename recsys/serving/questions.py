"""What a request asks, checked: every part by its name, every refusal with place, message and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import Field, StringConstraints, ValidationError, field_validator

from recsys.config import Config
from recsys.errors import did_you_mean
from recsys.serving.guard import RequestError
from recsys.store import KeyTwiceError, plain_json

LONGEST_ID = 256
SHOWN = 100

Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]


class Question(Config):
    """Ask for a list: of a user, or of a new one with a history of items, oldest first.

    skip_unknown: leave out items of the history that the model does not know, and say which, instead of refusing.
    """

    user: Id | None = None
    history: tuple[Id, ...] | None = None
    k: int = Field(default=10, ge=1)
    skip_unknown: bool = False

    @field_validator("user", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return _text(value)

    @field_validator("history", mode="before")
    @classmethod
    def _as_texts(cls, value: Any) -> Any:
        return [_text(item) for item in value] if isinstance(value, list) else value


class Likeness(Config):
    """Ask for the items most like one."""

    item: Id
    k: int = Field(default=10, ge=1)


def pairs_of(query: bytes) -> list[tuple[str, str]]:
    """Names and values of a query string. Raises RequestError where they are not UTF-8."""
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise RequestError(422, "query", "is not UTF-8", "write every byte that is no ASCII as %XX of UTF-8") from error


def question_of(pairs: Sequence[tuple[str, str]]) -> Question:
    """The question in a query string; `history` may come more than once. Raises RequestError."""
    once = _once([pair for pair in pairs if pair[0] != "history"])
    history = [value for name, value in pairs if name == "history"]
    return _checked(Question, {**once, "history": history} if history else once)


def likeness_of(pairs: Sequence[tuple[str, str]]) -> Likeness:
    """The item in a query string. Raises RequestError."""
    return _checked(Likeness, _once(pairs))


def question_in(body: bytes) -> Question:
    """The question in a body of JSON; ids may be numbers. Raises RequestError."""
    try:
        found = plain_json(body)
    except KeyTwiceError as error:
        raise RequestError(422, "body", str(error), "send it once") from error
    except ValueError as error:
        raise RequestError(422, "body", "is no JSON", 'send such as {"history": ["50", "172"], "k": 10}') from error
    if not isinstance(found, dict):
        raise RequestError(422, "body", "is no JSON object", 'send such as {"history": ["50", "172"], "k": 10}')
    return _checked(Question, found, strict=True)


def parameters(kind: type[Config]) -> list[dict[str, Any]]:
    """The parts of a question as OpenAPI describes a query string."""
    schema = kind.model_json_schema()
    needed = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": about}
        for name, about in schema["properties"].items()
    ]


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RequestError(422, name[:SHOWN], "is there twice", "send it once")
        found[name] = value
    return found


def _checked(kind: type[Any], found: dict[str, Any], strict: bool = False) -> Any:
    for name in found:
        if name not in kind.model_fields:
            raise RequestError(
                422, name[:SHOWN], "is not a name known here", did_you_mean(name[:SHOWN], kind.model_fields)
            )
    if strict and isinstance(found.get("history"), list):
        found = {**found, "history": tuple(_text(item) for item in found["history"])}
    try:
        return kind.model_validate(found, strict=strict)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "request"
        value = first.get("input")
        shown = f"{str(value)[:SHOWN]!r}: " if isinstance(value, str | int | float) else ""
        raise RequestError(422, place[:SHOWN], shown + _said(first), None) from error


def _said(error: Any) -> str:
    """What is wrong, in our words where pydantic's are about strings and greater things."""
    limits = error.get("ctx", {})
    if error["type"] == "string_too_long":
        return f"is longer than {limits['max_length']} characters"
    if error["type"] == "string_too_short":
        return "is empty"
    if error["type"] == "greater_than_equal":
        return f"must be at least {limits['ge']}"
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"])
