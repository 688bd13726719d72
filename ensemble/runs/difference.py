"""In which words a run differs from what it would be today."""

import json
from collections.abc import Iterator
from typing import Any

from ensemble.runs.document import Document, plain

SECTIONS = ("competition", "recipe", "data", "code_sha256")  # what decides the result
_IGNORED = {"data.folder", "data.source"}  # the same files in another place
_GROWING = "recipe.bag.n_repeats"
_ABSENT = object()


def run_difference(there: Document, here: Document) -> list[str]:
    """What differs in the sections that decide the result, a line each; [] if nothing.

    >>> there, here = ({"recipe": {"training": {"epochs": n}}} for n in (60, 30))
    >>> run_difference(there, here)
    ['recipe.training.epochs: 60 there, 30 here']
    """
    return [
        f"{path}: {_show(old)} there, {_show(new)} here"
        for path, old, new in _differences(there, here)
    ]


def is_growth(there: Document, here: Document) -> bool:
    """Whether `here` is the same with more repeats: the members of `there` are kept.

    >>> a, b = ({"recipe": {"bag": {"n_repeats": n}}} for n in (4, 35))
    >>> is_growth(a, b), is_growth(b, a), is_growth(a, a)
    (True, False, False)
    """
    found = list(_differences(there, here))
    if [path for path, _, _ in found] != [_GROWING]:
        return False
    old, new = found[0][1:]
    return isinstance(old, int) and isinstance(new, int) and old < new


def _differences(there: Document, here: Document) -> Iterator[tuple[str, Any, Any]]:
    for section in SECTIONS:
        old, new = there.get(section, _ABSENT), here.get(section, _ABSENT)
        yield from _walk(section, _plain(old), _plain(new))


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if path in _IGNORED:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            one, other = old.get(key, _ABSENT), new.get(key, _ABSENT)
            yield from _walk(f"{path}.{key}", one, other)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(f"{path}[{i}]", one, other)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):  # 1 == True
        yield path, old, new


def _plain(value: Any) -> Any:
    return value if value is _ABSENT else plain(value)


def _show(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} values"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
