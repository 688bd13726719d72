import getpass
import json
import platform
import subprocess
from pathlib import Path

import pytest

from ensemble.runs.document import encode_document
from ensemble.runs.provenance import commit, environment


def test_the_environment_tells_versions_and_machine_but_no_names_or_paths():
    facts = environment()
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["numpy"][0].isdigit()
    assert " core" in facts["machine"]
    text = encode_document(facts).decode()
    assert json.loads(text) == facts
    for private in (platform.node(), str(Path.home()) + "/", f"/{getpass.getuser()}/"):
        assert private not in text
    assert environment() == facts


@pytest.fixture
def project(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("")
    git(tmp_path, "add", ".")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git(tmp_path, *who, "commit", "-q", "-m", "first")
    return tmp_path


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], check=True, timeout=20)


def test_the_commit_tells_whether_files_were_changed(project):
    clean = commit(project)
    assert clean is not None
    assert len(clean) == 40
    (project / "a.py").write_text("changed")
    assert commit(project) == f"{clean}-dirty"


def test_the_commit_of_another_repository_around_is_not_taken(project):
    installed = project / "site-packages"
    installed.mkdir()
    assert commit(installed) is None


def test_without_git_or_repository_there_is_no_commit(tmp_path, monkeypatch):
    assert commit(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert commit(Path(__file__).parents[2]) is None
