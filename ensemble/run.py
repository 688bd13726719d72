"""The whole way of the data, on one page: from a competition and a recipe to a run.

    Competition + Recipe
       -> examples             read and checked
       -> folds, members       every seed drawn up front
       -> groups of members    trained side by side, each saved at once
       -> predictions          out-of-fold and test, per member and averaged
       -> decision rule        fitted on out-of-fold predictions only
       -> submission, report

Resuming is the same: what is missing is trained.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.bag.hooks import ViewHooks
from ensemble.bag.in_bag import TrainingData
from ensemble.bag.inputs import make_training_data
from ensemble.bag.plan import make_groups, plan_bag
from ensemble.bag.train import TrainedMember
from ensemble.bag.tuning import (
    Tuning,
    data_shape,
    must_agree,
    must_be_known,
    recorded_tuning,
    tune,
)
from ensemble.bag.workers import Workers, find_workers, train_groups
from ensemble.catalog import Entry, code_sha256, load_entry
from ensemble.data.examples import Examples, load_examples
from ensemble.data.source import Source, find_sample, find_source
from ensemble.errors import MembersFailedError, UserError
from ensemble.files import must_be_writable
from ensemble.recipe import Recipe
from ensemble.runs.difference import is_growth, run_difference
from ensemble.runs.opened import Run
from ensemble.runs.outcome import write_outcome
from ensemble.runs.progress import Clock, RunningScore
from ensemble.runs.provenance import environment
from ensemble.runs.store import Fault, RunFolder, SavedMember, create_run, open_run
from ensemble.settings import with_settings
from ensemble.watch import Plan, Silent, Watch

RUNS, SUBMISSIONS = Path("runs"), Path("submissions")


@dataclass(frozen=True)
class _Job:
    """All that the work on a run folder needs."""

    entry: Entry
    recipe: Recipe
    source: Source
    train: Examples
    test: Examples
    data: TrainingData
    views: ViewHooks | None
    submissions: Path
    workers: Workers
    watch: Watch
    products: str | None = None
    group_size: int | None = None


def run_competition(
    competition: str | Path | Entry,
    recipe: str | Recipe | None = None,
    *,
    settings: Sequence[str] = (),
    data: Path | str | None = None,
    runs: Path | str = RUNS,
    folder: Path | str | None = None,
    submissions: Path | str = SUBMISSIONS,
    jobs: int | None = None,
    device: str = "auto",
    backend: str = "loky",
    address: str | None = None,
    patience: float | None = None,
    products: str | None = None,
    group_size: int | None = None,
    watch: Watch | None = None,
) -> Run:
    """Train the bag of a recipe, and leave a run folder with report and submission.

    `settings` change single values of the recipe (`["training.epochs=5"]`), `data` is
    the folder of the competition's files. A new run folder is made below `runs`; with
    `folder`, the run that lies there is resumed, or grown if it has fewer repeats.

    `jobs` worker processes share the work, on this machine or with `backend` "dask" or
    "ray" on the cluster at `address`; -1 is one a core, and on a cluster all there are
    is the default. One that makes no progress for `patience` seconds is given up.
    `products` says how matrices are multiplied and `group_size` how many members train
    together; both are else chosen on this machine, once for a run.
    """
    entry = competition if isinstance(competition, Entry) else load_entry(competition)
    if not isinstance(recipe, Recipe):
        recipe = entry.recipe(recipe)
    recipe = with_settings(recipe, settings)
    store = None if folder is None else open_run(Path(folder))
    with store.lock() if store else nullcontext():
        source = find_source(entry, _path(data), tell=(watch or Silent()).note)
        workers = find_workers(backend, address, jobs, device, patience)
        job = _prepare(
            entry, recipe, source, submissions, workers, watch, products, group_size
        )
        return _work(job, store or create_run(Path(runs), recipe.name, _describe(job)))


def resume_run(
    folder: Path | str,
    *,
    settings: Sequence[str] = (),
    data: Path | str | None = None,
    submissions: Path | str = SUBMISSIONS,
    jobs: int | None = None,
    device: str = "auto",
    backend: str = "loky",
    address: str | None = None,
    patience: float | None = None,
    group_size: int | None = None,
    watch: Watch | None = None,
) -> Run:
    """Train what a run lacks: after an interruption, or with more repeats.

    `settings` may raise `bag.n_repeats`, nothing else: the members that are there stay.
    """
    store = open_run(Path(folder))
    with store.lock():  # before the data are read: who comes second knows it at once
        before = store.document
        entry = load_entry(before["entry"])
        recipe = with_settings(Recipe.model_validate(before["recipe"]), settings)
        source = find_source(entry, _path(data or before["data"]["folder"]))
        workers = find_workers(backend, address, jobs, device, patience)
        job = _prepare(
            entry, recipe, source, submissions, workers, watch, None, group_size
        )
        return _work(job, store)


def _prepare(
    entry: Entry,
    recipe: Recipe,
    source: Source,
    submissions: Path | str,
    workers: Workers,
    watch: Watch | None,
    products: str | None = None,
    group_size: int | None = None,
) -> _Job:
    """Read the data and check what was asked for, before anything is written."""
    if group_size is not None and group_size < 1:
        raise UserError(f"--group-size {group_size} must be at least 1")
    train, test = load_examples(entry.competition, source.folder)
    data, views = make_training_data(entry, recipe, train, test)
    must_be_writable(Path(submissions) / entry.competition.name)
    return _Job(
        entry=entry,
        recipe=recipe,
        source=source,
        train=train,
        test=test,
        data=data,
        views=views,
        submissions=Path(submissions),
        workers=workers,
        watch=watch or Silent(),
        products=products and must_be_known(products, workers.device),
        group_size=group_size,
    )


def _describe(job: _Job) -> dict[str, Any]:
    """What a run is made of, as run.json keeps it."""
    return {
        "entry": str(job.entry.folder),
        "competition": job.entry.competition.model_dump(mode="json"),
        "recipe": job.recipe.model_dump(mode="json"),
        "code_sha256": code_sha256(job.entry.folder),
        "data": {
            "folder": str(job.source.folder.resolve()),
            "simulated": job.source.simulated,
            "train_sha256": job.train.sha256,
            "test_sha256": job.test.sha256,
            "n_train": len(job.train),
            "n_test": len(job.test),
        },
        "environment": environment(),
    }


def _work(job: _Job, store: RunFolder) -> Run:
    """Train what is missing, then write what follows from the predictions."""
    with store.lock():
        _must_be_the_same(store, _describe(job))
        for fault in store.drop_damaged():
            job.watch.note(_tell_fault(fault))
        _drop_lost(store)
        store.clean()
        store.update(recipe=job.recipe.model_dump(mode="json"), state="training")
        job.watch.note(_headline(job, store))
        with _state(store):
            _train(job, store)
            _must_have_enough(store, job.recipe)
            write_outcome(
                job.entry.competition,
                job.recipe,
                store,
                job.train,
                job.test,
                sample=find_sample(job.entry, job.source),
                submissions=job.submissions,
            )
    return Run(store)


def _drop_lost(store: RunFolder) -> None:
    """Members whose workers died or had no memory may do better this time."""
    if lost := [i for i, record in store.members.items() if record.get("lost")]:
        store.drop_members(lost)


def _train(job: _Job, store: RunFolder) -> None:
    """Train the missing members, group by group, and save each group at once."""
    bag, watch = job.recipe.bag, job.watch
    members = plan_bag(bag.n_splits, bag.n_repeats, bag.seed)
    missing = [members[i] for i in store.missing(len(members))]
    if not missing:
        return
    tuning = _tuning(job, store)
    groups = make_groups(missing, tuning.group_size)
    store.update(result=None, submission=None)  # of fewer members than there will be
    score = RunningScore(job.train)
    for index, record in store.members.items():
        if not record.get("failed"):
            score.add(store.load_array(index, "oof")[:, 0])
    watch.begin(
        Plan(
            n_members=len(members),
            n_finished=len(store.members),
            group_sizes=tuple(len(group) for group in groups),
            n_epochs=job.recipe.training.epochs,
            n_workers=min(job.workers.n, len(groups)),
        )
    )
    clock = Clock(store)
    trained = train_groups(
        groups,
        job.data,
        job.recipe,
        job.views,
        job.workers,
        watch.epoch,
        watch.note,
        scratch=store.path,
        products=tuning.products,
    )
    try:
        for group in trained:
            saved = [_to_save(member, job.data) for member in group]
            store.save_members(saved)
            clock.save(job.workers.device)
            for member in saved:
                if "oof" in member.arrays:
                    score.add(member.arrays["oof"][:, 0])
                else:
                    watch.note(f"member {member.index}: {member.record['failed']}")
            watch.group(len(store.members), str(score))
    finally:
        trained.close()
        watch.end()


def _tuning(job: _Job, store: RunFolder) -> Tuning:
    """How the members train: as those that are there, or as is best here."""
    recorded, products = store.document.get("tuning"), job.products
    if recorded is not None:
        products = must_agree(recorded["products"], products)
        has_grown = recorded["n_members"] != job.recipe.bag.n_members
        if job.group_size is None and not has_grown:
            return recorded_tuning(recorded)
    tuning = tune(
        job.recipe,
        data_shape(job.recipe, job.data),
        job.workers.n,
        job.workers.device,
        products,
        job.group_size,
        is_here=job.workers.backend == "loky",
    )
    store.update(tuning=tuning.record())
    job.watch.note(str(tuning))
    return tuning


def _to_save(trained: TrainedMember, data: TrainingData) -> SavedMember:
    """A member as it goes to the disk; of a failed one only its record."""
    member, record = trained.member, trained.record | {"failed": trained.failed}
    if trained.failed:
        return SavedMember(member.index, {}, {}, record)
    oof_NK = np.full((len(data.target_R), 1), np.nan, np.float32)
    oof_NK[data.out_of_bag(member), 0] = trained.oof_P
    arrays = {"oof": oof_NK, "test": trained.test_T[:, None]}
    return SavedMember(member.index, arrays, trained.weights, record)


def _must_be_the_same(store: RunFolder, document: dict[str, Any]) -> None:
    different = run_difference(store.document, document)
    if different and not is_growth(store.document, document):
        shown = "; ".join(different[:5]) + ("; ..." if len(different) > 5 else "")
        raise UserError(
            f"{store.path} holds another run: {shown}; start a new one, or put back"
            " what was changed (only bag.n_repeats may grow)"
        )


def _must_have_enough(store: RunFolder, recipe: Recipe) -> None:
    failed = {i: r["failed"] for i, r in store.members.items() if r.get("failed")}
    n_left = len(store.members) - len(failed)
    if n_left < recipe.bag.min_members:
        first, reason = next(iter(failed.items()))
        raise MembersFailedError(
            f"{len(failed)} of {len(store.members)} members failed, {n_left} are left"
            f" and the recipe asks for {recipe.bag.min_members}; member {first}:"
            f" {reason}; see the records in {store.path / 'run.json'}"
        )


@contextmanager
def _state(store: RunFolder) -> Iterator[None]:
    """Keep in run.json how the work ended."""
    try:
        yield
    except MembersFailedError:
        store.update(state="failed")
        raise
    except BaseException:
        with suppress(UserError):  # the disk may be why
            store.update(state="interrupted")
        raise


def _tell_fault(fault: Fault) -> str:
    if fault.member is None:
        return f"{fault.file} {fault.wrong}: it is written again"
    return f"member {fault.member}: {fault.file} {fault.wrong}; trained again"


def _headline(job: _Job, store: RunFolder) -> str:
    competition, n_features = job.entry.competition, job.train.features.shape[1]
    weight = f", weight column '{competition.weight}'" if competition.weight else ""
    origin = "SIMULATED data" if job.source.simulated else "data"
    return (
        f"{competition.name}: {len(job.train):,} train rows, {len(job.test):,} test"
        f" rows, {n_features} features{weight}\n"
        f"{origin} from {job.source.folder}\n"
        f"recipe {job.recipe.name}, run folder {store.path}"
    )


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
