"""Makes the files of the tiny competition, always the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd

N_TRAIN, N_TEST = 200, 60


def write_tiny(folder: Path) -> None:
    """Write train, test and sample submission."""
    random = np.random.default_rng(5)
    is_signal = np.arange(N_TRAIN + N_TEST) % 2 == 1
    x = random.normal(0.8 * is_signal[:, None], 1.0, (len(is_signal), 6)).round(4)
    x[random.random(x.shape) < 0.1] = -999.0
    rows = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    rows.insert(0, "Id", [f"{i:05}" for i in range(len(rows))])
    rows["Weight"] = np.where(is_signal, 0.2, 20.0) * (1 + random.random(len(rows)))
    rows["Label"] = np.where(is_signal, "s", "b")
    rows[:N_TRAIN].to_csv(folder / "train.csv", index=False)
    test = rows[N_TRAIN:].drop(columns=["Weight", "Label"])
    test.to_csv(folder / "test.csv", index=False)
    sample = pd.DataFrame({"Id": test["Id"]})
    sample["Rank"], sample["Class"] = range(1, N_TEST + 1), "b"
    sample.to_csv(folder / "sample_submission.csv", index=False)
