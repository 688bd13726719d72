"""The random views that a recipe names, and how workers elsewhere come by them.

Functions of a competition folder are found by name where the folder is. A worker need
not have it: they are packed with their code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from ensemble.bag.model import Views
from ensemble.catalog import load_hook, load_package


@dataclass(frozen=True)
class ViewHooks:
    """Where the random views of a recipe are found."""

    folder: Path
    augment: str
    columns: tuple[str, ...]
    n_test_views: int


def load_views(hooks: ViewHooks | None) -> Views | None:
    """The random views that a recipe names."""
    if hooks is None:
        return None
    augment: Any = load_hook(hooks.folder, hooks.augment)
    test_views = augment.test_views(hooks.n_test_views) if hooks.n_test_views else ()
    return Views(augment, hooks.columns, augment.n_uniform, tuple(test_views))


def pack_views(hooks: ViewHooks | None) -> bytes | None:
    """The views as bytes that `pickle.loads` takes where the folder is not."""
    if hooks is None:
        return None
    package = load_package(hooks.folder)
    cloudpickle.register_pickle_by_value(package)
    try:
        return bytes(cloudpickle.dumps(load_views(hooks)))
    finally:
        cloudpickle.unregister_pickle_by_value(package)
