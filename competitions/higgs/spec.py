"""The Higgs boson machine learning challenge: what is asked, and how to attack it."""

from ensemble.recipe import (
    MLP,
    SGD,
    AdamW,
    Bag,
    Emphasis,
    Exponential,
    Inputs,
    OneCycle,
    Recipe,
    Training,
)
from ensemble.spec import Competition, Download

FEATURES = (
    "DER_mass_MMC",
    "DER_mass_transverse_met_lep",
    "DER_mass_vis",
    "DER_pt_h",
    "DER_deltaeta_jet_jet",
    "DER_mass_jet_jet",
    "DER_prodeta_jet_jet",
    "DER_deltar_tau_lep",
    "DER_pt_tot",
    "DER_sum_pt",
    "DER_pt_ratio_lep_tau",
    "DER_met_phi_centrality",
    "DER_lep_eta_centrality",
    "PRI_tau_pt",
    "PRI_tau_eta",
    "PRI_tau_phi",
    "PRI_lep_pt",
    "PRI_lep_eta",
    "PRI_lep_phi",
    "PRI_met",
    "PRI_met_phi",
    "PRI_met_sumet",
    "PRI_jet_num",
    "PRI_jet_leading_pt",
    "PRI_jet_leading_eta",
    "PRI_jet_leading_phi",
    "PRI_jet_subleading_pt",
    "PRI_jet_subleading_eta",
    "PRI_jet_subleading_phi",
    "PRI_jet_all_pt",
)

COMPETITION = Competition(
    name="higgs",
    title="Higgs boson machine learning challenge",
    task="binary",
    metric="ams",
    url="https://www.kaggle.com/c/higgs-boson",
    train_file="training.csv",
    test_file="test.csv",
    sample_file="random_submission.csv",
    id="EventId",
    target="Label",
    classes=("b", "s"),
    weight="Weight",
    features=FEATURES,
    missing=(-999.0,),
    class_totals=(410999.847322, 691.988607712),
    weight_strata=(5, 3),
    submission={"EventId": "id", "RankOrder": "rank", "Class": "class"},
    simulate="simulate:simulate",
    prepare="prepare:prepare",
    download=Download(
        url="http://opendata.cern.ch/record/328/files/atlas-higgs-challenge-2014-v2.csv.gz",
        file="atlas-higgs-challenge-2014-v2.csv.gz",
        n_bytes=65_630_848,
        checksum="sha1:639b1dbd97a709a739122a9a5dcd99b49d55d86c",
    ),
)

MELIS = Recipe(
    name="melis",
    about="the winning recipe of 2014: 70 networks of 3 x 600 max-channel units",
    bag=Bag(n_splits=2, n_repeats=35),
    inputs=Inputs(features="features:melis"),
    network=MLP(
        hidden=(600, 600, 600),
        activation="max_channel",
        group_size=3,
        dropout=0.5,
        inputs_per_unit=10,
        weight_std=0.01,
        bias_std=0.01,
    ),
    training=Training(
        epochs=200,
        batch_size=96,
        loss="cross_entropy",
        optimizer=SGD(
            learning_rate=1.0,
            momentum=(0.5, 0.99),
            momentum_epochs=100,
            first_l1=5e-6,
            first_l2=5e-5,
        ),
        schedule=Exponential(factor=0.998**15),
        emphasis=Emphasis(),
    ),
)

MODERN = Recipe(
    name="modern",
    about="the best in cross-validation: relations of particles, periodic embeddings",
    bag=Bag(n_splits=5, n_repeats=2),
    inputs=Inputs(features="features:modern", clip=3.0),
    network=MLP(
        hidden=(192, 192, 192), activation="silu", dropout=0.3, periodic_std=0.1
    ),
    training=Training(
        epochs=8,
        batch_size=256,
        learn="strata",
        weight_power=0.5,
        optimizer=AdamW(learning_rate=2e-3, betas=(0.9, 0.99), weight_decay=0.01),
        schedule=OneCycle(start=0.01, warmup=0.25, end=0.01),
    ),
)

QUICK = MODERN.model_copy(
    update={
        "name": "quick",
        "about": "the modern recipe without embeddings: a minute on two cores",
        "network": MODERN.network.model_copy(update={"periodic_std": None}),
        "training": MODERN.training.model_copy(update={"epochs": 15}),
    }
)

SMOKE = QUICK.model_copy(
    update={
        "name": "smoke",
        "about": "seconds, to see that all works",
        "bag": Bag(n_splits=2, n_repeats=1),
        "network": QUICK.network.model_copy(update={"hidden": (32, 32)}),
        "training": QUICK.training.model_copy(update={"epochs": 3}),
    }
)

LUMIN = Recipe(
    name="lumin",
    about="the later recipe of LUMIN: momenta, batches turned and mirrored at random",
    bag=Bag(n_splits=5, n_repeats=2),
    inputs=Inputs(features="features:momenta", augment="augment:augment", test_views=8),
    network=MLP(hidden=(33,) * 6, activation="silu", dense=True, dropout=0.0),
    training=Training(
        epochs=30,
        batch_size=256,
        loss="binary_cross_entropy",
        optimizer=AdamW(learning_rate=1e-2, weight_decay=0.0),
        schedule=OneCycle(start=0.01, warmup=1 / 3, end=0.0),
    ),
)

RECIPES = {recipe.name: recipe for recipe in (QUICK, MODERN, MELIS, LUMIN, SMOKE)}
