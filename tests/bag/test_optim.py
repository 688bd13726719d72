import pytest
import torch
from torch import Generator

from ensemble.bag.bits import CountedBits
from ensemble.bag.networks.mlp import BagMLP
from ensemble.bag.optim import LANES, GroupOptimizer, momentum_at, rate_factor
from ensemble.recipe import SGD, AdamW, Exponential, OneCycle
from tests.reference import sgd_by_hand

MELIS = SGD(first_l1=5e-6, first_l2=5e-5)
DECAY = Exponential(factor=0.998**15)


def network(n_members: int = 2, **changes) -> BagMLP:
    generators = [Generator().manual_seed(m) for m in range(n_members)]
    bits = CountedBits(range(n_members), "cpu")
    return BagMLP(generators, bits, 5, 2, hidden=(6, 6), **changes)


def update(net: BagMLP, optimizer: GroupOptimizer, step: int, size: float = 1.0):
    """One update from random gradients, added as the layers would; the gradients."""
    torch.manual_seed(step)
    gradients = {}
    optimizer.begin(step)
    optimizer.prepare()
    by_layers = {id(p) for layer in net.layers for p in layer.parameters()}
    for name, parameter in net.named_parameters():
        gradients[name] = size * torch.randn_like(parameter)
        if id(parameter) in by_layers:
            parameter.grad.mul_(net.layers[0].keep)
        parameter.grad += gradients[name]
    optimizer.update()
    return gradients


@pytest.mark.parametrize("periodic_std", [None, 0.3])
def test_sgd_is_the_update_as_its_author_wrote_it(periodic_std):
    net = network(periodic_std=periodic_std)
    optimizer = GroupOptimizer(net, MELIS, DECAY, n_epochs=4, steps_per_epoch=3)
    w = {name: p.detach().clone() for name, p in net.named_parameters()}
    v = {name: torch.zeros_like(p) for name, p in w.items()}
    for step in range(12):
        for name, gradient in update(net, optimizer, step).items():
            w[name], v[name] = sgd_by_hand(
                w[name],
                v[name],
                gradient,
                step // 3,
                MELIS,
                DECAY.factor,
                first=name == "layers.0.weight_MIO",
            )
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.detach(), w[name])


def test_only_first_layer_weights_are_penalised():
    net = network(bias_std=1.0)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = GroupOptimizer(
        net, SGD(first_l2=0.1), Exponential(), n_epochs=1, steps_per_epoch=1
    )
    update(net, optimizer, 0, size=0.0)
    moved = [n for n, p in net.named_parameters() if not torch.equal(p, before[n])]
    assert moved == ["layers.0.weight_MIO"]


def test_adamw_decays_weights_and_not_biases():
    net = network(bias_std=1.0)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    recipe = AdamW(learning_rate=0.1, weight_decay=0.5)
    optimizer = GroupOptimizer(net, recipe, Exponential(), 1, 1)
    update(net, optimizer, 0, size=0.0)
    for name, parameter in net.named_parameters():
        factor = 0.95 if "weight" in name else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_adamw_is_torchs_own_for_each_member_alone():
    net, recipe = network(n_members=3), AdamW(learning_rate=0.01)
    cycle = OneCycle()
    optimizer = GroupOptimizer(net, recipe, cycle, n_epochs=2, steps_per_epoch=4)
    alone = [
        {
            n: torch.nn.Parameter(p[m].detach().clone())
            for n, p in net.named_parameters()
        }
        for m in range(3)
    ]
    singles = [
        torch.optim.AdamW(
            [
                {"params": [p], "weight_decay": 0.01 if "weight" in n else 0.0}
                for n, p in one.items()
            ],
            lr=1.0,
        )
        for one in alone
    ]
    for step in range(8):
        gradients = update(net, optimizer, step)
        for m, (one, single) in enumerate(zip(alone, singles, strict=True)):
            for name, parameter in one.items():
                parameter.grad = gradients[name][m]
            for group in single.param_groups:
                group["lr"] = 0.01 * rate_factor(cycle, step, 4, 2)
            single.step()
    for name, parameter in net.named_parameters():
        for m in range(3):
            torch.testing.assert_close(parameter[m], alone[m][name])


def test_weights_and_gradients_of_a_group_lie_in_one_piece():
    net = network(n_members=3)
    optimizer = GroupOptimizer(net, MELIS, DECAY, n_epochs=4, steps_per_epoch=3)
    before = [p.detach().clone() for p in net.parameters()]
    with torch.no_grad():
        for flat in (optimizer.weights, optimizer.others):
            assert len(flat) % LANES == 0
            flat += 1
            flat.grad += 2
    for parameter, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter.detach(), old + 1)
        assert (parameter.grad == 2).all()


def test_the_winning_schedule_reaches_its_ends():
    assert momentum_at(MELIS, 0) == 0.5
    assert momentum_at(MELIS, 50) == pytest.approx(0.745)
    assert momentum_at(MELIS, 100) == momentum_at(MELIS, 199) == 0.99
    assert rate_factor(DECAY, 83 * 10 + 5, 83, 200) == pytest.approx(0.998**150)


def test_one_cycle_rises_and_falls_smoothly():
    cycle = OneCycle(start=0.04, warmup=0.3, end=0.001)
    rates = [rate_factor(cycle, step, 10, 10) for step in range(100)]
    top = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.04)
    assert rates[top] == 1.0
    assert top == 30
    assert sorted(rates[:top]) == rates[:top]
    assert sorted(rates[top:], reverse=True) == rates[top:]
    assert rates[-1] < 0.005
