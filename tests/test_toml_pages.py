"""Files that people write: schemas and tables of keys are those of the models, and ready files keep to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest

from pathcost_lib.errors import InputError
from pathcost_lib.intake.mapping_file import MappingFile
from pathcost_lib.pathways.definition_file import PathwayFile
from pathcost_lib.scenarios.scenario_file import ScenarioFile
from pathcost_lib.sources.toml_models import Table, check_content, read_file
from pathcost_lib.sources.toml_pages import editor_schema, key_tables

ROOT = Path(__file__).parents[1]
MODELS = {"pathway": PathwayFile, "scenario": ScenarioFile, "mapping": MappingFile}
PAGES = {"pathway": "write-a-pathway.md", "scenario": "write-a-scheme.md"}
READY = [
    (kind, path)
    for kind, folder in (("pathway", "pathways"), ("scenario", "scenarios"), ("mapping", "mappings"))
    for path in sorted((ROOT / "data" / folder).glob("*.toml"))
    if path.stem != "synthea_pathway"
]


def written(path: Path, current: str, made: str) -> None:
    """Compare what is committed with what the models say; PATHCOST_GOLDEN=write renews it."""
    if os.environ.get("PATHCOST_GOLDEN") == "write":
        path.write_text(made, encoding="utf-8")
    else:
        assert current == made, f"{path.name} is not current: PATHCOST_GOLDEN=write pytest {Path(__file__).name}"


@pytest.mark.regression
@pytest.mark.parametrize("kind", MODELS)
def test_the_schema_is_that_of_the_model(kind):
    path = ROOT / "docs" / "schemas" / f"{kind}.json"
    written(path, path.read_text(encoding="utf-8") if path.is_file() else "", editor_schema(MODELS[kind]))
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.regression
@pytest.mark.parametrize("kind", PAGES)
def test_the_page_has_every_key_of_the_model(kind):
    path = ROOT / "docs" / PAGES[kind]
    page = path.read_text(encoding="utf-8")
    head, mark, _ = page.partition("## Every key\n\n")
    assert mark
    written(path, page, head + mark + key_tables(MODELS[kind]))
    assert f"#:schema ../docs/schemas/{kind}.json" in head


@pytest.mark.unit
@pytest.mark.parametrize(("kind", "path"), READY, ids=lambda value: getattr(value, "stem", value))
def test_ready_files_keep_to_the_model_and_to_its_schema(kind, path):
    read_file(MODELS[kind], path, kind)
    schema = json.loads((ROOT / "docs" / "schemas" / f"{kind}.json").read_text(encoding="utf-8"))
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"no_such_key": 1}, schema)


@pytest.mark.unit
@pytest.mark.parametrize("kind", PAGES)
def test_the_example_of_each_key_is_allowed(kind):
    left: list[type[Table]] = [MODELS[kind]]
    while left:
        table = left.pop()
        for name, field in table.model_fields.items():
            left += [t for t in Table.__subclasses__() if t.__name__ in repr(field.annotation) and t is not table]
            for example in field.examples or []:
                try:
                    check_content(table, {field.alias or name: example}, "example.toml")
                except InputError as error:
                    assert f": {name} " not in str(error) and f", {name}:" not in str(error)


@pytest.mark.unit
def test_pydantic_is_imported_where_a_file_is_read_and_not_before():
    code = (
        "import sys, pathcost_lib.cli, pathcost_lib.pathways, pathcost_lib.scenarios; print('pydantic' in sys.modules);"
        "import pathcost_lib as pc; pc.load_definition('stroke'); print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


LINES = '''# A comment
name = "mine"

title = """
effect = 2, in a text
"""
narrative = "n"
source = "s"
price_base = "2024-25"

[names]
A = "B"

[[intervention]]
name = "one"
title = "t"
source = "s"
evidence = "weak"
change = "avoid"
effect = 0.1
start = "2024-25"
ramp = [
  # half of it at first
  0.5,
  1.0,
]
[intervention.select]
pod = ["elective"]

[[intervention]]
# Written beneath its heading.
name = "two"
title = "t"
source = "s"
evidence = "weak"
change = "avoid"
effect = 0.1
start = "2024-25"
[intervention.select]
pod = ["elective"]
'''


@pytest.mark.unit
@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "mine"', "name = 1", "line 2: name must be text"),
        ('title = """', 'title = """\\u00a3', None),
        ("  0.5,", "  50,", "line 22, [[intervention]] one: value 1 of ramp must be a number from 0 to 1, not 50."),
        ('A = "B"', "A = 1", "line 12: names.A must be text, in quotation marks, not 1"),
        (
            'pod = ["elective"]\n\n',
            'pods = ["elective"]\n\n',
            "line 28, [[intervention]] one [intervention.select]: key",
        ),
        ('name = "two"\n', "", "line 30, [[intervention]] 2: key 'name' is missing (short name"),
        ('name = "two"', 'name = "one"', "line 32, [[intervention]] one, name: intervention names must differ"),
        ('[names]\nA = "B"', "names = 1", "line 11: names must be a table of keys and values, not 1."),
        ('[names]\nA = "B"', "intervention = 1", None),
    ],
)
def test_a_problem_has_its_line_whatever_is_above_it(tmp_path, old, new, line):
    path = tmp_path / "mine.toml"
    assert old in LINES
    path.write_text(LINES.replace(old, new), encoding="utf-8")
    if line is None and "title" in old:
        read_file(ScenarioFile, path, "scenario")
        return
    with pytest.raises(InputError) as error:
        read_file(ScenarioFile, path, "scenario")
    assert str(error.value).startswith(f"mine.toml, {line}" if line else "mine.toml is not valid TOML")


@pytest.mark.unit
def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    text = LINES.replace("effect = 0.1", 'effect = "10%"', 1).replace('evidence = "weak"', 'evidence = "week"')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_file(ScenarioFile, path, "scenario")
    assert [line.split(":")[0] for line in str(error.value).split("\n")] == [
        "mine.toml, line 18, [[intervention]] one",
        "mine.toml, line 20, [[intervention]] one, effect",
        "mine.toml, line 35, [[intervention]] two",
    ]


@pytest.mark.unit
def test_a_long_or_hostile_file_is_refused_in_words_and_soon(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(LINES.replace("effect = 0.1", "effect = 2") + "# padding\n" * 20_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"^mine\.toml, \[\[intervention\]\] one, effect: is a share"):
        read_file(ScenarioFile, path, "scenario")
    for lines in (9_000, 90_000):
        long = "long\n" * lines
        path.write_text(f'name = """{long}"""', encoding="utf-8")
        with pytest.raises(InputError, match=r"name must be a name of 1 to 60 letters.*, not 'long"):
            read_file(ScenarioFile, path, "scenario")
    path.write_text(LINES + "[[intervention]]\n" * 2_000 + f"{'k' * 900} = 1\n", encoding="utf-8")
    started = time.monotonic()
    with pytest.raises(InputError) as error:
        read_file(ScenarioFile, path, "scenario")
    told = str(error.value).split("\n")
    assert len(told) == 11 and re.fullmatch(r"mine\.toml: and 1\d,?\d+ more\.", told[-1])
    assert time.monotonic() - started < 20
    path.write_text(LINES.replace("title", "k" * 900, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_file(ScenarioFile, path, "scenario")
    assert "key 'kkk" in str(error.value) and len(str(error.value)) < 700
