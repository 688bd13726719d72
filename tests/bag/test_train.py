"""Members in groups against members alone, and against plain torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ensemble.bag.bits import CountedBits
from ensemble.bag.in_bag import TrainingData
from ensemble.bag.inference import predict
from ensemble.bag.layers import BagDropout
from ensemble.bag.losses import example_losses, positive_score
from ensemble.bag.model import Views, load_members
from ensemble.bag.networks.mlp import BagMLP
from ensemble.bag.plan import plan_bag
from ensemble.bag.streams import RowOrder, member_stream
from ensemble.bag.train import train_group
from ensemble.recipe import (
    MLP,
    SGD,
    AdamW,
    Bag,
    Emphasis,
    Exponential,
    Inputs,
    Recipe,
    Training,
)
from tests.reference import forward_by_hand

MEMBERS = plan_bag(n_splits=2, n_repeats=4, seed=3)


def make_data(n: int = 240, n_test: int = 30) -> TrainingData:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, n)
    features = rng.normal(target[:, None], 1.5, (n, 6)).astype(np.float32)
    features[rng.random((n, 6)) < 0.1] = np.nan
    folds = np.stack([rng.permutation(np.arange(n) % 2) for _ in range(4)])
    return TrainingData(
        features_RI=features,
        target_R=target,
        label_R=target,
        weight_R=rng.exponential(size=n) + 0.1,
        folds_QR=folds.astype(np.int16),
        test_TI=rng.normal(0.5, 1.5, (n_test, 6)).astype(np.float32),
    )


DATA = make_data()
MELIS = Recipe(
    name="melis",
    bag=Bag(n_splits=2, n_repeats=4),
    network=MLP(
        hidden=(12, 12),
        activation="max_channel",
        inputs_per_unit=3,
        weight_std=0.3,
        bias_std=0.1,
    ),
    training=Training(
        epochs=3,
        batch_size=20,
        optimizer=SGD(first_l1=5e-6, first_l2=5e-5),
        schedule=Exponential(factor=0.97),
        emphasis=Emphasis(first_epoch=1, every=1),
    ),
)
MODERN = Recipe(
    name="modern",
    bag=Bag(n_splits=2, n_repeats=4),
    inputs=Inputs(noise=0.1, clip=3.0),
    network=MLP(hidden=(9, 9), activation="silu", dropout=0.2, dense=True),
    training=Training(
        epochs=3, batch_size=20, loss="binary_cross_entropy", weight_power=0.5
    ),
)
PERIODIC = MODERN.model_copy(
    update={"network": MLP(hidden=(9,), activation="relu", periodic_std=0.3)}
)
RECIPES = pytest.mark.parametrize(
    "recipe", [MELIS, MODERN, PERIODIC], ids=["melis", "modern", "periodic"]
)


def turned(x, columns, uniform):
    angle = 2 * torch.pi * uniform[..., 0]
    a, b = x[..., 0], x[..., 1]
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.cat(
        [
            torch.stack([cos * a - sin * b, sin * a + cos * b], dim=-1),
            x[..., 2:],
        ],
        dim=-1,
    )


VIEWS = Views(turned, tuple("abcdef"), n_uniform=1, test_views=((0.0,), (0.25,)))


@RECIPES
@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
@pytest.mark.parametrize("indices", [[0], [5], [2, 3], [4, 5, 6, 7]], ids=str)
def test_a_member_is_the_same_in_any_group(recipe, views, indices):
    together = train_group(DATA, MEMBERS, recipe, views)
    group = train_group(DATA, [MEMBERS[i] for i in indices], recipe, views)
    for trained in group:
        twin = together[trained.member.index]
        np.testing.assert_allclose(trained.oof_P, twin.oof_P, atol=1e-5)
        np.testing.assert_allclose(trained.test_T, twin.test_T, atol=1e-5)
        for name, weight in trained.weights.items():
            np.testing.assert_allclose(weight, twin.weights[name], atol=1e-5)


@RECIPES
def test_the_same_group_twice_is_the_same_to_the_bit(recipe):
    first, second = (train_group(DATA, MEMBERS[:4], recipe, VIEWS) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.oof_P.tobytes() == other.oof_P.tobytes()
        assert one.test_T.tobytes() == other.test_T.tobytes()
        for name in one.weights:
            assert one.weights[name].tobytes() == other.weights[name].tobytes()


@RECIPES
def test_members_differ_from_each_other(recipe):
    trained = train_group(DATA, MEMBERS, recipe)
    tests = {member.test_T.tobytes() for member in trained}
    assert len(tests) == len(MEMBERS)


@RECIPES
def test_a_member_does_not_see_the_rows_it_leaves_out(recipe):
    held_out = DATA.out_of_bag(MEMBERS[0])
    features, target = DATA.features_RI.copy(), DATA.target_R.copy()
    features[held_out] *= 100
    target[held_out] = 1 - target[held_out]
    weight = DATA.weight_R.copy()
    weight[held_out] *= 7
    changed = replace(
        DATA, features_RI=features, target_R=target, label_R=target, weight_R=weight
    )
    before = train_group(DATA, MEMBERS[:1], recipe)[0]
    after = train_group(changed, MEMBERS[:1], recipe)[0]
    for name in before.weights:
        assert before.weights[name].tobytes() == after.weights[name].tobytes()


@RECIPES
def test_saved_members_predict_what_they_predicted(recipe):
    trained = train_group(DATA, MEMBERS[:3], recipe, VIEWS)
    model = load_members(recipe, [member.weights for member in trained], VIEWS)
    scores_MT = predict(model, torch.from_numpy(DATA.test_TI)).numpy()
    for m, member in enumerate(trained):
        np.testing.assert_allclose(scores_MT[m], member.test_T, atol=1e-6)


def test_prediction_is_the_network_written_out():
    trained = train_group(DATA, MEMBERS[:1], MODERN)[0]
    w = {name: torch.from_numpy(array) for name, array in trained.weights.items()}
    x = torch.from_numpy(DATA.test_TI)
    z = (x - w["standardize.mean_MI"]) / w["standardize.scale_MI"]
    z = z / torch.sqrt(1 + z.square() / 9)
    h1 = torch.nn.functional.silu(
        z @ w["network.layers.0.weight_MIO"] + w["network.layers.0.bias_MO"]
    )
    seen = torch.cat([z, h1], dim=1)
    h2 = torch.nn.functional.silu(
        seen @ w["network.layers.1.weight_MIO"] + w["network.layers.1.bias_MO"]
    )
    seen = torch.cat([seen, h2], dim=1)
    output = seen @ w["network.layers.2.weight_MIO"] + w["network.layers.2.bias_MO"]
    expected = torch.sigmoid(output[:, 0])
    np.testing.assert_allclose(trained.test_T, expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "silu", "max_channel", "maxout"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_those_of_one_network_after_another(activation, dropout):
    generators = [torch.Generator().manual_seed(m) for m in range(3)]
    shape = {"hidden": (6, 6), "activation": activation, "dropout": dropout}
    net = BagMLP(generators, CountedBits([7, 8, 9], "cpu"), 5, 2, **shape)
    x_MNI = torch.randn(3, 8, 5)
    net(x_MNI).square().sum().backward()

    by_hand = {
        "relu": torch.relu,
        "silu": torch.nn.functional.silu,
        "max_channel": lambda x: (
            x * (x.view(-1, 3, 2) == x.view(-1, 3, 2).amax(1, keepdim=True)).view_as(x)
        ),
        "maxout": lambda x: x.view(-1, 3, 2).amax(1),
    }[activation]
    n_units = 2 if activation == "maxout" else 6
    again = BagDropout(dropout, CountedBits([7, 8, 9], "cpu"))
    masks = [drawn < again.threshold for drawn in again.draw(8, [n_units, n_units])]
    for m in range(3):
        weights = [
            layer.weight_MIO[m].detach().requires_grad_() for layer in net.layers
        ]
        biases = [layer.bias_MO[m].detach().requires_grad_() for layer in net.layers]
        kept = None if dropout == 0 else [mask[m] for mask in masks]
        scale = 256 / again.threshold
        y = forward_by_hand(weights, biases, x_MNI[m], by_hand, kept, scale)
        y.square().sum().backward()
        for layer, weight, bias in zip(net.layers, weights, biases, strict=True):
            torch.testing.assert_close(layer.weight_MIO.grad[m], weight.grad)
            torch.testing.assert_close(layer.bias_MO.grad[m], bias.grad)


def test_the_winning_network_has_its_number_of_parameters():
    one = [torch.Generator()]
    net = BagMLP(one, CountedBits([1], "cpu"), 35, 2, hidden=(600, 600, 600))
    assert sum(p.numel() for p in net.parameters()) == 744_002


def test_dense_connections_give_the_published_number_of_parameters():
    """LUMIN's network: 32 inputs beside an embedding of 4 x 3, which is not ours."""
    one = [torch.Generator()]
    net = BagMLP(one, CountedBits([1], "cpu"), 33, 1, hidden=(33,) * 6, dense=True)
    widths = [33 * layer for layer in range(1, 8)]
    expected = sum(w * 33 + 33 for w in widths[:6]) + widths[6] + 1
    assert sum(p.numel() for p in net.parameters()) == expected


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "squared"])
def test_each_loss_learns_to_tell_the_classes(loss):
    training = Training(
        epochs=20, batch_size=20, loss=loss, optimizer=AdamW(learning_rate=0.01)
    )
    recipe = MODERN.model_copy(update={"training": training})
    trained = train_group(DATA, MEMBERS[:1], recipe)[0]
    rows = DATA.out_of_bag(MEMBERS[0])
    positive = DATA.target_R[rows] == 1
    assert trained.oof_P[positive].mean() > trained.oof_P[~positive].mean() + 0.2
    assert (trained.oof_P >= 0).all()
    assert (trained.oof_P <= 1).all()


def test_cross_entropy_of_two_outputs_is_that_of_their_difference():
    outputs, target = torch.randn(2, 7, 2), torch.randint(2, (2, 7))
    one = (outputs[..., 1] - outputs[..., 0])[..., None]
    torch.testing.assert_close(
        example_losses("cross_entropy", outputs, target),
        example_losses("binary_cross_entropy", one, target),
    )
    negative, positive = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    votes = negative.expand(2, 2), positive.expand(2, 2)
    torch.testing.assert_close(
        positive_score("cross_entropy", outputs, *votes),
        positive_score("binary_cross_entropy", one, *votes),
    )


STRATA = replace(DATA, label_R=2 * DATA.target_R + (DATA.weight_R > 0.7))


def test_strata_are_learned_and_summed():
    training = Training(epochs=20, batch_size=20, optimizer=AdamW(learning_rate=0.01))
    recipe = MODERN.model_copy(update={"training": training})
    trained = train_group(STRATA, MEMBERS[:2], recipe)
    assert trained[0].weights["network.layers.2.bias_MO"].shape == (4,)
    rows = STRATA.out_of_bag(MEMBERS[0])
    positive = STRATA.target_R[rows] == 1
    assert trained[0].oof_P[positive].mean() > trained[0].oof_P[~positive].mean() + 0.2
    model = load_members(recipe, [member.weights for member in trained])
    scores_MT = predict(model, torch.from_numpy(STRATA.test_TI)).numpy()
    np.testing.assert_allclose(scores_MT[1], trained[1].test_T, atol=1e-6)


def test_tempered_weights_do_not_bend_the_probability_of_a_class():
    """A network that knows nothing answers 1/2, both classes weighing the same."""
    blind = replace(STRATA, features_RI=np.zeros_like(DATA.features_RI))
    for power in (1.0, 0.5, 0.0):
        training = Training(
            epochs=60,
            batch_size=40,
            weight_power=power,
            balance_classes=False,
            optimizer=AdamW(learning_rate=0.02),
        )
        recipe = MODERN.model_copy(
            update={"training": training, "network": MLP(hidden=(4,), dropout=0.0)}
        )
        trained = train_group(blind, MEMBERS[:1], recipe)[0]
        assert trained.oof_P.mean() == pytest.approx(0.5, abs=0.03)


@RECIPES
@pytest.mark.parametrize("products", ["onednn", "bfloat16"])
def test_other_ways_to_multiply_come_close(recipe, products):
    exact = train_group(DATA, MEMBERS[:2], recipe)
    rough = train_group(DATA, MEMBERS[:2], recipe, products=products)
    for one, other in zip(exact, rough, strict=True):
        assert np.abs(one.oof_P - other.oof_P).mean() < 0.05
    if products == "bfloat16":  # onednn computes in float32 where nothing else is there
        assert not np.array_equal(exact[0].oof_P, rough[0].oof_P)


@RECIPES
def test_what_was_trained_in_bfloat16_predicts_in_float32(recipe):
    trained = train_group(DATA, MEMBERS[:2], recipe, products="bfloat16")
    model = load_members(recipe, [member.weights for member in trained])
    scores_MT = predict(model, torch.from_numpy(DATA.test_TI)).numpy()
    np.testing.assert_allclose(scores_MT[1], trained[1].test_T, atol=1e-6)


def test_training_leaves_the_ways_of_the_process_as_they_were():
    def ways():
        tiny = torch.tensor(1e-30) * torch.tensor(1e-10)
        return float(tiny) > 0, torch.backends.mkldnn.matmul.fp32_precision

    before = ways()
    train_group(DATA, MEMBERS[:1], MELIS, products="onednn")
    assert ways() == before


def test_a_member_whose_loss_explodes_fails_by_name_and_the_others_go_on():
    only_second = np.setdiff1d(DATA.in_bag(MEMBERS[1]), DATA.in_bag(MEMBERS[0]))
    features = DATA.features_RI.copy()
    features[only_second[0], 0] = 12345.0

    def explode(x, columns, uniform):
        return torch.where(x == 12345.0, torch.inf, x)

    spoilt = replace(DATA, features_RI=features)
    views = Views(explode, tuple("abcdef"), n_uniform=1)
    good, bad = train_group(spoilt, MEMBERS[:2], MODERN, views)
    assert good.failed is None
    assert bad.failed is not None
    assert "loss became" in bad.failed
    assert "epoch 1" in bad.failed
    assert np.isfinite(good.test_T).all()


def test_each_pass_shows_every_row_once():
    order = RowOrder(np.arange(100, 110), member_stream(MEMBERS[0], "order"))
    seen = np.concatenate([order.take(7) for _ in range(10)])
    for start in range(0, 70, 10):
        assert sorted(seen[start : start + 10]) == list(range(100, 110))


def test_on_epoch_hears_of_each_epoch_and_can_stop():
    heard = []
    train_group(DATA, MEMBERS[:1], MELIS, on_epoch=lambda e, loss: heard.append(e))
    assert heard == [1, 2, 3]

    class StopNowError(Exception):
        pass

    def stop(epoch, loss):
        raise StopNowError

    with pytest.raises(StopNowError):
        train_group(DATA, MEMBERS[:1], MELIS, on_epoch=stop)


def test_the_learning_curve_is_measured_on_rows_left_out():
    trained = train_group(DATA, MEMBERS[:1], MELIS)[0]
    curve = trained.record["curve"]
    assert curve["epoch"] == [1, 2, 3]
    rows = DATA.out_of_bag(MEMBERS[0])
    p = np.where(DATA.target_R[rows] == 1, trained.oof_P, 1 - trained.oof_P)
    weight = DATA.weight_R[rows] * (
        1 / np.bincount(
            DATA.target_R[DATA.in_bag(MEMBERS[0])],
            DATA.weight_R[DATA.in_bag(MEMBERS[0])],
        )
    )[DATA.target_R[rows]]  # fmt: skip
    expected = np.average(-np.log(p), weights=weight)
    assert curve["oof_loss"][-1] == pytest.approx(expected, rel=1e-4)
