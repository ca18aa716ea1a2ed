"""What every public function asks of its arguments: names of columns, labels that can be told apart, order by value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathcost_lib import benchmark
from pathcost_lib.arguments import as_list, confidence_levels, encode, no_gaps, require_columns
from pathcost_lib.benchmark.productivity import productivity
from pathcost_lib.errors import InputError
from pathcost_lib.sources.engine import connect

ROWS = pd.DataFrame({"icb": ["QA", "QB"], "cost": [1.0, 3.0]})


@pytest.mark.unit
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["", "  "], "differ only in spaces"),
        (["QA", "QA "], "differ only in spaces"),
        (["QA", 7], "text in some rows and numbers in others"),
        (["QA", None], "missing in 1 row"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(labels, said):
    rows = ROWS.assign(icb=pd.Series(labels, dtype=object))
    with pytest.raises(InputError, match=said):
        encode(rows, ["icb"])
    with pytest.raises(InputError, match=said):
        no_gaps(rows, ["icb"], what="rows")
    with pytest.raises(InputError, match=said):
        benchmark.mean(rows, by="icb", value="cost")


@pytest.mark.unit
def test_a_column_twice_and_a_name_that_is_no_text_are_refused_in_words():
    with pytest.raises(InputError, match="a column twice: icb"):
        require_columns(pd.concat([ROWS, ROWS[["icb"]]], axis=1), ["icb"], what="rows")
    for name in (7, None, ["icb"]):
        with pytest.raises(InputError, match="lack"):
            require_columns(ROWS, [name], what="rows")
    with pytest.raises(InputError, match="no name of a column"):
        as_list(7)
    assert confidence_levels(np.array(0.95)) == (0.95,)


@pytest.mark.unit
def test_rows_for_the_engine_are_refused_without_a_patients_value():
    engine = connect()
    mixed = pd.DataFrame({"patient_id": pd.Series([1, "943 476 5919"], dtype=object)})
    with pytest.raises(InputError, match="values of several kinds") as error:
        engine.register("rows", mixed)
    assert "943" not in str(error.value) and error.value.__cause__ is None and error.value.__suppress_context__
    with pytest.raises(InputError, match="a column twice: icb"):
        engine.register("rows", pd.concat([ROWS, ROWS[["icb"]]], axis=1))


@pytest.mark.unit
def test_years_as_unordered_categories_stand_in_the_order_of_their_values():
    years = pd.Categorical(["2023-24", "2022-23", "2023-24"], categories=["2024-25", "2023-24", "2022-23"])
    code, levels = encode(pd.DataFrame({"year": years}), ["year"])
    assert levels["year"].tolist() == ["2022-23", "2023-24"]
    assert code.tolist() == [1, 0, 1]


@pytest.mark.unit
def test_productivity_does_not_run_backwards_where_years_are_categories():
    rows = pd.DataFrame({"year": ["2022-23", "2023-24"] * 2, "hrg": ["AA", "AA", "BB", "BB"], "trust": "T"})
    rows = rows.assign(spells=[100.0, 120.0, 50.0, 60.0], gbp=[1_000.0, 1_200.0, 500.0, 600.0])
    options = {"by": "trust", "period": "year", "currency": "hrg", "activity": "spells", "cost": "gbp"}
    back = rows.assign(year=pd.Categorical(rows["year"], categories=["2023-24", "2022-23"]))
    for given in (rows, back):
        (link,) = productivity(given, **options).table.to_dict("records")
        assert link["year"] == "2023-24"
        assert link["activity_index"] == pytest.approx(120.0)  # each code has a fifth more
