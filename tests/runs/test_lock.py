import os
import signal
import subprocess
import sys
import time

import pytest

from ensemble.errors import LockedError
from ensemble.runs.lock import hold_lock, lock_owner
from tests.runs.fault import in_child
from tests.runs.samples import make_run


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".lock"


class Owner:
    """A forked process that holds a lock, and may have a child, until it is killed."""

    def __init__(self, path, beside=None):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                with hold_lock(path):
                    if beside is not None:
                        beside()
                    os.write(writing, b"!")
                    signal.pause()
            finally:
                os._exit(1)
        os.read(reading, 1)
        os.close(reading)
        os.close(writing)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_the_second_process_is_told_at_once_who_holds_a_run(tmp_path):
    run = make_run(tmp_path)
    owner = Owner(run.path / ".lock")
    started = time.perf_counter()
    message = f"is in use by process {owner.pid}; wait"
    with pytest.raises(LockedError, match=message), run.lock():
        pass
    assert time.perf_counter() - started < 1
    assert LockedError.exit_code == 4
    owner.kill()


def test_a_lock_dies_with_its_owner(path):
    owner = Owner(path)
    assert lock_owner(path) == owner.pid
    owner.kill()
    assert lock_owner(path) is None
    with hold_lock(path):
        assert lock_owner(path) == os.getpid()


def test_a_forked_child_does_not_keep_the_lock_of_a_dead_owner(path):
    reading, writing = os.pipe()

    started, tell = os.pipe()

    def fork_a_child():
        if os.fork() == 0:
            os.close(writing)
            os.write(tell, b"!")
            os.read(reading, 1)  # until the test is over
            os._exit(0)
        os.read(started, 1)

    owner = Owner(path, beside=fork_a_child)
    owner.kill()
    with hold_lock(path):
        pass
    for end in (writing, reading, started, tell):
        os.close(end)


def test_a_started_program_does_not_keep_the_lock_of_a_dead_owner(path):
    reading, writing = os.pipe()

    def start_a_program():
        code = "import sys; sys.stdin.read()"
        subprocess.Popen([sys.executable, "-c", code], stdin=reading, close_fds=False)

    owner = Owner(path, beside=start_a_program)
    owner.kill()
    with hold_lock(path):
        pass
    os.close(writing)
    os.close(reading)


def test_a_forked_child_leaves_the_lock_to_its_parent(path):
    def contend():
        with pytest.raises(LockedError, match=str(os.getppid())), hold_lock(path):
            pass

    with hold_lock(path):
        assert in_child(contend) == 0
        assert in_child(contend) == 0
        assert lock_owner(path) == os.getpid()


def test_a_lock_is_free_after_an_error(path):
    with pytest.raises(KeyError), hold_lock(path):
        raise KeyError
    with hold_lock(path):
        pass
    assert path.read_text() == ""


def test_a_process_locks_itself_out_too(path):
    with hold_lock(path), pytest.raises(LockedError), hold_lock(path):
        pass


def test_the_lock_of_a_run_can_be_taken_within_itself(tmp_path):
    run = make_run(tmp_path)
    with run.lock():
        with run.lock():
            run.update(state="running")
        run.update(state="finished")
    with pytest.raises(ValueError, match="only"):
        run.update(state="new")


def test_who_waits_gets_the_lock_in_the_end(path):
    counter = path.with_name("counter")
    counter.write_text("0")

    def count():
        for _ in range(20):
            with hold_lock(path, wait=True):
                counter.write_text(str(int(counter.read_text()) + 1))

    def count_beside_a_child():
        other = os.fork()
        count()
        if other:
            os.waitpid(other, 0)

    assert in_child(count_beside_a_child) == 0
    assert counter.read_text() == "40"


@pytest.mark.parametrize("text", ["", "abc", "999999999", "-1", "1" * 400])
def test_a_lock_file_without_a_living_process_has_no_owner(path, text):
    path.write_text(text)
    assert lock_owner(path) is None or text == "-1"
