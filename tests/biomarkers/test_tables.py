"""Tables of measures, as pandas reads them without options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from vmnet_monai.biomarkers import tables
from vmnet_monai.biomarkers.tables import MeasuredEye, patient_table, tidy_table, wide_table, write_measures
from vmnet_monai.biomarkers.tidy import Value


def eye(name: str, side: str, patient: str, distance: float | None, um: str = "um") -> MeasuredEye:
    flag = "" if distance else "the fovea is not seen"
    return MeasuredEye(
        name,
        side,
        [
            Value("", "", "disc_x", 12.0, "px"),
            Value("", "", "disc_fovea_distance", distance, um, flag),
            Value("artery", "zone_b", "area_density", 0.125, "fraction"),
        ],
        patient,
    )


EYES = [
    eye("007", "right", "p1", 4800.0),
    eye("r2", "right", "p1", 5000.0),
    eye("l", "left", "p1", 4600.0),
    eye("=1+1", "left", "p2", 4400.0, "um (assumed: disc diameter 1800 um)"),
    eye("x", "", "p3", None),
]


@pytest.mark.usefixtures("no_cautions")
def test_tidy_has_a_row_per_value() -> None:
    table = tidy_table(EYES)
    assert list(table) == ["id", "eye", "vessel_type", "region", "measure", "value", "unit", "flag", "caution"]
    assert len(table) == 15
    assert table.iloc[2].tolist() == ["007", "right", "artery", "zone_b", "area_density", 0.125, "fraction", "", ""]


def test_wide_has_a_row_per_photograph_and_says_what_its_microns_rest_on() -> None:
    table = wide_table(EYES)
    assert list(table) == [
        *("id", "eye", "patient", "microns_from", "disc_x_px", "disc_fovea_distance_um"),
        "artery_zone_b_area_density_fraction",
    ]
    assert table["disc_fovea_distance_um"].tolist()[:4] == [4800, 5000, 4600, 4400]
    assert table["microns_from"].tolist() == ["known"] * 3 + ["assumed: disc diameter 1800 um", ""]
    assert "patient" not in wide_table([eye("a", "right", "", 1.0)])


def test_a_patient_has_both_eyes_their_mean_and_their_difference() -> None:
    table = patient_table(EYES).set_index(["patient", "measure"])
    row = table.loc[("p1", "disc_fovea_distance")]
    assert (row["right"], row["left"], row["mean"], row["difference"]) == (4900, 4600, 4750, 300)
    assert (row["photographs_right"], row["photographs_left"]) == (2, 1)
    alone = table.loc[("p2", "disc_fovea_distance")]
    assert alone["left"] == 4400 and pd.isna(alone["mean"]) and pd.isna(alone["difference"])
    assert alone["photographs_right"] == 0
    assert "p3" not in table.index, "of which the eye is not known"
    assert "disc_x" not in table.index.get_level_values("measure")


def test_files_are_read_by_pandas_without_options(tmp_path: Path) -> None:
    assert write_measures(tmp_path, EYES) == [
        *("measures.csv", "measures_wide.csv", "measures_per_patient.csv", "measures.json")
    ]
    tidy = pd.read_csv(tmp_path / "measures.csv")
    assert tidy["value"].dtype == float and len(tidy) == 15
    assert "'=1+1" in set(tidy["id"]), "no formula"
    assert pd.read_csv(tmp_path / "measures_wide.csv")["disc_fovea_distance_um"].tolist()[:2] == [4800, 5000]
    patients = pd.read_csv(tmp_path / "measures_per_patient.csv")
    assert patients.loc[patients["measure"] == "area_density", "difference"].tolist()[0] == 0
    measures = pd.read_json(tmp_path / "measures.json", typ="series")["measures"]
    assert measures["disc_fovea_angle"]["units"] == ["deg"]
    assert json.loads((tmp_path / "measures.json").read_text(encoding="utf-8"))["regions"]["zone_b"]


@pytest.mark.parametrize("eyes", [[], [eye("a", "right", "", 1.0)], [eye("a", "", "p", 1.0)]])
def test_without_patients_or_eyes_there_is_no_table_of_them(tmp_path: Path, eyes: list[MeasuredEye]) -> None:
    assert write_measures(tmp_path, eyes) == ["measures.csv", "measures_wide.csv", "measures.json"]
    assert list(pd.read_csv(tmp_path / "measures.csv"))[:2] == ["id", "eye"]


def test_tables_are_the_same_however_many_photographs_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each photograph's values are read from elsewhere; the first one has no patient."""

    class Stored(list[Value]):
        reads = 0

        def __iter__(self) -> Iterator[Value]:
            Stored.reads += 1
            return super().__iter__()

    eyes = [EYES[-1]._replace(patient=""), *EYES[:-1]]
    names = write_measures(tmp_path / "whole", eyes)
    monkeypatch.setattr(tables, "EYES_AT_ONCE", 2)
    assert write_measures(tmp_path / "parts", [one._replace(values=Stored(one.values)) for one in eyes]) == names
    for name in names:
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text(), name
    assert Stored.reads <= 2 * len(eyes), "once for all tables of photographs, once for that of patients"
    assert write_measures(tmp_path / "none", []) == ["measures.csv", "measures_wide.csv", "measures.json"]
    assert (tmp_path / "none/measures_wide.csv").read_text() == "id,eye\n"
