"""How many files of the library a call passes through on its way, and how often it comes back to one: counted, not timed.

    python benchmarks/walks.py

Three walks that a newcomer follows: a scenario file to the table of who saves and who bears; an ICB's code to the
notebooks that it is run with; a CSV file to a Parquet table. A step is a call from one file of `pathcost_lib` into
another, counted once. What Python, DuckDB or pandas do between is not counted, nor are calls within a file, nor into the
small files that everything uses (errors, checks of arguments, codes, places, quoting).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pandas as pd

SMALL = {"arguments.py", "codes.py", "errors.py", "paths.py", "scratch.py", "sources/quoting.py"}
MAPPING = """
[[table]]
name = "organisations"
file = "areas.csv"
[table.columns]
org_code = { from = "code" }
name = { from = "name" }
kind = { constant = "icb" }
icb_code = { from = "code" }
valid_from = { sql = "DATE '2022-07-01'" }
"""
LIBRARY = Path(__file__).parents[1] / "pathcost_lib"


def walk(run: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the steps of a call from file to file, each once, in the order in which they are first made."""
    steps: dict[tuple[str, str], None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        back = frame.f_back
        if event != "call" or back is None or frame.f_code.co_name == "<module>":
            return
        here, there = Path(back.f_code.co_filename), Path(frame.f_code.co_filename)
        if here != there and there.is_relative_to(LIBRARY):
            origin = here.relative_to(LIBRARY).as_posix() if here.is_relative_to(LIBRARY) else "(a library)"
            name = there.relative_to(LIBRARY).as_posix()
            if not {origin, name} & SMALL:
                steps[origin, name] = None

    run()  # what is imported or remembered is so the second time
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return list(steps)


def scenario_to_table() -> object:
    """Return who saves and who bears by a shipped scheme."""
    from pathcost_lib import scenarios

    return scenarios.system_impact(scenarios.load_scenario("nursing_homes"))


def code_to_notebooks() -> object:
    """Return the order of an ICB's pack: which notebooks, with which values."""
    from pathcost_lib import paths
    from pathcost_lib.packs.order import place_order

    return place_order(["QHL"], "2024-25", None, None, [], paths.sample(), ["html"], None, {})


def csv_to_parquet() -> object:
    """Import one CSV file of two columns by a mapping."""
    from pathcost_lib import sources
    from pathcost_lib.intake.mapping import map_folder

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pd.DataFrame({"code": ["QZ1"], "name": ["An area"]}).to_csv(place / "areas.csv", index=False)
        mapping = place / "mapping.toml"
        mapping.write_text(MAPPING)
        return map_folder(place, mapping, sources.connect(), key=place / "pseudonym.key")


def main() -> None:
    """Print the walks."""
    for run in (scenario_to_table, code_to_notebooks, csv_to_parquet):
        steps = walk(run)
        files = list(dict.fromkeys(name for step in steps for name in step))
        files = [name for name in files if name != "(a library)"]
        rooms = {name.split("/")[0] for name in files}
        print(f"{run.__name__}: {len(files)} files of {len(rooms)} rooms, {len(steps)} steps")
        for origin, there in steps:
            print(f"  {origin} -> {there}")


if __name__ == "__main__":
    main()
