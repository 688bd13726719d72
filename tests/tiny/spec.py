"""A competition that trains in a moment."""

from ensemble.recipe import MLP, Bag, Inputs, Recipe, Training
from ensemble.spec import Competition

COMPETITION = Competition(
    name="tiny",
    title="Two hundred rows",
    task="binary",
    metric="ams",
    train_file="train.csv",
    test_file="test.csv",
    sample_file="sample_submission.csv",
    id="Id",
    target="Label",
    classes=("b", "s"),
    weight="Weight",
    features=("x0", "x1", "x2", "x3", "x4", "x5"),
    missing=(-999.0,),
    class_totals=(4000.0, 60.0),
    submission={"Id": "id", "Rank": "rank", "Class": "class"},
)

_QUICK = Recipe(
    name="quick",
    about="3 epochs, 8 members",
    bag=Bag(n_splits=2, n_repeats=4, seed=7),
    inputs=Inputs(features="features:with_product"),
    network=MLP(hidden=(8,), dropout=0.1),
    training=Training(epochs=3, batch_size=32, curve_points=2),
)

RECIPES = {"quick": _QUICK, "raw": _QUICK.model_copy(update={"name": "raw"})}
