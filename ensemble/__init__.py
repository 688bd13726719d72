"""Bags of neural networks for machine-learning competitions.

    import ensemble
    run = ensemble.run_competition("higgs", "quick")
    run.oof, run.test, run.report

The parts, in the order in which to read them from the ground up; each imports only from
those above it (`ensemble.run` tells how they work together, start there):

    errors                      what a user can mend, with exit codes
    spec                        Competition: what is asked
    recipe                      Recipe: how it is attacked
    catalog                     competition folders, their hooks and recipes
    settings                    single values of a recipe, changed by name
    files                       files that are written whole or not at all

    data.faults                 all that is wrong with a file, in one message
    data.archives               plain, gzipped and zipped files
    data.header                 the columns a table must have
    data.rows                   the slow search for what is wrong with a row
    data.plain                  tables of plain lines, read fast
    data.tables                 CSV tables, read exactly
    data.examples               the rows of a competition, read and checked
    data.download               files from elsewhere, resumed and verified
    data.source                 where a competition's files are taken from

    validation.metrics          scores of answers against the truth
    validation.folds            stratified folds of equal weight
    validation.bootstrap        resampled rows, for the spread of a score
    validation.curve            the AMS against the cutoff, smoothed, with its errors
    validation.rules            the cutoff, and what it honestly reaches
    validation.compare          two predictions on the same rows
    validation.scores           scores of members, repeats and parts of a bag
    validation.drift            whether train and test look alike
    validation.check            what is in the files of a competition

    bag.plan                    members and their seeds
    bag.floats                  pages of 2 MB, and no denormal numbers
    bag.kernels                 activation and dropout in one pass
    bag.bits                    random bytes, counted
    bag.streams                 each member's random numbers
    bag.layers                  layers that hold M networks
    bag.networks.mlp            the perceptron
    bag.losses                  losses of single examples
    bag.weights                 how much each row counts
    bag.model                   from features to probabilities
    bag.in_bag                  training data, and what is fitted on a member's rows
    bag.inference               what members say of rows
    bag.optim                   optimisers and schedules
    bag.products                which way matrices are multiplied
    bag.steps                   a step again and again, as one graph on a GPU
    bag.train                   the training loop of one group
    bag.hooks                   where random views are found
    bag.memory                  how much a group takes, and how large it is
    bag.tuning                  how a run is trained on the machines at hand
    bag.work                    what a worker gets and gives back
    bag.backlog                 the groups still to be trained, attempts and halves
    bag.patience                how long a worker may be silent
    bag.signals                 Ctrl-C is the driver's business
    bag.pool                    groups over workers, whoever they are
    bag.processes               workers on this machine
    bag.cluster                 what clusters of any kind have in common
    bag.on_dask                 workers of a dask cluster
    bag.on_ray                  workers of a ray cluster
    bag.workers                 who trains the groups
    bag.inputs                  from rows to the arrays that are trained on
    bag.outlook                 what the recipes would take on this machine

    runs.lock                   one process a folder
    runs.names                  names and numbers of runs
    runs.document               run.json
    runs.artefacts              saved files and their checksums
    runs.store                  the run folder
    runs.progress               the score of a run so far, and its time
    runs.difference             what differs between two runs
    runs.listing                the runs there are
    runs.provenance             versions, machine, commit
    runs.predictions            what the members predicted
    runs.sheet                  a CSV file as text, cell by cell
    runs.ledger                 what was submitted
    runs.submission             answers as a file, checked
    runs.score                  a submission against the truth
    runs.report.measure         histograms, curves and tables of a report
    runs.report.judged          predictions beside the truth
    runs.report.members         what a report says of single members
    runs.report.origin          what a report says of data, time and machine
    runs.report.collect         everything a report shows, as plain data
    runs.report.canvas          plots that follow the page's colours
    runs.report.axes            how axes look
    runs.report.plots           plots of the bag
    runs.report.member_plots    plots of its members
    runs.report.render          the report as a page
    runs.outcome                rule, scores, submission and report of a bag
    runs.predictor              saved members predict new rows
    runs.opened                 Run: a run as one uses it

    watch                       who hears how a run goes
    run                         the whole way, on one page
    display                     bars and lines
    options                     what several verbs are told
    cli                         the verbs
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensemble.catalog import load_entry
    from ensemble.recipe import Recipe
    from ensemble.run import resume_run, run_competition
    from ensemble.runs.opened import Run, open_finished
    from ensemble.spec import Competition

_HOMES = {
    "Competition": "ensemble.spec",
    "Recipe": "ensemble.recipe",
    "Run": "ensemble.runs.opened",
    "load_entry": "ensemble.catalog",
    "open_finished": "ensemble.runs.opened",
    "resume_run": "ensemble.run",
    "run_competition": "ensemble.run",
}

__all__ = [
    "Competition",
    "Recipe",
    "Run",
    "load_entry",
    "open_finished",
    "resume_run",
    "run_competition",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are used: torch takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ensemble' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
