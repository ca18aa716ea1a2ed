"""The project's own files agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"python-duckdb": "duckdb"}


@pytest.mark.unit
def test_conda_users_get_the_same_dependencies():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    own = {"pip", "python>=3.11", "-e ."}
    pip = next(d["pip"] for d in listed if isinstance(d, dict))
    conda = {d for d in [*pip, *listed] if isinstance(d, str)} - own
    named = {re.sub(r"^[a-z0-9-]+", lambda m: CONDA_NAMES.get(m[0], m[0]), d) for d in conda}
    tests = {d for d in PROJECT["optional-dependencies"]["test"] if d.startswith(("pytest>", "nbval>"))}
    assert len(tests) == 2 and named == {*PROJECT["dependencies"], *tests}


@pytest.mark.unit
@pytest.mark.parametrize(("name", "extra"), [("requirements.lock", "test"), ("requirements-spark.lock", "spark")])
def test_the_locks_hold_every_dependency_with_its_hash_and_name_no_host(name, extra):
    lock = (ROOT / name).read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9_.-]+)==", lock, re.MULTILINE))
    wanted = {re.split(r"[<>=\[ ]", d)[0] for d in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]}
    assert wanted <= pinned
    assert "--hash=sha256:" in lock
    assert "://" not in lock


@pytest.mark.unit
def test_make_help_names_the_targets_that_the_readme_and_the_docs_use():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert {"setup", "pack", "lab", "test", "test-all", "lint", "notebooks", "bench"} <= targets
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))) <= targets


@pytest.mark.unit
def test_importing_the_library_loads_no_plotting_and_no_models():
    # A notebook that only prices pays for pricing only.
    code = "import sys, pathcost_lib.pathways; print({'matplotlib', 'statsmodels', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.unit
def test_every_sql_file_is_named_steps_only():
    from pathcost_lib.sources.engine import parse_steps

    files = list((ROOT / "pathcost_lib").rglob("*.sql"))
    assert len(files) >= 3
    for file in files:
        assert parse_steps(file)
