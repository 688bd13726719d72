"""Whether train and test rows come from one distribution.

Two looks: column by column, and with a classifier that tries to tell them apart by all
columns together. Where they differ, out-of-fold scores say little about test rows.
"""

import math

import numpy as np
import pandas as pd
from scipy.stats import kstwo
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

SAMPLE = 20_000  # rows the classifier sees, half of them from each file
N_SPLITS = 3
NO_VALUE = -1e300  # below every number that a feature can be


def column_drift(
    train: pd.DataFrame, test: pd.DataFrame
) -> dict[str, dict[str, float]]:
    """For each column the Kolmogorov-Smirnov distance and its p-value.

    The distance is the largest difference of the two cumulative shares, 0 to 1. 'No
    value' counts as the lowest, so that a changed share of missing values is seen too.
    p-values are multiplied by the number of columns (Bonferroni): one below .01 is
    expected in one data set of a hundred without any drift.

    >>> column_drift(pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [2, 3]}))
    {'x': {'distance': 0.5, 'p_value': 1.0}}
    """
    drift = {}
    for name in train:
        ours, theirs = np.sort(_lowest(train[name])), np.sort(_lowest(test[name]))
        distance = _largest_difference(ours, theirs)
        # scipy's exact p-values fail on ties; this one needs the effective size only
        n_rows = max(1, round(len(ours) * len(theirs) / (len(ours) + len(theirs))))
        p_value = min(1.0, float(kstwo.sf(distance, n_rows)) * train.shape[1])
        drift[str(name)] = {"distance": distance, "p_value": p_value}
    return drift


def adversarial_auc(
    train: pd.DataFrame, test: pd.DataFrame, seed: int = 0
) -> tuple[float, float] | None:
    """How well boosted trees tell test from train rows, and what chance would spread.

    The AUC is cross-validated, .5 where they cannot; the spread is its standard
    deviation if there is no difference. None where there is too little to try.
    """
    n_rows = min(len(train), len(test), SAMPLE // 2)
    if n_rows < 10 * N_SPLITS:
        return None
    generator = np.random.default_rng(seed)
    sample = [
        rows.iloc[generator.choice(len(rows), n_rows, replace=False)]
        for rows in (train, test)
    ]
    x = pd.concat(sample).fillna(NO_VALUE)
    x = x.loc[:, x.nunique() > 1]
    if x.empty:
        return None
    is_test = np.repeat([0, 1], n_rows)
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )
    splits = StratifiedKFold(N_SPLITS, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # on busy cores, two threads wait 20 s for each other
        probability = cross_val_predict(
            model, x.to_numpy(), is_test, cv=splits, method="predict_proba"
        )[:, 1]
    spread = math.sqrt((2 * n_rows + 1) / (12 * n_rows**2))  # of the Mann-Whitney U
    return float(roc_auc_score(is_test, probability)), spread


def judge(auc: float, spread: float) -> str:
    """What an adversarial AUC means, in a sentence.

    >>> judge(0.503, 0.005)
    'trees cannot tell test from train rows: out-of-fold scores should hold on the test'
    """
    if auc < 0.5 + 3 * spread:
        return (
            "trees cannot tell test from train rows: out-of-fold scores should hold on"
            " the test"
        )
    if auc < 0.6:
        return (
            "trees tell test from train rows a little: expect test scores slightly off"
            " the out-of-fold ones"
        )
    return (
        "trees tell test from train rows well: out-of-fold scores may not hold on the"
        " test; look at the columns that drift"
    )


def _largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of the shares of two sorted samples that lie at or below any value."""
    edges = np.concatenate([ours, theirs])
    shares = [np.searchsorted(s, edges, side="right") / len(s) for s in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())


def _lowest(column: pd.Series) -> np.ndarray:
    return column.fillna(NO_VALUE).to_numpy(float)
