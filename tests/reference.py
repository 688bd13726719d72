"""Slow and obvious twins of what the package does fast."""

import csv
import gzip
import itertools
import math
import re

import numpy as np
import torch
from torch import Tensor

from ensemble.bag.bits import CountedBits
from ensemble.bag.streams import member_stream, use_seed
from ensemble.recipe import SGD
from ensemble.validation.metrics import ams

# --- validation: metrics -----------------------------------------------------------


def slow_ams_curve(score, is_signal, weight):
    """One `ams` for each number of selected rows; of equal scores the earlier first."""
    order = sorted(range(len(score)), key=lambda row: (-score[row], row))
    values = []
    for k in range(len(score) + 1):
        selected = np.isin(np.arange(len(score)), order[:k])
        values.append(ams(selected, is_signal, weight))
    return np.array(values)


def slow_auc(score, is_positive, weight):
    """The share of pairs in the right order, ties half, each by its two weights."""
    right = pairs = 0.0
    for i, j in itertools.product(range(len(score)), repeat=2):
        if is_positive[i] and not is_positive[j]:
            pairs += weight[i] * weight[j]
            right += weight[i] * weight[j] * (score[i] > score[j])
            right += weight[i] * weight[j] * (score[i] == score[j]) / 2
    return right / pairs if pairs > 0 else np.nan


# --- competitions/higgs/kinematics.py: one event at a time, in plain numbers ---------


def derive_one_event(row: dict[str, float]) -> dict[str, float]:
    """The DER_* columns of one event, from its PRI_* columns; nan where undefined."""
    names = {"t": "tau", "l": "lep", "1": "jet_leading", "2": "jet_subleading"}
    pt, eta, phi = (
        {key: row[f"PRI_{name}_{part}"] for key, name in names.items()}
        for part in ("pt", "eta", "phi")
    )
    met, met_phi = row["PRI_met"], row["PRI_met_phi"]
    n_jets = sum(not math.isnan(pt[jet]) for jet in "12")

    def pair_mass(a: str, b: str) -> float:
        opening = math.cosh(eta[a] - eta[b]) - math.cos(phi[a] - phi[b])
        return math.sqrt(2 * pt[a] * pt[b] * opening)

    def length(keys: str) -> float:
        x = met * math.cos(met_phi) + sum(pt[k] * math.cos(phi[k]) for k in keys)
        y = met * math.sin(met_phi) + sum(pt[k] * math.sin(phi[k]) for k in keys)
        return math.sqrt(x * x + y * y)

    angle = abs(phi["t"] - phi["l"])
    angle = min(angle, 2 * math.pi - angle)
    sign = -1 if math.sin(phi["t"] - phi["l"]) < 0 else 1
    a = sign * math.sin(met_phi - phi["l"])
    b = sign * math.sin(phi["t"] - met_phi)
    derived = {
        "DER_mass_transverse_met_lep": math.sqrt(
            2 * pt["l"] * met * (1 - math.cos(phi["l"] - met_phi))
        ),
        "DER_mass_vis": pair_mass("t", "l"),
        "DER_pt_h": length("tl"),
        "DER_deltaeta_jet_jet": math.nan,
        "DER_mass_jet_jet": math.nan,
        "DER_prodeta_jet_jet": math.nan,
        "DER_deltar_tau_lep": math.sqrt((eta["t"] - eta["l"]) ** 2 + angle**2),
        "DER_pt_tot": length("tl12"[: 2 + n_jets]),
        "DER_sum_pt": pt["t"] + pt["l"] + row["PRI_jet_all_pt"],
        "DER_pt_ratio_lep_tau": pt["l"] / pt["t"],
        "DER_met_phi_centrality": (a + b) / math.sqrt(a * a + b * b),
        "DER_lep_eta_centrality": math.nan,
    }
    if n_jets == 2:
        gap, middle = eta["1"] - eta["2"], (eta["1"] + eta["2"]) / 2
        derived["DER_deltaeta_jet_jet"] = abs(gap)
        derived["DER_mass_jet_jet"] = pair_mass("1", "2")
        derived["DER_prodeta_jet_jet"] = eta["1"] * eta["2"]
        derived["DER_lep_eta_centrality"] = math.exp(
            -4 / gap**2 * (eta["l"] - middle) ** 2
        )
    return derived


# --- ensemble.data.tables -------------------------------------------------------------


def read_table_row_by_row(path, numeric, text, missing):
    """The columns of a CSV file that has no faults; ValueError where it has some."""
    number = re.compile(r"[ \t\v\f]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
    opened = gzip.open if path.suffix == ".gz" else open
    columns = {name: [] for name in [*text, *numeric]}
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for name in text:
                columns[name].append(row[name])
            for name in numeric:
                cell = row[name]
                value = math.nan if cell == "" else float(cell)
                strange = "_" in cell or not number.match(cell or "0")
                if strange or math.isinf(value):
                    raise ValueError(cell)
                columns[name].append(math.nan if value in missing else value)
    kinds = dict.fromkeys(text, object) | dict.fromkeys(numeric, float)
    return {name: np.array(cells, kinds[name]) for name, cells in columns.items()}


# --- validation: scores ------------------------------------------------------------


def slow_score_of_mean(oof_MN, target, weight, function):
    """The score of each row's mean over the members that predicted it."""
    kept, means = [], []
    for row in range(oof_MN.shape[1]):
        known = [value for value in oof_MN[:, row].tolist() if value == value]
        if known:
            kept.append(row)
            means.append(sum(known) / len(known))
    return function(np.array(means), target[kept], weight[kept])


# --- bag: one network after another, in plain torch --------------------------------


def max_channel_by_hand(x: Tensor, group_size: int) -> Tensor:
    """The largest of units g, g + G, g + 2 G, ... passes (of a tie all), others not."""
    y = torch.zeros_like(x)
    n_groups = x.shape[-1] // group_size
    for index in np.ndindex(*x.shape):
        group = x[index[:-1]][index[-1] % n_groups :: n_groups]
        if x[index] == group.max():
            y[index] = x[index]
    return y


def forward_by_hand(
    weights: list[Tensor],
    biases: list[Tensor],
    x: Tensor,
    activate,
    masks,
    scale: float,
) -> Tensor:
    """A perceptron, layer by layer; `masks` says which hidden units dropout keeps."""
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = x @ weight + bias
        if layer < len(weights) - 1:
            x = activate(x)
            if masks is not None:
                x = x * masks[layer] * scale
    return x


def splitmix64(seed: int, n: int) -> list[int]:
    """The first outputs of the generator as its authors wrote it (2014)."""
    words = []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        words.append(z ^ (z >> 31))
    return words


def sgd_by_hand(w, v, gradient, epoch, sgd, factor, *, first: bool):
    """One update as G. Melis wrote it: velocity, penalties, rate (1 - m) f^epoch."""
    start, end = sgd.momentum
    m = start + (end - start) * min(epoch / sgd.momentum_epochs, 1)
    penalty = sgd.first_l2 * w + sgd.first_l1 * torch.sign(w) if first else 0
    v = m * v + gradient + penalty
    rate = sgd.learning_rate * (1 - m) * factor**epoch
    return w - rate * v, v


def emphasis_by_hand(score, weight, target, emphasis):
    """Row by row: its rank, the ramp there, then each class as heavy as ever."""
    n, raised = len(score), np.array(weight, float)
    q1, q2, q3, q4 = emphasis.quantiles
    for row in range(n):
        below = sum(
            score[other] < score[row] or (score[other] == score[row] and other < row)
            for other in range(n)
        )
        q, more = below / n, emphasis.factor - 1
        if q1 < q < q2:
            raised[row] *= 1 + more * (q - q1) / (q2 - q1)
        elif q2 <= q <= q3:
            raised[row] *= 1 + more
        elif q3 < q < q4:
            raised[row] *= 1 + more * (q4 - q) / (q4 - q3)
    for c in set(target.tolist()):
        raised[target == c] *= weight[target == c].sum() / raised[target == c].sum()
    return raised


# --- runs: predictions -------------------------------------------------------------


def slow_mean_of_known(values_MRK):
    """The mean over the first axis without NaN, value by value."""
    mean_RK = np.full(values_MRK.shape[1:], np.nan)
    for place in np.ndindex(mean_RK.shape):
        known = [float(v) for v in values_MRK[:, *place] if not math.isnan(v)]
        if known:
            mean_RK[place] = sum(known) / len(known)
    return mean_RK


# --- ensemble.validation.drift --------------------------------------------------------


def ks_distance_by_counting(train, test):
    """The largest difference of the shares at or below any value; nan is the lowest."""
    ours, theirs = (
        [-math.inf if math.isnan(v) else v for v in part] for part in (train, test)
    )
    return max(
        abs(
            sum(v <= edge for v in ours) / len(ours)
            - sum(v <= edge for v in theirs) / len(theirs)
        )
        for edge in ours + theirs
    )


def periodic_by_hand(x, frequency, phase, weight):
    """Row by row, input by input: the inputs, then each one's sums of cosines."""
    rows = []
    for row in x:
        cells = list(row)
        for i, value in enumerate(row):
            waves = torch.cos(2 * math.pi * frequency[i] * value + phase[i])
            cells += [(waves * weight[i, :, e]).sum() for e in range(weight.shape[2])]
        rows.append(torch.stack(cells))
    return torch.stack(rows)


# --- bag: inference ----------------------------------------------------------------


def predict_by_hand(members, features, activate, *, clip=None, views=()):
    """Scores (M, R) of saved perceptrons, one member after another, all rows at once.

    `views` are functions of the features. Two outputs are those of the cross-entropy,
    one is the logit.
    """
    scores = []
    for member in members:
        w = {name: torch.from_numpy(array) for name, array in member.items()}
        n_layers = sum("weight_MIO" in name for name in w)
        seen = []
        for view in views or [lambda x: x]:
            z = (view(features) - w["standardize.mean_MI"]) / w["standardize.scale_MI"]
            z = torch.where(torch.isnan(z), 0.0, z)
            z = z if clip is None else z / torch.sqrt(1 + (z / clip) ** 2)
            output = forward_by_hand(
                [w[f"network.layers.{layer}.weight_MIO"] for layer in range(n_layers)],
                [w[f"network.layers.{layer}.bias_MO"] for layer in range(n_layers)],
                z,
                activate,
                masks=None,
                scale=1.0,
            )
            if output.shape[1] == 1:
                seen.append(torch.sigmoid(output[:, 0]))
            else:
                share = torch.softmax(output, dim=1)
                for_it = (share * w["positive_MK"]).sum(1)
                seen.append(for_it / (for_it + (share * w["negative_MK"]).sum(1)))
        scores.append(sum(seen) / len(seen))
    return torch.stack(scores)


# --- bag: the whole training of one member, in plain torch -------------------------


def train_by_hand(data, member, recipe):
    """All that a member learns, by the names of `TrainedMember.weights`.

    Networks are plain, without embeddings or dense connections, and see rows as they
    are. Random numbers come from the member's own streams, so that it must be the
    member that `train_group` trains.
    """
    net, training = recipe.network, recipe.training
    assert not net.dense
    assert net.periodic_std is None
    rows = np.flatnonzero(data.folds_QR[member.repeat] != member.fold)
    z, plain, learned = inputs_by_hand(data, rows, recipe)
    weight, label = torch.tensor(plain).float(), torch.tensor(data.label_R)
    n_labels = len(learned["positive_MK"])
    n_outputs = n_labels if training.loss == "cross_entropy" else 1
    layers, mask = first_layers_by_hand(net, z.shape[1], n_outputs, member)
    if mask is not None:
        learned["network.layers.0.mask_MIO"] = mask.numpy()
    for i, (w, b) in enumerate(layers):  # the arrays follow what happens to the tensors
        learned[f"network.layers.{i}.weight_MIO"] = w.detach().numpy()
        learned[f"network.layers.{i}.bias_MO"] = b.detach().numpy()
    weights, biases = zip(*layers, strict=True)
    activate, update = activation_by_hand(net), update_by_hand(layers, training)
    bits = CountedBits([use_seed(member, "dropout")], "cpu")
    noise = member_stream(member, "noise")
    n_steps = round(len(z) * (1 - 1 / recipe.bag.n_splits) / training.batch_size)
    batches = order_by_hand(
        rows, n_steps * training.epochs, training.batch_size, member
    )
    for step, batch in enumerate(batches):
        if step % n_steps == 0 and emphasis_is_due_by_hand(training, step // n_steps):
            x = torch.tensor(data.features_RI[rows])
            [score] = predict_by_hand([learned], x, activate, clip=recipe.inputs.clip)
            weight[rows] = torch.tensor(
                emphasis_by_hand(
                    score, plain[rows], data.target_R[rows], training.emphasis
                )
            ).float()
        x = z[batch]
        x = x + recipe.inputs.noise * torch.randn(x.shape, generator=noise)
        masks, scale = dropout_by_hand(net, len(batch), bits)
        output = forward_by_hand(weights, biases, x, activate, masks, scale)
        loss = losses_by_hand(training.loss, output, label[batch]) * weight[batch]
        update(loss.mean(), step / n_steps)
        if mask is not None:
            weights[0].data.mul_(mask)
    return learned


def inputs_by_hand(data, rows, recipe):
    """Standardised features, weights of rows, and what is learned before training."""
    training, target = recipe.training, data.target_R
    tempered = data.weight_R**training.weight_power
    plain = weights_by_hand(tempered, target, rows, training.balance_classes)
    true = weights_by_hand(data.weight_R, target, rows, balance=True)
    for_scale = true if recipe.inputs.balanced else np.ones(len(target))
    mean, scale = [], []
    for column in data.features_RI.astype(float).T:
        known = rows[~np.isnan(column[rows])]
        share = for_scale[known] / for_scale[known].sum()
        mean.append((share * column[known]).sum())
        scale.append(math.sqrt((share * (column[known] - mean[-1]) ** 2).sum()))
    votes = np.zeros((2, data.label_R.max() + 1))
    for k in range(votes.shape[1]):
        of_k = rows[data.label_R[rows] == k]
        votes[target[of_k[0]], k] = true[of_k].sum() / plain[of_k].sum()
    learned = {
        "standardize.mean_MI": np.float32(mean),
        "standardize.scale_MI": np.float32(scale),
        "negative_MK": np.float32(votes[0]),
        "positive_MK": np.float32(votes[1]),
    }
    z = torch.tensor((data.features_RI - np.float32(mean)) / np.float32(scale))
    z = torch.where(torch.isnan(z), 0.0, z)
    if recipe.inputs.clip is not None:
        z = z / torch.sqrt(1 + (z / recipe.inputs.clip) ** 2)
    return z, plain, learned


def weights_by_hand(weight, target, rows, balance):
    """Scaled to a mean of 1 over the rows; with `balance` in each class alike."""
    groups = target if balance else np.zeros_like(target)
    scaled = np.array(weight, float)
    for c in (0, 1) if balance else (0,):
        in_bag = rows[groups[rows] == c]
        share = 0.5 if balance else 1.0
        scaled[groups == c] *= share * len(rows) / weight[in_bag].sum()
    return scaled


def first_layers_by_hand(net, n_inputs, n_outputs, member):
    """Weights and biases of each layer, and which first weights are there."""
    generator, layers, mask = member_stream(member, "weights"), [], None
    for place, n_units in enumerate([*net.hidden, n_outputs]):
        is_last = place == len(net.hidden)
        std = 0.1 * n_inputs**-0.5 if is_last else (2 / n_inputs) ** 0.5
        std = std if net.weight_std is None else net.weight_std
        w = torch.randn(n_inputs, n_units, generator=generator) * std
        b = torch.randn(n_units, generator=generator) * net.bias_std
        if place == 0 and net.inputs_per_unit is not None:
            seen = torch.randint(
                n_inputs, (net.inputs_per_unit, n_units), generator=generator
            )
            mask = torch.zeros(w.shape)
            mask[seen, torch.arange(n_units)] = 1.0
            w = w * mask
        layers.append((w.requires_grad_(), b.requires_grad_()))
        n_inputs = n_units // net.group_size if net.activation == "maxout" else n_units
    return layers, mask


def activation_by_hand(net):
    """What a layer does to its units: of those that compete, the largest passes."""

    def competing(x):
        return x.unflatten(1, (net.group_size, -1))

    def max_channel(x):
        largest = competing(x).max(1).values.repeat(1, net.group_size)
        return torch.where(x == largest, x, 0.0)

    return {
        "relu": torch.relu,
        "silu": torch.nn.functional.silu,
        "max_channel": max_channel,
        "maxout": lambda x: competing(x).max(1).values,
    }[net.activation]


def dropout_by_hand(net, n_rows, bits):
    """Masks of all hidden layers, and what the units that are kept are scaled with."""
    threshold = round(256 * (1 - net.dropout))
    if threshold == 256:
        return None, 1.0
    fewer = net.group_size if net.activation == "maxout" else 1
    sizes = [n_rows * n_units // fewer for n_units in net.hidden]
    parts = bits.draw(sum(sizes))[0].clone().split(sizes)
    return [part.view(n_rows, -1) < threshold for part in parts], 256 / threshold


def losses_by_hand(loss, output, label):
    if loss == "cross_entropy":
        of_label = output.gather(1, label[:, None])[:, 0]
        return torch.logsumexp(output, dim=1) - of_label
    if loss == "binary_cross_entropy":
        return torch.log1p(torch.exp(output[:, 0])) - label * output[:, 0]
    return (output[:, 0] - label) ** 2


def order_by_hand(rows, n_batches, batch_size, member):
    """Passes over the rows, each in a new order, one behind the other, in batches."""
    generator, passes = member_stream(member, "order"), []
    while sum(map(len, passes)) < n_batches * batch_size:
        order = torch.randperm(len(rows), generator=generator)
        passes.append(torch.tensor(rows)[order])
    return torch.cat(passes)[: n_batches * batch_size].split(batch_size)


def emphasis_is_due_by_hand(training, epoch):
    if training.emphasis is None:
        return False
    first, every = training.emphasis.first_epoch, training.emphasis.every
    return epoch in range(first, training.epochs, every)


def update_by_hand(layers, training):
    """A function that moves the weights after so many epochs, from a loss."""
    parameters = [tensor for layer in layers for tensor in layer]
    recipe, schedule = training.optimizer, training.schedule
    if isinstance(recipe, SGD):
        velocity = [torch.zeros_like(p) for p in parameters]

        def sgd(loss, epochs):
            for i, g in enumerate(torch.autograd.grad(loss, parameters)):
                w, epoch = parameters[i].detach(), int(epochs)
                g = g + recipe.weight_decay * w if i % 2 == 0 else g
                moved, velocity[i] = sgd_by_hand(
                    w, velocity[i], g, epoch, recipe, schedule.factor, first=i == 0
                )
                w.copy_(moved)

        return sgd
    weights, biases = zip(*layers, strict=True)
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": recipe.weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        betas=recipe.betas,
        foreach=False,
        fused=False,
    )

    def adamw(loss, epochs):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * one_cycle_by_hand(
                schedule, epochs / training.epochs
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return adamw


def one_cycle_by_hand(cycle, share):
    """Half a cosine up, half a cosine down."""
    if share < cycle.warmup:
        up = (1 - math.cos(math.pi * share / cycle.warmup)) / 2
        return cycle.start + (1 - cycle.start) * up
    down = (1 - math.cos(math.pi * (share - cycle.warmup) / (1 - cycle.warmup))) / 2
    return 1 + (cycle.end - 1) * down
