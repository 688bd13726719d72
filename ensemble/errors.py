"""What a user can mend, as exceptions that carry the exit code of the program.

The message of each is one sentence: what is wrong, where, and what to do. The command
line prints it without a traceback and leaves with `exit_code`.
"""


class UserError(Exception):
    """The user must change something; the message says what."""

    exit_code = 2


class DataError(UserError):
    """A data file does not hold what the competition says it holds."""

    exit_code = 3


class LockedError(UserError):
    """Another process is working in the run folder."""

    exit_code = 4


class MembersFailedError(UserError):
    """Too many members failed for the bag to be used."""

    exit_code = 5


class DamagedError(UserError):
    """A saved artefact is not what was written: cut short, changed or gone."""

    exit_code = 6


class Interrupted(BaseException):
    """Ctrl-C or a request to terminate; the exit code is 128 + the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number
