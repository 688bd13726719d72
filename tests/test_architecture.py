"""The docstring of the package is its map; these tests keep the map true."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ensemble

PACKAGE = Path(ensemble.__file__).parent
ORDER = re.findall(r"^    ([a-z_.]+) {2,}\S", ensemble.__doc__, re.MULTILINE)


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def test_the_map_names_every_module():
    modules = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if not path.stem.startswith("_")
    }
    assert sorted(ORDER) == sorted(modules)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_those_above_it(module):
    imported = {
        name.removeprefix("ensemble.")
        for node in ast.walk(ast.parse(path_of(module).read_text()))
        for name in imports(node)
        if name.startswith("ensemble.")
    }
    above = set(ORDER[: ORDER.index(module)])
    assert imported <= above


def test_no_competition_is_named_in_the_package():
    for module in ORDER:
        code = ast.parse(path_of(module).read_text())
        names = {name for node in ast.walk(code) for name in imports(node)}
        assert not any(name.startswith("competitions") for name in names)


@pytest.mark.parametrize("verb", ["--help", "list"])
def test_help_and_list_do_without_torch(verb):
    code = (
        "import sys; from ensemble.cli import app\n"
        f"try: app(['{verb}'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    for name in ensemble.__all__:
        assert getattr(ensemble, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ensemble.nothing  # noqa: B018


def imports(node: ast.AST) -> list[str]:
    """The modules an import statement names; of a package, what is taken from it."""
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        is_package = (PACKAGE.parent / module.replace(".", "/")).is_dir()
        if is_package:
            return [f"{module}.{alias.name}" for alias in node.names]
        return [module]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return []
