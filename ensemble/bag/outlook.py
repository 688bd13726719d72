"""What the recipes of a competition would take on this machine: groups and memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from ensemble.bag.inputs import make_features, make_labels
from ensemble.bag.losses import n_outputs
from ensemble.bag.memory import MIB, Shape, count_weights, free_memory
from ensemble.bag.products import Choice
from ensemble.bag.tuning import group_size_of, measure
from ensemble.catalog import Entry
from ensemble.data.examples import Examples
from ensemble.recipe import Recipe

FEW_ROWS = 100  # tell how many inputs a recipe makes


@dataclass(frozen=True)
class Outlook:
    """How the members of a recipe would be trained."""

    recipe: str
    n_members: int
    n_weights: int
    group_size: int
    bytes: int
    free: int | None
    limit: str
    choice: Choice


def look_ahead(
    entry: Entry, train: Examples, test: Examples, n_workers: int, device: str
) -> list[Outlook]:
    """An outlook for each recipe, with so many workers."""
    outlooks = []
    for recipe in entry.recipes.values():
        shape = _shape(entry, recipe, train, test)
        free = free_memory(device, n_workers)
        size = group_size_of(recipe, shape, n_workers, device, free)
        outlooks.append(
            Outlook(
                recipe=recipe.name,
                n_members=recipe.bag.n_members,
                n_weights=count_weights(recipe.network, shape),
                group_size=size.n_members,
                bytes=size.bytes,
                free=size.free,
                limit=size.reason,
                choice=measure(recipe, device),
            )
        )
    return outlooks


def outlook_table(outlooks: Iterable[Outlook], n_workers: int) -> Table:
    """The same for a terminal; memory is that of one worker."""
    outlooks = list(outlooks)
    table = Table(
        title=_title(outlooks, n_workers),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )
    table.add_column("recipe", no_wrap=True)
    for name in ("members", "weights", "group", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("products", no_wrap=True)
    for one in outlooks:
        table.add_row(
            one.recipe,
            str(one.n_members),
            f"{one.n_weights:,}",
            f"{one.group_size}{' (memory)' * (one.limit == 'memory')}",
            f"{one.bytes / MIB:,.0f} MiB",
            one.choice.products,
        )
    return table


def _title(outlooks: Sequence[Outlook], n_workers: int) -> str:
    workers = "1 worker" if n_workers == 1 else f"{n_workers} workers"
    known = [one.free for one in outlooks if one.free is not None]
    if not known:
        return f"training with {workers}"
    return f"training with {workers}, {min(known) / MIB:,.0f} MiB free for each"


def _shape(entry: Entry, recipe: Recipe, train: Examples, test: Examples) -> Shape:
    inputs = make_features(entry.folder, recipe, train.features.head(FEW_ROWS))
    n_labels = int(make_labels(entry, recipe, train).max()) + 1
    return Shape(
        n_rows=len(train),
        n_test=len(test),
        n_inputs=inputs.shape[1],
        n_outputs=n_outputs(recipe.training.loss, n_labels),
    )
