"""What the documents say is so: commands and examples run, links lead somewhere."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from ensemble.catalog import load_entry, load_hook
from ensemble.cli import app
from ensemble.recipe import Recipe

ROOT = Path(__file__).parents[1]
FOLDERS = ("", "docs", "docs/images", "competitions", "competitions/higgs")
PAGES = sorted(
    page
    for folder in (*FOLDERS, "submissions", "benchmarks")
    for page in (ROOT / folder).glob("*.md")
)
VERBS = get_command(app).commands
LINK = re.compile(r"\]\(([^)\s]+)\)")


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def commands(page: Path) -> list[list[str]]:
    """The words after `ensemble` of each command line in the bash blocks."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["ensemble"]]


def reference():
    """The script that makes the generated pages."""
    path = ROOT / "docs" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory, nursery) -> Path:
    """A working folder as `make higgs` leaves it, with a smaller simulated sample."""
    folder = tmp_path_factory.mktemp("newcomer")
    entry = load_entry("higgs")
    sample = folder / "data" / "higgs-simulated"
    sample.mkdir(parents=True)
    simulate = load_hook(entry.folder, entry.competition.simulate)
    simulate(sample, n_train=1_500, n_test=300)
    makefile = (ROOT / "Makefile").read_text()
    assert "$(BIN)/ensemble run higgs --jobs -1 $(ARGS)" in makefile
    program = nursery.run("run", "higgs", cwd=folder)
    assert program.code == 0, program.err
    return folder


@pytest.mark.timeout(240)
def test_the_commands_of_the_readme_do_their_work(folder, nursery):
    for words in commands(ROOT / "README.md"):
        program = nursery.run(*words, cwd=folder)
        assert (program.code, program.err) == (0, ""), words
        assert program.out


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_examples_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    for code in blocks(ROOT / page, "python"):
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_the_commands_of_a_page_can_be_understood(page):
    for verb, *words in commands(page):
        if "--help" not in (verb, *words):
            VERBS[verb].make_context(verb, words)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        path, _, heading = link.partition("#")
        if not path.startswith("http"):
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not heading or heading in headings(target), link


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_a_page_names_no_machine_and_nobody(page):
    text = page.read_text()
    assert not re.search(r"/(work|home|root|tmp|Users)/", text)
    assert not re.search(r"\b(session|helper|colleague|Claude|LLM)s?\b", text, re.I)


@pytest.mark.parametrize("name", ["commands.md", "recipes.md"])
def test_generated_pages_are_up_to_date(name):
    text = (ROOT / "docs" / name).read_text()
    assert text == reference().pages()[name], "run python docs/make_reference.py"


def test_every_value_of_a_recipe_says_what_it_means():
    for record in Recipe.model_json_schema()["$defs"].values():
        for name, value in record["properties"].items():
            is_plain = "const" not in value and "$ref" not in value
            if is_plain and "discriminator" not in value:
                assert value.get("description"), (record["title"], name)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb):
    assert f"| `{verb}` |" in (ROOT / "README.md").read_text()
    assert re.search(rf"`ensemble {verb}\b", (ROOT / "docs/manual.md").read_text())
    assert f"Example: ensemble {verb}" in VERBS[verb].help


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_can_be_understood(verb):
    (example,) = re.findall(r"Example: (.+)", VERBS[verb].help)
    _, name, *words = shlex.split(example)
    assert name == verb
    VERBS[verb].make_context(verb, words)


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "images").glob("*.[ps][nv]g"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 300_000, picture
        if picture.suffix == ".svg":  # nothing is loaded from elsewhere
            assert "url(http" not in picture.read_text().replace('"', "")


def test_the_modules_of_a_competition_are_in_its_table():
    text = (ROOT / "competitions/higgs/README.md").read_text()
    for module in (ROOT / "competitions/higgs").glob("[a-z]*.py"):
        assert f"`{module.name}`" in text


def headings(page: Path) -> set[str]:
    """The anchors of a page, as code hosting sites make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {
        re.sub(r"[^\w\- ]", "", one).strip().lower().replace(" ", "-") for one in found
    }
