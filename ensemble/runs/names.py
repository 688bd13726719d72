"""Names that become parts of paths."""

import re
from pathlib import Path

from ensemble.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RUN = re.compile(r"([0-9]{4,})-.+")


def check_name(name: str, what: str) -> str:
    """The name, if it can be that of a file: nothing that leads to another folder.

    >>> check_name("0007-quick", "the name of a run")
    '0007-quick'
    >>> check_name("../quick", "the name of a run")
    Traceback (most recent call last):
    ensemble.errors.UserError: the name of a run is made of letters, digits, '.', '_' \
and '-' and begins with a letter or digit, not '../quick'
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{what} is made of letters, digits, '.', '_' and '-' and begins with a"
            f" letter or digit, not {name!r}"
        )
    return name


def run_number(path: Path) -> int:
    """The number of a run folder, 0 for anything else.

    >>> run_number(Path("runs/higgs/0007-quick")), run_number(Path("runs/higgs/.lock"))
    (7, 0)
    """
    match = _RUN.fullmatch(path.name)
    return int(match[1]) if match else 0
