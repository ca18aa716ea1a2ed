"""Readers of published tables, by what they look for: silent on what is honest, not on plants, which are refused."""

from __future__ import annotations

import pytest
import readers_counts  # noqa: F401
import readers_definitions  # noqa: F401
import readers_pounds  # noqa: F401
import readers_sums  # noqa: F401
from honest import check_honest, check_planted, check_refused
from published import of_subject

NAMES = [name for subject in ("counts", "pounds", "sums", "definitions") for name in of_subject(subject)]


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_200_honest_samples(name: str) -> None:
    check_honest(name)


@pytest.mark.unit
@pytest.mark.parametrize("name", NAMES)
def test_a_planted_leak_of_its_kind_is_found(name: str) -> None:
    check_planted(name)


@pytest.mark.unit
@pytest.mark.parametrize("name", NAMES)
def test_a_pack_with_the_plant_is_refused(name: str) -> None:
    check_refused(name)
