"""Shared fixtures, and the rule that each test bears exactly one marker."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import settings

from pathcost_lib.packs import render

mpl.use("Agg")
# A busy machine is no fault of the code: how long an example takes decides nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

MARKERS = {"unit", "oracle", "property", "regression", "notebook", "end_to_end", "published"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wrong = []
    for item in items:
        if item.nodeid.split("::")[0].endswith(".ipynb"):
            continue
        found = {m.name for m in item.iter_markers()} & MARKERS
        if len(found) != 1:
            wrong.append(f"{item.nodeid}: {sorted(found) or 'no marker'}")
    if wrong:
        raise pytest.UsageError("each test bears exactly one marker:\n" + "\n".join(wrong))


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Return the folder of official publications, or skip with the reason."""
    folder = Path(os.environ.get("PATHCOST_PUBLIC_DATA", Path(__file__).parents[2] / "shared" / "public"))
    if not folder.is_dir():
        pytest.skip("official publications are not here: set PATHCOST_PUBLIC_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep what tests remember apart from what the user's notebooks do."""
    os.environ["PATHCOST_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["PATHCOST_CACHE"]


@pytest.fixture(autouse=True, scope="session")
def _key(tmp_path_factory: pytest.TempPathFactory):
    """Keep the key of pseudonyms out of the home of whoever runs the tests."""
    os.environ["PATHCOST_KEY"] = str(tmp_path_factory.mktemp("key") / "pseudonym.key")
    yield
    del os.environ["PATHCOST_KEY"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data of three ICBs of the sample, large enough for numbers in every notebook."""
    from pathcost_lib.sample import generate

    return generate(tmp_path_factory.mktemp("three") / "sample", people=600_000, icbs=("QHL", "QOP", "QUA"))


@pytest.fixture(scope="session")
def pack_of_three(three: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a pack of one of the three, of all notebooks at their defaults."""
    from pathcost_lib import packs

    out = tmp_path_factory.mktemp("reports")
    built = packs.build("QHL", year="2024-25", data=three, out=out, formats=(*render.FORMATS,), jobs=2)
    assert not built.failures, built.failures
    return built.folder
