"""Every public function of the analysis rooms, with every fault planted in every argument."""

from __future__ import annotations

import importlib
import inspect

import pytest

from doors.harness import Case, outcome, plants

ROOMS = ("benchmark", "variation", "scenarios", "value")


def cases(room: str) -> dict[str, list[Case]]:
    """Return the cases of a room by function: `CASES` of each module `cases_<room>` beside this one."""
    modules = {"scenarios": ("cases_demand", "cases_outlook", "cases_change")}.get(room, (f"cases_{room}",))
    merged: dict[str, list[Case]] = {}
    for module in modules:
        for name, case in importlib.import_module(f"doors.{module}").CASES.items():
            merged.setdefault(name, []).extend(case if isinstance(case, list) else [case])
    return merged


def public_functions(room: str) -> list[str]:
    """Return the public functions of a room, read from its `__all__`."""
    module = importlib.import_module(f"pathcost_lib.{room}")
    return [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]


@pytest.mark.unit
@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_has_a_case(room):
    assert {*public_functions(room)} <= {*cases(room)}


def names_of(room: str) -> list[str]:
    """Return the public functions, and the public classes that have a case: what they refuse no function sees."""
    functions = public_functions(room)
    return [*functions, *sorted({*cases(room)} - {*functions})]


ALL = [(room, name) for room in ROOMS for name in names_of(room)]


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize(("room", "name"), ALL, ids=[f"{room}.{name}" for room, name in ALL])
def test_no_fault_gives_another_number_without_a_word(room, name):
    for case in cases(room)[name]:
        baseline = case.call(**case.arguments())
        wrong, used = [], set()
        for plant in plants(case.arguments(), case.skip):
            answer = outcome(case, plant, baseline)
            if answer in ("refused", "told", "same"):
                continue
            key = case.excused(plant)
            if key and answer == "another number":
                used.add(key)
            else:
                wrong.append(f"{plant}: {answer}")
        assert not wrong, f"{len(wrong)} fault(s) pass without a word:\n" + "\n".join(wrong)
        assert used == set(case.legitimate), f"excused, but never met: {set(case.legitimate) - used}"
