"""What is understood of a table: kinds, roles, what is left out, and what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from churn.core.errors import ChurnError, DataError, ParamsError
from churn.core.params import ROW_NUMBER
from churn.init import choices, reading, table
from churn.init.asking import Asker
from churn.init.reading import csv_settings
from churn.init.table import Table, Wishes
from tests.unit.init.tables import shop, telco

pytestmark = pytest.mark.long


def understood(
    frame: pd.DataFrame, folder: Path, *, asker: Asker | None = None, **wishes: Any
) -> Table:
    """Write a table and understand it, as `--yes` does; what is unsure is an error."""
    file = folder / "shop.csv"
    frame.to_csv(file, index=False, **wishes.pop("style", {}))
    asker = asker or Asker("shop.csv", True, has_terminal=False)
    csv = csv_settings(wishes.pop("settings", ()))
    found = table.describe(reading.read(file), Wishes(**wishes, csv=csv), asker)
    asker.finish("")
    return found


def test_a_table_of_the_telco_kind_needs_no_answer(tmp_path: Path) -> None:
    found = understood(telco(500), tmp_path)
    assert (found.id, found.target.name, found.target.positive) == ("customerID", "Churn", "Yes")
    assert found.of_kind("numeric") == ["tenure", "MonthlyCharges", "TotalCharges"]
    assert found.of_kind("categorical") == ["gender", "SeniorCitizen", "Partner", "Contract"]
    blanks = int((telco(500)["TotalCharges"] == " ").sum())
    assert found.used["TotalCharges"].missing == blanks > 0
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("style", "spent", "csv"),
    [
        ({}, "{:.2f}", {}),
        ({"sep": ";"}, "{:.2f}", {"separator": ";"}),
        ({}, "{:,.2f}", {"thousands": ","}),
        ({}, "${:,.2f}", {"thousands": ",", "symbols": "$€£%"}),
    ],
)
def test_how_numbers_are_written_is_found(
    tmp_path: Path, style: dict[str, str], spent: str, csv: dict[str, str]
) -> None:
    frame = shop()
    amounts = frame["spent"] * 100
    found = understood(frame.assign(spent=amounts.map(spent.format)), tmp_path, style=style)
    assert found.csv.model_dump(exclude_defaults=True) == csv
    assert np.allclose(found.used["spent"].values, amounts, atol=0.006)


def test_decimal_commas_and_other_numbers_together(tmp_path: Path) -> None:
    frame = shop()
    found = understood(frame, tmp_path, style={"sep": ";", "decimal": ","})
    assert found.csv.model_dump(exclude_defaults=True) == {"separator": ";", "decimal": ","}
    assert list(found.used["spent"].values) == list(frame["spent"])


def test_a_number_that_two_styles_read_differently_is_asked_for(tmp_path: Path) -> None:
    frame = shop()[["client", "left"]].assign(
        spent=[f"{i % 7 + 1},{i % 900 + 99:03d}" for i in range(400)]
    )
    with pytest.raises(ParamsError, match=r"another with data\.csv\.thousands: ','.*name --set"):
        understood(frame, tmp_path)
    for setting, spent in (("data.csv.thousands=,", 1099), ("data.csv.decimal=,", 1.099)):
        assert understood(frame, tmp_path, settings=[setting]).used["spent"].values[0] == spent
    asker = Asker("shop.csv", False, has_terminal=True)
    with CliRunner().isolation(input="data.csv.thousands=,\ny\n"):
        found = understood(frame, tmp_path, asker=asker)
    assert found.used["spent"].values[0] == 1099
    assert found.csv.decimal == "."


def test_dates_are_found_and_an_ambiguous_one_is_asked_for(tmp_path: Path) -> None:
    day = pd.Timestamp("2026-05-31") - pd.to_timedelta(np.arange(400) % 300, unit="D")
    iso, german = day.strftime("%Y-%m-%d"), day.strftime("%d.%m.%Y %H:%M")
    found = understood(
        shop().assign(joined=iso, visit=german, ymd=day.strftime("%Y%m%d")), tmp_path
    )
    assert found.of_kind("dates") == ["joined", "visit", "ymd"]
    assert found.csv.date == "%d.%m.%Y %H:%M"
    early = shop().assign(day=["03/04/2026", "05/06/2026"] * 200)
    with pytest.raises(ParamsError, match=r"'0./0./2026', which is one day by .*data\.csv\.date="):
        understood(early, tmp_path)
    found = understood(early, tmp_path, settings=["data.csv.date=%m/%d/%Y"])
    assert str(found.used["day"].values.min().date()) == "2026-03-04"


def test_codes_with_leading_zeros_are_texts(tmp_path: Path) -> None:
    found = understood(shop().assign(zip=["01234", "50667"] * 200), tmp_path)
    assert "zip" in found.of_kind("categorical")


@pytest.mark.parametrize(
    ("name", "codes", "kind"),
    [
        ("sex", [1, 2], "categorical"),
        ("GenderCode", [0.0, 1.0], "categorical"),
        ("ethnicity", [1, 2, 3, None], "categorical"),
        ("sex", [1, "NA", 2, 2], "numeric"),  # as a text NA would be one of them
        ("sex", [0.5, 1.5], "numeric"),
        ("race_result", list(range(20)), "numeric"),
        ("age", [20, 30], "numeric"),
        ("sexes", [1, 2], "numeric"),
    ],
)
def test_numbers_that_are_codes_of_groups_are_categories(
    name: str, codes: list[object], kind: str, tmp_path: Path
) -> None:
    cells = (codes * 400)[:400]
    found = understood(shop().assign(**{name: pd.Series(cells, dtype=object)}), tmp_path)
    assert found.used[name].kind == kind
    slices = {d.path[-1]: d.value for d in choices.decide(found, "data/shop.csv")}
    if kind == "categorical":
        assert found.used[name].distinct == len([code for code in codes if code is not None])
        assert name in slices["categorical"]
        assert slices["protected"] == [name]


def test_known_markers_mean_missing_and_other_words_are_asked_for(tmp_path: Path) -> None:
    frame = shop().astype({"spent": "str"})
    frame.loc[:9, "spent"] = "#N/A"
    found = understood(frame, tmp_path)
    assert (found.missing, found.used["spent"].missing) == (("#N/A",), 10)
    frame.loc[20, "spent"] = "oops"
    with pytest.raises(ParamsError, match=r"'spent' holds numbers, and 'oops' in 1 of 400 rows"):
        understood(frame, tmp_path)
    assert understood(frame, tmp_path, missing=("oops",)).missing == ("#N/A", "oops")
    with (
        CliRunner().isolation(input="n\n"),
        pytest.raises(DataError, match="correct these cells"),
    ):
        understood(frame, tmp_path, asker=Asker("shop.csv", False, has_terminal=True))


def test_what_tells_nothing_or_too_much_is_left_out_with_the_reason(tmp_path: Path) -> None:
    frame = shop()
    left = frame["left"] == "yes"
    rng = np.random.default_rng(3)
    found = understood(
        frame.assign(
            number=range(400),
            other_id=3 * rng.permutation(400) + 7000,
            land="DE",
            nothing="",
            note=[f"said {i} things" for i in range(400)],
            town=[f"T{i % 200}" for i in range(400)],
            left_flag=left.astype(int),
            reason=np.where(left, rng.choice(["price", "quality"], 400), ""),
            probability=0.5,
            score=left + rng.normal(0, 0.3, 400),
            unwanted=rng.random(400),
        ),
        tmp_path,
        target="left",
        drop=("unwanted",),
    )
    why = found.left_out
    assert why["number"] == "numbers the rows"
    assert why["other_id"] == "another id"
    assert why["land"] == "constant"
    assert why["nothing"] == "empty"
    assert "like an id" in why["note"]
    assert "nearly all of them rare" in why["town"]
    assert "a copy of it" in why["left_flag"]
    assert "a copy of it" in why["reason"]
    assert "name of an output" in why["probability"]
    assert why["unwanted"] == "as --drop says"
    assert list(found.suspicious) == ["score"]
    assert found.of_kind("numeric") == ["days_since_last", "orders", "spent", "score"]


def test_the_id_is_a_customers_before_any_other(tmp_path: Path) -> None:
    frame = shop().drop(columns="client")
    frame.insert(0, "RowNumber", range(1, 401))
    frame.insert(1, "CustomerId", np.random.default_rng(1).permutation(400) + 15_000_000)
    found = understood(frame, tmp_path)
    assert found.id == "CustomerId"
    assert found.left_out == {"RowNumber": "numbers the rows"}


def test_a_table_without_ids_gets_numbers_only_if_somebody_agrees(tmp_path: Path) -> None:
    frame = shop().drop(columns="client")
    assert understood(frame, tmp_path).id == ROW_NUMBER
    with pytest.raises(ParamsError, match=r"--id \(null\); then add --yes"):
        understood(frame, tmp_path, asker=Asker("shop.csv", False, has_terminal=False))


def test_the_target_is_named_where_its_name_says_nothing(tmp_path: Path) -> None:
    frame = shop().rename(columns={"left": "state"}).assign(state=shop()["left"].map(str.upper))
    with pytest.raises(ParamsError, match=r"name --target \(plan, state\)"):
        understood(frame, tmp_path)
    assert understood(frame, tmp_path, target="state").target.positive == "YES"
    other = frame.assign(state=frame["state"].map({"YES": "a", "NO": "b"}))
    with pytest.raises(ParamsError, match=r"holds '.' and '.', and neither .* --positive"):
        understood(other, tmp_path, target="state")
    with CliRunner().isolation(input="state\na\ny\n"):
        found = understood(other, tmp_path, asker=Asker("shop.csv", False, has_terminal=True))
    assert (found.target.name, found.target.positive) == ("state", "a")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"target": "client"}, r"'client' holds 400 different values; a target has two values"),
        (
            {"target": "orders"},
            "10 whole numbers, which may be classes: name --task",
        ),
        ({"drop": ("nowhere",)}, "no column 'nowhere' for --drop"),
        (
            {"target": "country", "task": "binary"},
            r"'country' holds 3 values \(.*\); --task binary has two",
        ),
        ({"target": "nowhere"}, r"no column 'nowhere' for --target \(there are 'client'"),
        ({"id": "nowhere"}, "no column 'nowhere' for --id"),
        ({"positive": "maybe"}, "--positive maybe: column 'left' holds 'yes' and 'no'"),
        ({"settings": ["data.csv.colour=red"]}, r"--set data\.csv\.colour=red: valid are"),
        ({"settings": ["data.csv.decimal=;"]}, "--set: decimal"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, wishes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChurnError, match=message):
        understood(shop(), tmp_path, **wishes)


def test_of_a_table_without_any_two_values_the_target_is_asked_for(tmp_path: Path) -> None:
    frame = shop()[["client", "orders", "country"]]
    with pytest.raises(ParamsError, match=r"name --target \(orders, country\)"):
        understood(frame, tmp_path)
    with pytest.raises(DataError, match="no column can be a target"):
        understood(frame[["client"]].assign(land="DE"), tmp_path)


def test_a_table_without_any_column_to_learn_from_is_refused(tmp_path: Path) -> None:
    frame = shop()[["client", "left"]].assign(land="DE")
    with pytest.raises(DataError, match=r"no column is left to learn from \(land: constant\)"):
        understood(frame, tmp_path)


def test_without_a_terminal_the_message_is_the_command_to_run() -> None:
    asker = Asker("shop.csv", False, has_terminal=False)
    with pytest.raises(ParamsError, match=r"shop\.csv: .* add --target left --yes$"):
        asker.finish("--target left")
