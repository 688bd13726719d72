"""Single values of a recipe, changed by name: `training.epochs=5`."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from ensemble.catalog import did_you_mean
from ensemble.errors import UserError
from ensemble.recipe import Recipe


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with some values changed, each given as `key=value`.

    Values are JSON or else text. A new `kind` of optimiser or schedule starts from the
    default values of its kind.

    >>> with_settings(Recipe(name="r"), ["training.epochs=5"]).training.epochs
    5
    """
    values = recipe.model_dump(mode="json")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write it as key=value")
        _set(values, key.strip(), _parse(text.strip()))
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UserError(f"--set: {_first_fault(error)}") from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    place: Any = values
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        known = list(_keys(values))
        raise UserError(f"--set {key}: no such key{did_you_mean(key, known)}")
    if last == "kind":
        place.clear()
    place[last] = value


def _keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place} = {fault['input']!r} is not possible: {fault['msg'].lower()}"
