"""Where a result comes from: versions, machine, commit. No times, names or paths."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ensemble.bag.plan import Member
from ensemble.runs.document import Document, encode_document

PACKAGES = (
    "ensemble-toolkit",
    "joblib",
    "numpy",
    "pandas",
    "pydantic",
    "safetensors",
    "scikit-learn",
    "torch",
)


def environment() -> dict[str, Any]:
    """What a result may depend on besides the recipe: a section of run.json."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": machine(),
        "commit": commit(Path(__file__).resolve().parents[2]),
    }


def machine() -> str:
    """The kind of machine, for readers: system, processor, cores, memory."""
    n_cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{platform.system()} {platform.machine()}, {_processor()},"
        f" {n_cores} core{'s' * (n_cores > 1)}, {memory / 2**30:.0f} GiB"
    )


def commit(project: Path) -> str | None:
    """The git commit of a project folder, ending in '-dirty' where files were changed.

    None where the folder is not the root of a repository: the repository around an
    installed package is somebody else's.
    """
    top = _git(project, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != project.resolve():
        return None
    return _git(
        project, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    )


def provenance(
    document: Document,
    members: tuple[Member, ...],
    submission: dict[str, Any],
) -> bytes:
    """The JSON file beside a submission: all it takes to make the same once more.

    The same run and rule give the same bytes: times stand in the ledger.
    """
    sections = ("competition", "recipe", "data", "code_sha256", "environment")
    kept = {section: document.get(section) for section in sections}
    seeds = {member.index: member.seed for member in members}
    return encode_document(
        kept | {"run": document["name"], "seeds": seeds, "submission": submission}
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return " ".join(models[0].split()) if models else platform.processor() or "?"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
