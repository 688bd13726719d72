"""Writes what can be had from the code itself: commands.md and recipes.md.

    python docs/make_reference.py

A test compares both files with what this script would write.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command
from typer.testing import CliRunner

from ensemble.cli import app
from ensemble.recipe import Recipe

DOCS = Path(__file__).parent
MADE = "<!-- made by docs/make_reference.py; do not edit -->\n"
COMMANDS = """# Commands

What `ensemble VERB --help` says. Exit codes are in the [manual](manual.md#exit-codes).
"""
RECIPES = """# Recipes

A recipe is a value in `competitions/<name>/spec.py`, which says what it sets; the
report of a run lists every value it had. `--set key=value` changes one of them for a
run. The value is JSON, or else text:

```bash
ensemble run higgs --set 'network.hidden=[256,256]' --set inputs.clip=null
ensemble run higgs --set training.optimizer.kind=sgd --set 'training.emphasis={}'
```

A new `kind` starts from the defaults of its kind, and `{}` takes those of a record.
"""
BOUNDS = {
    "exclusiveMinimum": ">",
    "minimum": ">=",
    "exclusiveMaximum": "<",
    "maximum": "<=",
}

Schema = dict[str, Any]  # a part of the JSON schema that pydantic makes


def pages() -> dict[str, str]:
    """The text of each generated file, by name."""
    return {"commands.md": commands_page(), "recipes.md": recipes_page()}


def verbs() -> list[str]:
    """The verbs of the command line, in the order of its help."""
    group = get_command(app)
    return group.list_commands(typer.Context(group))


def commands_page() -> str:
    """The help of the program and of each verb."""
    sections = [f"## {verb}\n\n{_help(verb)}" for verb in verbs()]
    return "\n".join([MADE + COMMANDS, _help(), *sections])


def _help(*verb: str) -> str:
    """What is printed on a terminal of 80 columns."""
    shown = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).invoke(
        app, [*verb, "--help"], prog_name="ensemble"
    )
    lines = [line.rstrip() for line in shown.output.strip().splitlines()]
    return "\n".join(["```text", *lines, "```", ""])


def recipes_page() -> str:
    """A table for each record of a recipe, with the keys that `--set` takes."""
    schema = Recipe.model_json_schema()
    return "\n".join([MADE + RECIPES, *_sections(schema, schema["$defs"], "")])


def _sections(record: Schema, records: Schema, prefix: str) -> Iterator[str]:
    """The table of a record, then those of the records in it."""
    values = {prefix + name: value for name, value in record["properties"].items()}
    rows = [row for key, value in values.items() if (row := _row(key, value))]
    about = record["description"].replace("\n\n", "\n")
    table = ["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    yield "\n".join([f"## {record['title']}\n", f"{about}\n", *table])
    for key, value in values.items():
        for inner in _inner(value):
            yield from _sections(records[inner], records, f"{key}.")


def _row(key: str, value: Schema) -> str:
    """What a value may be; nothing where there is no choice."""
    about = value.get("description", "")
    if "discriminator" in value:
        kinds = ", ".join(f"`{kind}`" for kind in value["discriminator"]["mapping"])
        default = value["default"]["kind"]
        return f"| `{key}.kind` | {kinds} | `{default}` | see below |"
    if "$ref" in value or "const" in value:
        return ""
    default = json.dumps(value["default"]) if "default" in value else "none"
    return f"| `{key}` | {_allowed(value)} | `{default}` | {about} |"


def _inner(value: Schema) -> list[str]:
    """The records that a value may be."""
    options = [value, *value.get("anyOf", []), *value.get("oneOf", [])]
    return [one["$ref"].rpartition("/")[2] for one in options if "$ref" in one]


def _allowed(value: Schema) -> str:
    """Which values are possible, in a few words: 'integer, >= 2'."""
    if "anyOf" in value:
        return " or ".join(_allowed(one) for one in value["anyOf"])
    if "$ref" in value:
        return "record"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if value["type"] == "array":
        return _allowed_list(value)
    bounds = [f"{sign} {value[key]:g}" for key, sign in BOUNDS.items() if key in value]
    return ", ".join([value["type"], *bounds])


def _allowed_list(value: Schema) -> str:
    if "items" in value:
        return f"list: {_allowed(value['items'])}"
    return f"{value['minItems']} of: {_allowed(value['prefixItems'][0])}"


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
