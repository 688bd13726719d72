"""Where the files of a competition are taken from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ensemble.catalog import Entry, load_hook
from ensemble.data.download import download
from ensemble.data.tables import find_table
from ensemble.errors import DataError, UserError
from ensemble.files import make_folder


@dataclass(frozen=True)
class Source:
    """A folder with a competition's files, and whether they were made up."""

    folder: Path
    simulated: bool


def find_source(
    entry: Entry,
    data: Path | None = None,
    root: Path = Path("data"),
    tell: Callable[[str], None] = lambda text: None,
) -> Source:
    """The folder `data`, else `root/<name>`, else a simulated sample.

    The sample is made if it is not there yet; `tell` hears of that.
    """
    name = entry.competition.name
    made_up = root / f"{name}-simulated"
    if data is not None:
        if not data.is_dir():
            raise UserError(f"--data {data}: there is no such folder")
        return Source(data, simulated=data.resolve() == made_up.resolve())
    if has_data(entry, root / name):
        return Source(root / name, simulated=False)
    if entry.competition.simulate is None:
        raise DataError(
            f"there is no {entry.competition.train_file} in {root / name};"
            " put the competition's files there, or name their folder with --data"
        )
    if not has_data(entry, made_up):
        tell(f"no files in {root / name}: simulating a sample into {made_up}")
        make_folder(made_up)
        load_hook(entry.folder, entry.competition.simulate)(made_up)
    return Source(made_up, simulated=True)


def find_sample(entry: Entry, source: Source) -> Path | None:
    """The sample submission, where there is one."""
    try:
        return find_table(source.folder, entry.competition.sample_file)
    except DataError:
        return None


def has_data(entry: Entry, folder: Path) -> bool:
    """Whether both tables of the competition lie in a folder."""
    try:
        find_table(folder, entry.competition.train_file)
        find_table(folder, entry.competition.test_file)
    except DataError:
        return False
    return True


def download_data(entry: Entry, root: Path, tell: Callable[[int, int], None]) -> Path:
    """Fetch a competition's file, and turn it into train, test and solution."""
    name, file = entry.competition.name, entry.competition.download
    if file is None:
        raise UserError(f"the files of {name} cannot be fetched; see its README")
    folder = root / name
    if not has_data(entry, folder):
        make_folder(folder)
        download(file, folder, progress=tell)
        if entry.competition.prepare is not None:
            load_hook(entry.folder, entry.competition.prepare)(folder)
    return folder
