"""How a competition is attacked: splits, inputs, network, training, rule.

All values that change the result are here; `--set training.epochs=5` changes one.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ensemble.spec import Frozen

Fraction = Annotated[float, Field(ge=0, lt=1)]


class Bag(Frozen):
    """Repeated stratified k-fold: `n_splits * n_repeats` members.

    More repeats leave the earlier members as they are.
    """

    n_splits: int = Field(2, ge=2, description="folds of a repeat, a member each")
    n_repeats: PositiveInt = Field(4, description="how often the rows are split anew")
    seed: NonNegativeInt = Field(0, description="of folds, weights, masks and order")
    min_members: PositiveInt = Field(
        1, description="with fewer members left than this the bag fails"
    )

    @property
    def n_members(self) -> int:
        return self.n_splits * self.n_repeats


class Inputs(Frozen):
    """From raw columns to what a network sees.

    `features` and `augment` name functions `module:function` of the competition's
    folder. Means and scales are fitted on each member's own training rows.
    """

    features: str | None = Field(None, description="row-wise; raw columns as they are")
    balanced: bool = Field(
        True, description="weigh both classes alike in means and scales"
    )
    augment: str | None = Field(None, description="random views of a batch")
    test_views: NonNegativeInt = Field(
        0, description="predictions are means over this many views; 0: as measured"
    )
    clip: PositiveFloat | None = Field(
        None, description="standardised z becomes z / sqrt(1 + (z / clip)^2)"
    )
    noise: NonNegativeFloat = Field(
        0.0, description="standard deviation of noise added to standardised inputs"
    )


class MLP(Frozen):
    """A dropout multilayer perceptron."""

    hidden: tuple[PositiveInt, ...] = Field(
        (600, 600, 600), description="units of each hidden layer"
    )
    activation: Literal["relu", "silu", "max_channel", "maxout"] = Field(
        "relu", description="max_channel: all but a group's greatest become 0"
    )
    group_size: PositiveInt = Field(3, description="units that compete in max-channel")
    dropout: Annotated[float, Field(ge=0, le=0.99)] = Field(
        0.5, description="after each hidden layer"
    )
    inputs_per_unit: PositiveInt | None = Field(
        None, description="a first-layer unit sees at most so many inputs"
    )
    dense: bool = Field(False, description="each layer sees all earlier layers too")
    periodic_std: PositiveFloat | None = Field(
        None, description="spread of the frequencies of periodic embeddings; none: off"
    )
    n_frequencies: PositiveInt = Field(16, description="of each input's embedding")
    n_periodic: PositiveInt = Field(4, description="outputs of each input's embedding")
    weight_std: PositiveFloat | None = Field(
        None,
        description="standard deviation of first weights; by default sqrt(2 / I), and"
        " a tenth of sqrt(1 / I) in the last layer",
    )
    bias_std: NonNegativeFloat = Field(
        0.0, description="standard deviation of first biases"
    )

    @model_validator(mode="after")
    def _groups_must_fit(self) -> Self:
        if self.activation in ("max_channel", "maxout"):
            odd = [size for size in self.hidden if size % self.group_size]
            if odd:
                raise ValueError(
                    f"{self.activation} takes hidden sizes that group_size"
                    f" {self.group_size} divides, not {odd[0]}"
                )
        return self


class Exponential(Frozen):
    """The learning rate times `factor` after each epoch."""

    kind: Literal["exponential"] = "exponential"
    factor: float = Field(1.0, gt=0, le=1, description="1: constant")


class OneCycle(Frozen):
    """Up from `start` x the rate over the first `warmup` of all steps, then down.

    Both ways along half a cosine; down to `end` x the rate. Smith, "Super-convergence",
    2018.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    start: PositiveFloat = Field(0.04, description="times the learning rate")
    warmup: float = Field(0.3, gt=0, lt=1, description="share of all steps")
    end: NonNegativeFloat = Field(0.0, description="times the learning rate")


class SGD(Frozen):
    """Momentum SGD: v <- m v + g + penalties, w <- w - rate (1 - m) v."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: PositiveFloat = Field(1.0, description="before the schedule")
    momentum: tuple[Fraction, Fraction] = Field(
        (0.5, 0.99), description="from, to: linear over `momentum_epochs`"
    )
    momentum_epochs: PositiveInt = Field(100, description="constant after these")
    first_l1: NonNegativeFloat = Field(0.0, description="on first-layer weights only")
    first_l2: NonNegativeFloat = Field(0.0, description="on first-layer weights only")
    weight_decay: NonNegativeFloat = Field(0.0, description="L2 on all weights")


class AdamW(Frozen):
    """Adam with decoupled weight decay. Loshchilov and Hutter, 2019."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: PositiveFloat = Field(1e-3, description="before the schedule")
    betas: tuple[Fraction, Fraction] = Field(
        (0.9, 0.999), description="decay of the means of gradients and their squares"
    )
    weight_decay: NonNegativeFloat = Field(0.01, description="on weights, not biases")


class Emphasis(Frozen):
    """Examples near the selection boundary weigh more.

    From `first_epoch`, every `every` epochs, a member ranks its training rows by its
    present prediction; the weight is 1 below the first of `quantiles`, rises to
    `factor` at the second, stays until the third, and is 1 again from the fourth on.
    Each class keeps its total weight. (G. Melis' code for the 2014 Higgs challenge.)
    """

    first_epoch: NonNegativeInt = Field(60, description="of the first ranking")
    every: PositiveInt = Field(20, description="epochs between rankings")
    quantiles: tuple[float, float, float, float] = Field(
        (0.80, 0.82, 0.88, 0.90), description="corners of the weight, lowest rank 0"
    )
    factor: PositiveFloat = Field(2.0, description="the greatest weight")


class Training(Frozen):
    """One epoch is as many batches as fill a training fold of average size."""

    epochs: PositiveInt = Field(30, description="all are trained, none stops early")
    batch_size: PositiveInt = Field(256, description="rows of a step, for each member")
    loss: Literal["cross_entropy", "binary_cross_entropy", "squared"] = Field(
        "cross_entropy", description="mean over a batch, rows weighted"
    )
    learn: Literal["classes", "strata"] = Field(
        "classes",
        description="what networks tell apart: the classes, or (with cross_entropy) the"
        " weight strata in them, whose probabilities are then summed",
    )
    balance_classes: bool = Field(True, description="both classes get the same weight")
    weight_power: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="weights to this power: below 1, heavy rows count less"
    )
    optimizer: Annotated[SGD | AdamW, Field(discriminator="kind")] = AdamW()
    schedule: Annotated[Exponential | OneCycle, Field(discriminator="kind")] = (
        OneCycle()
    )
    emphasis: Emphasis | None = Field(
        None, description="weigh examples near the selection boundary more"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of matrix products; float32 elsewhere"
    )
    curve_points: NonNegativeInt = Field(
        10, description="how often the learning curve is measured on out-of-fold rows"
    )


class TopFraction(Frozen):
    """The rows with the highest scores are called positive.

    The fraction is the middle of the plateau of the smoothed out-of-fold metric, or
    `fraction` where one is given. How smooth, the rows decide.
    """

    kind: Literal["top_fraction"] = "top_fraction"
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="a given share of the rows; none: chosen out-of-fold"
    )


class Recipe(Frozen):
    """How a competition is attacked, written whole into the run."""

    name: str = Field(description="becomes a part of the run folder's name")
    about: str = Field("", description="one line for `ensemble list`")
    bag: Bag = Bag()
    inputs: Inputs = Inputs()
    network: MLP = MLP()
    training: Training = Training()
    rule: TopFraction = TopFraction()
