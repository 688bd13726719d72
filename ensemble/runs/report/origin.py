"""What was asked, on what, with what, and how to do it again: read off run.json.

run.json may come from an older version or an unfinished run, so everything is looked
for, and None where it is not.
"""

from typing import Any

import numpy as np

from ensemble.data.examples import Examples
from ensemble.recipe import Recipe
from ensemble.runs.report.measure import Section
from ensemble.spec import Competition


def asked(competition: Competition, recipe: Recipe) -> Section:
    """The competition and the recipe, whole."""
    return {
        "competition": competition.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
    }


def data(
    document: Section, competition: Competition, train: Examples, n_test: int
) -> Section:
    """Where the rows came from and what they are."""
    target = train.target if train.target is not None else np.zeros(0, int)
    return {
        "source": look(document, "data", "source") or look(document, "data", "folder"),
        "n_train": len(train),
        "n_test": n_test,
        "n_features": train.features.shape[1],
        "notes": list(train.notes),
        "missing_share": float(train.features.isna().to_numpy().mean()),
        "sha256": _checksums(document, competition, train),
        "classes": [
            {
                "name": name,
                "positive": label == len(competition.classes) - 1,
                "rows": int((target == label).sum()),
                "weight": None
                if train.weight is None
                else float(train.weight[target == label].sum()),
            }
            for label, name in enumerate(competition.classes)
        ],
    }


def files(document: Section) -> list[Section]:
    """Every file that a member left, with size and checksum where they were noted."""
    listed = []
    members = look(document, "members") or {}
    for member, entry in sorted(members.items()):
        for name, noted in sorted((look(entry, "files") or {}).items()):
            whole = isinstance(noted, dict)
            listed.append(
                {
                    "member": member,
                    "path": f"members/{member}/{name}",
                    "sha256": noted.get("sha256") if whole else noted,
                    "n_bytes": noted.get("n_bytes") if whole else None,
                }
            )
    return listed


def resources(document: Section, records: list[Section]) -> Section:
    """Time and memory of the run, and of its groups of members."""
    seconds = [r["seconds"] for r in records if r.get("seconds") is not None]
    result = look(document, "result") or {}
    return {
        "wall_seconds": result.get("wall_seconds"),
        "peak_memory_mib": result.get("peak_memory_mib"),
        "member_seconds": float(sum(seconds)) if seconds else None,
        "machine": look(document, "environment", "machine"),
        "device": result.get("device") or look(document, "environment", "device"),
        "products": look(document, "tuning", "products"),
        "group_size": look(document, "tuning", "group_size"),
        "groups": _groups(document),
    }


def repeat(document: Section, recipe: Recipe) -> Section:
    """What it takes to do the same again."""
    return {
        "commands": look(document, "commands") or [],
        "seed": recipe.bag.seed,
        "python": look(document, "environment", "python"),
        "packages": look(document, "environment", "packages") or {},
        "commit": look(document, "environment", "commit"),
        "code_sha256": look(document, "code_sha256"),
    }


def look(document: Any, *path: str) -> Any:
    """The value at a path of keys, None where there is none.

    >>> look({"data": {"rows": 3}}, "data", "rows")
    3
    """
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _checksums(
    document: Section, competition: Competition, train: Examples
) -> dict[str, str]:
    noted = look(document, "data", "sha256")
    return noted if isinstance(noted, dict) else {competition.train_file: train.sha256}


def _groups(document: Section) -> list[Section]:
    groups = look(document, "groups")
    listed = groups if isinstance(groups, list) else []
    return [
        {
            "members": group.get("members"),
            "seconds": group.get("seconds"),
            "device": group.get("device"),
            "peak_memory_mib": group.get("peak_memory_mib"),
        }
        for group in listed
        if isinstance(group, dict)
    ]
