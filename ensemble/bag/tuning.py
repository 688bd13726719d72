"""How a run is trained on the machines at hand: chosen once, and kept by the run.

It changes results by rounding alone (with `precision` = bfloat16: by its rounding).
All members of a bag are multiplied in one way; how many train together may change, and
does if the bag grows, or if another `--group-size` is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensemble.bag.in_bag import TrainingData
from ensemble.bag.losses import n_outputs
from ensemble.bag.memory import GroupSize, Shape, choose_group_size, free_memory
from ensemble.bag.products import Choice, Products, choose_products, on_this_machine
from ensemble.errors import UserError
from ensemble.recipe import Recipe


@dataclass(frozen=True)
class Tuning:
    """The way to multiply and the members of a group, with the reasons for both."""

    products: Products
    group_size: int
    n_members: int  # of the bag that it was chosen for
    reasons: Mapping[str, Any]

    def __str__(self) -> str:
        members = "member" if self.group_size == 1 else "members"
        return (
            f"groups of {self.group_size} {members}, products: {self.products}"
            f"{self._speeds()}"
        )

    def _speeds(self) -> str:
        measured = self.reasons.get("products", ())
        exact = [_speed(one) for one in measured if one["allowed"]]
        rough = [_speed(one) for one in measured if not one["allowed"]]
        told = ", ".join(exact)
        if rough:
            told += f"; with training.precision=bfloat16 also {', '.join(rough)}"
        return f" (GFLOP/s: {told})" if told else ""

    def record(self) -> dict[str, Any]:
        """As plain data, for run.json."""
        return {
            "products": self.products,
            "group_size": self.group_size,
            "n_members": self.n_members,
            "reasons": dict(self.reasons),
        }


def recorded_tuning(record: Mapping[str, Any]) -> Tuning:
    """The tuning that a run was begun with."""
    return Tuning(
        record["products"],
        record["group_size"],
        record["n_members"],
        record["reasons"],
    )


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
    reasons: dict[str, Any] = {}
    if products is None:
        choice = measure(recipe, device)
        products, reasons["products"] = choice.products, choice.record()
    if group_size is None:
        free = free_memory(device, n_workers) if is_here else None
        size = group_size_of(recipe, shape, n_workers, device, free)
        group_size = size.n_members
        reasons["group_size"] = {
            "limit": size.reason,
            "bytes": size.bytes,
            "free": size.free,
        }
    known = must_be_known(products, device)
    return Tuning(known, group_size, recipe.bag.n_members, reasons)


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


def must_agree(there: str, asked: str | None) -> str:
    """The products of a run that is there, if no others are asked for."""
    if asked not in (None, there):
        raise UserError(
            f"--products {asked}: this run was begun with {there}, and its members must"
            " not differ in that; leave the option out, or start a new run"
        )
    return there


def _speed(measured: Mapping[str, Any]) -> str:
    return f"{measured['products']} {measured['gflops']:,.0f}"
