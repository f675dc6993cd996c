"""What a prediction measures is what the same masks measure in files, by the scale and the eye that were told."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from dicom_files import photograph_dataset
from dicom_files import save as save_dicom
from drawn_eye import FIELD, MASKS, STRUCTURES, use_small_grid
from feeding import feed, operating_point, small_network
from feeding import photograph as fed
from PIL import Image

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.explain.explainer import Explainer
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.mask_files import measure_files
from vmnet_monai.inference.measuring import photograph_info
from vmnet_monai.inference.writer import PredictionWriter
from vmnet_monai.reports.record import Record
from vmnet_monai.transforms import field_of_view_box


@pytest.fixture(autouse=True)
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_grid(monkeypatch)


def point(thresholds: tuple[float, ...] = (0.5,) * 5) -> OperatingPoint:
    return dataclasses.replace(operating_point(0.5, 0.5), structures=STRUCTURES, structure_thresholds=thresholds)


def drawn(name: str, inside: float = 1.0, mirrored: bool = False, **told: Any) -> dict[str, Any]:
    """What batch and output hold of the drawn eye."""
    turn = slice(None, None, -1 if mirrored else 1)
    fov = FIELD[:, turn].copy()
    maps = {f"pred_{key}": torch.from_numpy(mask[:, turn] * np.float32(inside))[None] for key, mask in MASKS.items()}
    box = torch.tensor(field_of_view_box(fov))
    return {**fed(name), **maps, "fov": torch.from_numpy(fov)[None].float(), "fov_box": box, **told}


def predict(
    folder: Path, *entries: dict[str, Any], thresholds: tuple[float, ...] = (0.5,) * 5, deidentify: bool = False
) -> Manifest:
    manifest = Manifest(folder, {}, "m", "t", deidentify=deidentify)
    items = [
        {key: entry[key] for key in ("id", "eye", "named_patient", "microns_per_px") if key in entry}
        | {"image": entry["image_path"]}
        for entry in entries
    ]
    todo = [item["id"] for item in manifest.start(items)]
    names = dict(zip(manifest.items, entries, strict=True))
    finding_maker = FindingMaker(point(thresholds))
    writer = PredictionWriter(manifest, finding_maker, Explainer(small_network(), ("normal", "glaucoma"), []), False)
    feed([[{**names[name], "id": name}] for name in todo] or [[]], writer)
    manifest.close()
    return manifest


def values(folder: Path) -> pd.DataFrame:
    key = ["id", "vessel_type", "region", "measure", "unit"]
    return pd.read_csv(folder / "measures.csv").fillna({"vessel_type": "", "region": ""}).set_index(key)


def test_predictions_are_measured_as_their_masks_are(tmp_path: Path) -> None:
    predict(tmp_path / "out", drawn("a"), drawn("b", mirrored=True))
    for name, turn in (("a", 1), ("b", -1)):
        (tmp_path / "fov").mkdir(exist_ok=True)
        Image.fromarray(FIELD[:, ::turn].astype(np.uint8) * 255).save(tmp_path / f"fov/{name}.png")
    sources = {key.removesuffix("_region"): f"{tmp_path}/out/{key}" for key in STRUCTURES}
    measure_files({**sources, "fov": f"{tmp_path}/fov"}, tmp_path / "measured")
    for name in ("measures.csv", "measures_wide.csv", "measures.json"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "measured" / name).read_text(), name
    assert set(pd.read_csv(tmp_path / "out/measures.csv")["eye"]) == {"right", "left"}
    found = values(tmp_path / "out")["value"]
    assert found["a", "artery", "zone_b", "vessels_found", "count"] == 8
    assert 0.5 < found["a", "", "zone_b", "avr_knudtson", "ratio"] < 0.9
    assert not [column for column in pd.read_csv(tmp_path / "out/predictions.csv") if "vessel" in str(column)], (
        "measures have tables of their own"
    )


def test_structures_are_cut_at_their_own_thresholds(tmp_path: Path) -> None:
    predict(tmp_path, drawn("a", inside=0.3), thresholds=(0.2, 0.4, 0.2, 0.2, 0.2))
    found = values(tmp_path)["value"]
    assert found["a", "artery", "field", "area_density", "fraction"] == 0
    assert found["a", "vein", "field", "area_density", "fraction"] == pytest.approx(
        MASKS["vein"].sum() / FIELD.sum(), rel=0.02
    )


def test_what_was_told_gives_scale_and_eye_and_disc_and_fovea_may_disagree(tmp_path: Path) -> None:
    predict(tmp_path, drawn("a", eye="left", microns_per_px=20.0), drawn("b"))
    units = values(tmp_path).reset_index()
    microns = units[units["unit"].str.startswith("um")].groupby("id")["unit"].unique()
    assert set(microns["a"]) == {"um", "um2"}
    assert all("assumed: disc diameter 1800 um" in unit for unit in microns["b"])
    predictions = pd.read_csv(tmp_path / "predictions.csv").set_index("id")
    assert "named a left eye, and disc and fovea lie as in a right one" in str(predictions.loc["a", "warnings"])
    assert "named" not in str(predictions.loc["b", "warnings"])
    assert pd.read_csv(tmp_path / "measures_wide.csv")["eye"].tolist() == ["left", "right"]


def test_patients_have_a_table_and_pseudonyms_where_names_may_not_be_seen(tmp_path: Path) -> None:
    eyes = [drawn("a", named_patient="Ada"), drawn("b", mirrored=True, named_patient="Ada"), drawn("c")]
    predict(tmp_path / "out", *eyes)
    patients = pd.read_csv(tmp_path / "out/measures_per_patient.csv")
    assert set(patients["patient"]) == {"Ada"}
    density = patients[(patients["measure"] == "area_density") & (patients["region"] == "field")]
    assert density["difference"].tolist() == pytest.approx([0, 0, 0], abs=1e-9), "the eyes mirror each other"
    predict(tmp_path / "hidden", *eyes, deidentify=True)
    assert len(set(pd.read_csv(tmp_path / "hidden/measures_per_patient.csv")["patient"])) == 1
    assert not [path for path in (tmp_path / "hidden").rglob("*.*") if path.is_file() and b"Ada" in path.read_bytes()]


def test_a_later_run_measures_only_what_is_missing_and_tells_of_all(tmp_path: Path) -> None:
    predict(tmp_path, drawn("a"))
    before = (tmp_path / "records/a.json").stat().st_mtime_ns
    manifest = predict(tmp_path, drawn("a"), drawn("b", mirrored=True))
    assert manifest.done_before == 1 and (tmp_path / "records/a.json").stat().st_mtime_ns == before
    assert set(pd.read_csv(tmp_path / "measures.csv")["id"]) == {"a", "b"}
    assert all(isinstance(one, Record) and not one.values for one in manifest.ordered()), "they stay on disk"
    assert len(json.loads((tmp_path / "records/a.json").read_text())["values"]) > 200
    again = predict(tmp_path, drawn("a", eye="left"), drawn("b", mirrored=True))
    assert again.done_before == 1, "what was told of an eye has changed"


def test_a_scale_that_cannot_be_used_is_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    pixels = np.repeat(np.where(FIELD, 120, 0).astype(np.uint8)[..., None], 3, axis=-1)
    save_dicom(photograph_dataset(pixels, laterality="R", pixel_spacing=(0.01, 0.02)), path)
    predict(tmp_path / "out", drawn("a", image_path=str(path)))
    (warning,) = pd.read_csv(tmp_path / "out/predictions.csv")["warnings"]
    assert warning.startswith("The scale was not used: pixels must be square")


def test_a_dicom_header_tells_spacing_and_an_eye_that_no_list_named(tmp_path: Path) -> None:
    save_dicom(photograph_dataset(np.zeros((40, 50, 3), np.uint8), laterality="L"), tmp_path / "a.dcm")
    info = photograph_info({"image_path": f"{tmp_path}/a.dcm", "eye": "", "microns_per_px": math.nan})
    assert info == ("left", None, (0.01, 0.01), None)
    assert photograph_info({"image_path": f"{tmp_path}/a.dcm?slice=0", "eye": "right"}).eye == "right"
    assert photograph_info({"image_path": f"{tmp_path}/none.dcm"}) == ("", None, None, None)


@pytest.mark.parametrize("structures", [("vessel", "artery", "vein", "disc"), ("artery", "vein", "disc")])
def test_a_network_without_fovea_or_without_all_vessels_is_measured_too(
    tmp_path: Path, structures: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.STRUCTURES", structures)
    predict(tmp_path, drawn("a"), thresholds=(0.5,) * len(structures))
    found = values(tmp_path)
    assert found["value"]["a", "vessel", "field", "area_density", "fraction"] > 0.1
    assert found["flag"]["a", "vein", "superior_nasal", "width_mean", "px"] == "the fovea is not seen"
