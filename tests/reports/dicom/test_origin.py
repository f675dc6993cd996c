"""What a result takes from its photograph, and how its model is named."""

from __future__ import annotations

import dataclasses

import pytest
from pydicom.dataset import Dataset

from vmnet_monai.reports.dicom.origin import ModelIdentity, missing_uids, short_text, valid_value

MODEL = ModelIdentity("VMNet", package_version="1.2.3", model_version="abc", thresholds_version="def", runtime="torch")


@pytest.mark.parametrize(
    ("text", "short"),
    [("a\\b", "a/b"), ("öl  und\n", "?l und"), ("x" * 65, "x" * 64), ("x" * 63 + " y", "x" * 63)],
)
def test_short_text_is_what_any_character_set_holds(text: str, short: str) -> None:
    assert short_text(text) == short


def test_missing_and_empty_uids_are_named() -> None:
    source = Dataset()
    source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPClassUID = "1.2", "", "1.3"
    assert missing_uids(source) == ["SeriesInstanceUID", "SOPInstanceUID"]


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_value_that_dicom_does_not_allow_is_none() -> None:
    source = Dataset()
    source.Manufacturer, source.StationName, source.StudyDate = "Maker", "", "the day before"
    assert [valid_value(source, keyword) for keyword in ("Manufacturer", "StationName", "StudyDate", "StudyID")] == [
        "Maker",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ModelIdentity)])
def test_uid_of_a_model_follows_each_of_its_versions(field: str) -> None:
    assert MODEL.uid() == dataclasses.replace(MODEL).uid()
    assert MODEL.uid() != dataclasses.replace(MODEL, **{field: "other"}).uid()
