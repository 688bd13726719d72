"""Where competitions are found: a folder each, with a `spec.py`.

`spec.py` holds `COMPETITION` and `RECIPES` (recipes by name, the first is the default).
Other modules of the folder hold the functions that the spec and the recipes name as
`module:function`; modules of one folder import each other relatively.
"""

import difflib
import hashlib
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ensemble.errors import UserError
from ensemble.recipe import Recipe
from ensemble.spec import Competition


@dataclass(frozen=True)
class Entry:
    """A competition folder: what is asked, and the recipes that attack it."""

    folder: Path
    competition: Competition
    recipes: Mapping[str, Recipe]

    def recipe(self, name: str | None = None) -> Recipe:
        """The recipe of that name, or the default one."""
        if name is None:
            return next(iter(self.recipes.values()))
        if name not in self.recipes:
            raise UserError(
                f"{self.competition.name} has no recipe '{name}'"
                f"{did_you_mean(name, list(self.recipes))}; it has"
                f" {', '.join(self.recipes)}"
            )
        return self.recipes[name]


def load_entry(name: str | Path) -> Entry:
    """The competition of that name, or the one in that folder."""
    folder = _find_folder(str(name))
    try:
        spec = _load_module(folder, "spec")
        return Entry(folder, spec.COMPETITION, spec.RECIPES)
    except Exception as error:
        raise UserError(
            f"{folder / 'spec.py'} cannot be used: {type(error).__name__}: {error}"
        ) from error


def list_entries() -> list[Entry]:
    """All competitions that can be run by name, sorted."""
    folders = {spec.parent.name: spec.parent for spec in _spec_files()}
    return [load_entry(folder) for _, folder in sorted(folders.items())]


def load_hook(folder: Path, name: str) -> Callable[..., Any]:
    """The function `module:function` of a competition's folder."""
    module, _, function = name.partition(":")
    if not (folder / f"{module}.py").is_file():
        raise UserError(
            f"'{name}' is named in a recipe, but {folder} has no {module}.py"
        )
    found = getattr(_load_module(folder, module), function, None)
    if not callable(found):
        raise UserError(f"{folder / module}.py has no function '{function}'")
    return found  # type: ignore[no-any-return]


def load_package(folder: Path) -> ModuleType:
    """The package that stands for a competition's folder."""
    name = "competition_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return sys.modules[name]


def code_sha256(folder: Path) -> str:
    """One checksum over the Python files of a competition's folder, spec.py left out.

    What spec.py says of a run is kept in the run, so that a recipe may be added to it.
    """
    digest = hashlib.sha256()
    for file in sorted(set(folder.glob("*.py")) - {folder / "spec.py"}):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def did_you_mean(word: str, known: list[str]) -> str:
    """ ", did you mean 'x'?" where something known is near, else nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _find_folder(name: str) -> Path:
    if (Path(name) / "spec.py").is_file():
        return Path(name).resolve()
    folders = {spec.parent.name: spec.parent for spec in _spec_files()}
    if name in folders:
        return folders[name]
    raise UserError(
        f"there is no competition '{name}'{did_you_mean(name, list(folders))};"
        f" known are {', '.join(sorted(folders)) or 'none'},"
        " or give a folder with a spec.py"
    )


def _spec_files() -> list[Path]:
    """Specs beside the package, then in the working folder, which win."""
    beside_package = Path(__file__).resolve().parent.parent
    return [
        spec
        for root in dict.fromkeys([beside_package, Path.cwd()])
        for spec in sorted((root / "competitions").glob("*/spec.py"))
    ]


def _load_module(folder: Path, name: str) -> ModuleType:
    """Import `folder/name.py` as part of the folder's package."""
    return importlib.import_module(f"{load_package(folder).__name__}.{name}")
