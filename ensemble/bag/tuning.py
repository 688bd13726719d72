"""How a run is trained on the machines at hand: chosen once, and kept by the run.

It changes results by rounding alone (with `precision` = bfloat16: by its rounding), and
yet members of one bag should not differ in it: a resumed run goes on as it began.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensemble.bag.losses import n_outputs
from ensemble.bag.memory import GroupSize, Shape, choose_group_size, free_memory
from ensemble.bag.products import Choice, Products, choose_products, on_this_machine
from ensemble.bag.train import TrainingData
from ensemble.errors import UserError
from ensemble.recipe import Recipe


@dataclass(frozen=True)
class Tuning:
    """The way to multiply and the members of a group, with the reasons for both."""

    products: Products
    group_size: int
    reasons: Mapping[str, Any]

    def __str__(self) -> str:
        members = "member" if self.group_size == 1 else "members"
        return (
            f"groups of {self.group_size} {members}, products: {self.products}"
            f"{self._speeds()}"
        )

    def _speeds(self) -> str:
        measured = self.reasons.get("products", ())
        speeds = [f"{one['products']} {one['gflops']:,.0f}" for one in measured]
        return f" (GFLOP/s: {', '.join(speeds)})" if speeds else ""

    def record(self) -> dict[str, Any]:
        """As plain data, for run.json."""
        return {
            "products": self.products,
            "group_size": self.group_size,
            "reasons": dict(self.reasons),
        }


def recorded_tuning(record: Mapping[str, Any]) -> Tuning:
    """The tuning that a run was begun with."""
    return Tuning(record["products"], record["group_size"], record["reasons"])


def tune(
    recipe: Recipe,
    shape: Shape,
    n_workers: int,
    device: str,
    products: str | None = None,
    group_size: int | None = None,
    is_here: bool = True,
) -> Tuning:
    """Choose what is not given: products by measurement, group size from memory.

    Of workers that are not all on this machine (`is_here`), the memory is not known.
    """
    if group_size is not None and group_size < 1:
        raise UserError(f"--group-size {group_size} must be at least 1")
    reasons: dict[str, Any] = {}
    if products is None:
        choice = measure(recipe, device)
        products, reasons["products"] = choice.products, choice.record()["measured"]
    if group_size is None:
        free = free_memory(device, n_workers) if is_here else None
        size = group_size_of(recipe, shape, n_workers, device, free)
        group_size = size.n_members
        reasons["group_size"] = {
            "limit": size.reason,
            "bytes": size.bytes,
            "free": size.free,
        }
    return Tuning(must_be_known(products, device), group_size, reasons)


def measure(recipe: Recipe, device: str) -> Choice:
    """The fastest way to multiply that the recipe's precision allows."""
    training = recipe.training
    widest = max(recipe.network.hidden)
    return choose_products(training.precision, device, training.batch_size, widest)


def group_size_of(
    recipe: Recipe, shape: Shape, n_workers: int, device: str, free: int | None
) -> GroupSize:
    """How many members of the recipe's bag train together."""
    n_members = recipe.bag.n_members
    return choose_group_size(recipe, shape, n_members, n_workers, device, free)


def data_shape(recipe: Recipe, data: TrainingData) -> Shape:
    """What of the data a group's memory depends on."""
    n_labels = int(data.label_R.max()) + 1
    return Shape(
        n_rows=len(data.features_RI),
        n_test=len(data.test_TI),
        n_inputs=data.features_RI.shape[1],
        n_outputs=n_outputs(recipe.training.loss, n_labels),
    )


def must_be_known(products: str, device: str) -> Products:
    """A way to multiply by its name, if the device has it."""
    known = {str(name): name for name in on_this_machine(device)}
    if products not in known:
        raise UserError(
            f"--products {products} cannot be had on {device}, take {', '.join(known)}"
        )
    return known[products]


def must_agree(
    tuning: Tuning, products: str | None = None, group_size: int | None = None
) -> Tuning:
    """The tuning of a run that is there, if nothing else is asked for."""
    asked = {"products": products, "group-size": group_size}
    there = {"products": tuning.products, "group-size": tuning.group_size}
    for name, value in asked.items():
        if value not in (None, there[name]):
            raise UserError(
                f"--{name} {value}: this run was begun with {there[name]}, and its"
                " members must not differ in that; leave the option out, or start a"
                " new run"
            )
    return tuning
