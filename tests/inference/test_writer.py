"""What an inference leaves on disk."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from feeding import DISEASES, evaluator, feed, operating_point, phantom_items, photograph, small_network
from PIL import Image

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.explain.explainer import Explainer
from vmnet_monai.handlers import ValidationImages
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.workers import CAN_FORK
from vmnet_monai.inference.writer import PredictionWriter
from vmnet_monai.reports.record import Record

needs_fork = pytest.mark.skipif(not CAN_FORK, reason="processes are forked")

POINT = operating_point(0.3, 0.7)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def writer(
    folder: Path,
    explain: tuple[str, ...] = (),
    network: Any = None,
    point: OperatingPoint = POINT,
    names: Sequence[str] = "a",
    decide: bool = True,
    **options: Any,
) -> PredictionWriter:
    """A writer into a folder, without report unless it is asked for, that decides."""
    manifest = Manifest(folder, {}, "m", "t")
    manifest.start([{"id": name, "image": f"{name}.png"} for name in names])
    explainer = Explainer(network or small_network(), point.diseases, explain)
    return PredictionWriter(manifest, FindingMaker(point, decide=decide), explainer, **({"report": False} | options))


def test_probability_survives_as_16_bit_grey(tmp_path: Path) -> None:
    vessel = [[0.0, 0.25, 1.0], [0.123456, 0.5, 0.99999]]
    feed([[photograph("a", vessel=vessel)]], writer(tmp_path))
    stored = read(tmp_path / "vessel_probability" / "a.png")
    assert (stored.dtype, stored.shape) == (np.uint16, (2, 3))
    np.testing.assert_allclose(stored / 65535, vessel, atol=0.5 / 65535 + 1e-9)
    assert (stored[0, 0], stored[0, 2]) == (0, 65535)


def test_mask_is_255_where_the_probability_reaches_the_threshold(tmp_path: Path) -> None:
    feed([[photograph("a", vessel=[[0.4999, 0.5, 0.9], [0.0, 0.6, 0.3]])]], writer(tmp_path))
    mask = read(tmp_path / "vessel" / "a.png")
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 255, 255], [0, 255, 0]]


def test_a_mask_lies_inside_the_field_of_view_whatever_the_threshold(tmp_path: Path) -> None:
    point = dataclasses.replace(POINT, structure_thresholds=(0.0,))
    entry = photograph("a", vessel=[[0.0, 0.7, 0.0]]) | {"fov": torch.tensor([[[1.0, 1.0, 0.0]]])}
    feed([[entry]], writer(tmp_path, point=point))
    assert read(tmp_path / "vessel/a.png").tolist() == [[255, 255, 0]]


def test_mask_follows_from_the_probability_on_disk(tmp_path: Path) -> None:
    """The threshold is level 32768; 0.500001 lies below it, but is stored and scored as that level."""
    point = dataclasses.replace(POINT, structure_thresholds=(32768 / 65535,))
    feed([[photograph("a", vessel=[[0.500001, 0.49999]])]], writer(tmp_path, point=point))
    assert read(tmp_path / "vessel_probability" / "a.png").tolist() == [[32768, 32767]]
    assert read(tmp_path / "vessel" / "a.png").tolist() == [[255, 0]]


def test_each_structure_has_its_folders_and_its_threshold(tmp_path: Path) -> None:
    point = dataclasses.replace(POINT, structures=("irf", "srf"), structure_thresholds=(0.2, 0.6))
    entry = photograph("a") | {f"pred_{name}": torch.tensor([[[0.1, 0.5]]]) for name in point.structures}
    feed([[entry]], writer(tmp_path, point=point))
    assert read(tmp_path / "irf/a.png").tolist() == [[0, 255]]
    assert read(tmp_path / "srf/a.png").tolist() == [[0, 0]]
    assert (tmp_path / "srf_probability/a.png").is_file()
    assert not (tmp_path / "vessel").exists()


def test_table_holds_scores_and_no_decision_that_nobody_asked_for(tmp_path: Path) -> None:
    feed([[photograph("a", probabilities=(0.3, 0.69), vessel=[[0.1]])]], writer(tmp_path, decide=False))
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert table.columns.tolist()[:6] == [
        "id",
        "image",
        "score_normal",
        "percentile_normal",
        "score_glaucoma",
        "percentile_glaucoma",
    ]
    assert not [column for column in table if column.startswith(("probability_", "decision_"))]


def test_table_holds_scores_and_decisions_that_were_asked_for(tmp_path: Path) -> None:
    entries = [[photograph("a", probabilities=(0.3, 0.69), vessel=[[0.1]])], [photograph("b", vessel=[[0.1]])]]
    feed(entries, writer(tmp_path, names="ab"))
    table = pd.read_csv(tmp_path / "predictions.csv")
    columns = ["id", "image", "score_normal", "decision_normal", "score_glaucoma", "decision_glaucoma"]
    assert table[columns].iloc[0].tolist() == ["a", "a.png", 0.3, 1, 0.69, 0]
    assert table[columns].iloc[1].tolist() == ["b", "b.png", 0.5, 1, 0.5, 0]


def test_scores_are_calibrated_before_they_are_decided(tmp_path: Path) -> None:
    """Odds of 4 become 2 with a scale of 1/2, 2/3; odds of 1 become 3 with a shift of log 3, 3/4."""
    point = dataclasses.replace(
        POINT, disease_calibration=((0.5, 0.0), (1.0, np.log(3))), disease_thresholds=(0.7,) * 2
    )
    entry = photograph("a", probabilities=(0.8, 0.5), vessel=[[0.1]])
    feed([[entry]], writer(tmp_path, point=point))
    row = pd.read_csv(tmp_path / "predictions.csv").iloc[0]
    assert row[["score_normal", "decision_normal"]].tolist() == [0.666667, 0]
    assert row[["score_glaucoma", "decision_glaucoma"]].tolist() == [0.75, 1]


def test_real_inference_writes_pictures_of_the_photographs_size(tmp_path: Path) -> None:
    items = phantom_items(tmp_path / "phantom", count=3)
    for item in items:
        del item["vessel"], item["fov"]
    names = [item["id"] for item in items]
    evaluator(
        items,
        small_network(),
        [writer(tmp_path, ("glaucoma",), names=names)],
        alter=lambda entry: {**entry, "seconds": 0.0},
    ).run()
    written = sorted(
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if "phantom/" not in str(path) and not path.name.startswith(".")
    )
    assert written == sorted(
        ["cam", "manifest.csv", "phantom", "predictions.csv", "records", "vessel", "vessel_probability"]
        + [f"cam/{name}_glaucoma.png" for name in names]
        + [f"records/{name}.json" for name in names]
        + [f"{folder}/{name}.png" for folder in ("vessel", "vessel_probability") for name in names]
    )
    for item in items:
        image_pixels = read(Path(item["image"]))
        assert read(tmp_path / "vessel" / f"{item['id']}.png").shape == (96, 96)
        assert read(tmp_path / "vessel_probability" / f"{item['id']}.png").shape == (96, 96)
        cam = read(tmp_path / "cam" / f"{item['id']}_glaucoma.png")
        assert cam.shape == image_pixels.shape
        assert (cam != image_pixels).any()
    assert pd.read_csv(tmp_path / "predictions.csv")["image"].tolist() == [f"{name}.png" for name in names]


def test_the_kept_photograph_is_shown_and_its_file_is_not_read_again(tmp_path: Path) -> None:
    pixels = np.full((2, 3, 3), (200, 60, 30), dtype=np.uint8)
    entry = photograph("a", vessel=[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]) | {"photograph": pixels.tobytes()}
    handler = writer(tmp_path, report=True)
    feed([[entry]], handler)
    assert [record.status for record in handler.manifest.ordered()] == ["ok"], "a.png does not exist"
    shown = read(tmp_path / "report/pictures/a/photograph.jpg")
    assert shown.shape == pixels.shape and np.abs(shown.astype(int) - pixels).max() < 5


def test_a_photograph_whose_postprocessing_fails_fails_alone(tmp_path: Path) -> None:
    def refuse_b(item: dict[str, Any]) -> dict[str, Any]:
        if item["id"] == "b":
            raise KeyError("no such map")
        return item

    handler = writer(tmp_path, names="ab", postprocessing=refuse_b)
    feed([[photograph(name, vessel=[[0.1]]) for name in "ab"]], handler)
    records = handler.manifest.ordered()
    assert [record.status for record in records] == ["ok", "failed"]
    assert records[1].reason == "KeyError: 'no such map'"


def written(folder: Path) -> dict[str, bytes]:
    """The visible files, without times."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            lines = path.read_bytes().splitlines(keepends=True)
            if path.name == "manifest.csv":
                files[path.name] = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
            else:
                files[str(path.relative_to(folder))] = b"".join(line for line in lines if b'"seconds"' not in line)
    return files


@needs_fork
def test_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    vessel = np.random.default_rng(0).random((20, 30)).tolist()
    entries = [[photograph(name, vessel=vessel) for name in names] for names in ("ab", "c", "d", "e")]
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8).tobytes()
    for count in (0, 2):
        handler = writer(tmp_path / str(count), names="abcde", report=True, num_workers=count)
        feed([[{**entry, "photograph": pixels} for entry in batch] for batch in entries], handler)
        assert [record.id for record in handler.manifest.ordered() if record.status == "ok"] == list("abcde")
    assert written(tmp_path / "2") == written(tmp_path / "0")


def with_pid(item: dict[str, Any]) -> dict[str, Any]:
    """A postprocessing that remarks in which process it runs."""
    return {**item, "warnings": str(os.getpid())}


@needs_fork
@pytest.mark.parametrize(
    ("names", "pred", "here"),
    [("ab", {"disease": 0, "evidence": 0}, False), ("ab", {"disease": 0}, True), ("ab", {}, False), ("a", {}, True)],
    ids=["prepared heat maps", "heat maps that ask the network again", "no heat maps", "one photograph"],
)
def test_processes_write_what_needs_no_network(tmp_path: Path, names: str, pred: dict[str, Any], here: bool) -> None:
    handler = writer(tmp_path, ("glaucoma",), names=names, postprocessing=with_pid, num_workers=1)
    entries = [photograph(name, probabilities=None, vessel=[[0.1]]) | {"pred": pred} for name in names]
    feed([[entry] for entry in entries], handler)
    pids = {int(record.warnings[0]) for record in handler.manifest.ordered() if isinstance(record, Record)}
    assert len(pids) == 1 and (os.getpid() in pids) == here


@needs_fork
def test_what_was_written_before_a_process_was_ended_stays(tmp_path: Path) -> None:
    def kill(item: dict[str, Any]) -> dict[str, Any]:
        if item["id"] == "c":
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    handler = writer(tmp_path, names="abcdef", postprocessing=kill, num_workers=1)
    with pytest.raises(RuntimeError, match="ended from outside"):
        feed([[photograph(name, vessel=[[0.1]])] for name in "abcdef"], handler)
    table = pd.read_csv(tmp_path / "manifest.csv")
    assert table["status"].tolist() == ["ok", "ok", "failed", "failed", "failed", "failed"]
    assert "run was stopped" in table["reason"][2]
    handler.manifest.close()
    again = writer(tmp_path, names="abcdef", num_workers=1)
    assert list(again.manifest.records) == ["a", "b"]


def test_heat_is_drawn_inside_the_field_of_view_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hot = {"glaucoma": torch.ones(1, 8, 8)}
    monkeypatch.setattr("vmnet_monai.explain.explainer.disease_heat_maps", lambda *_, **__: hot)
    entry = {
        **with_image(tmp_path, "a", [[0.1, 0.1, 0.1], [0.1, 0.1, 0.1]]),
        "image": torch.zeros(3, 8, 8),
        "fov": torch.tensor([[[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]),
        "fov_box": torch.tensor([-1, 0, 3, 2, 3]),
    }
    feed([[entry]], writer(tmp_path, ("glaucoma",)))
    drawn = (read(tmp_path / "cam" / "a_glaucoma.png") != (200, 60, 30)).any(axis=2)
    assert drawn.tolist() == [[True, True, False], [True, False, False]]


def test_heat_maps_leave_the_network_as_it_was(tmp_path: Path) -> None:
    network = small_network().eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    items = phantom_items(tmp_path / "phantom", 1)
    handler = writer(tmp_path, DISEASES, network, names=[items[0]["id"]])
    evaluator(items, network, [handler], alter=lambda entry: {**entry, "seconds": 0.0}).run()
    assert len(list((tmp_path / "cam").iterdir())) == 2
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def with_image(folder: Path, name: str, vessel: list[list[float]] | None) -> dict[str, Any]:
    """A red photograph of 2 x 3 pixels on disk, with vessel probabilities."""
    path = folder / f"{name}.png"
    Image.new("RGB", (3, 2), (200, 60, 30)).save(path)
    return {**photograph(name, vessel=vessel), "image_path": str(path)}


def test_validation_picture_shows_the_photograph_beside_its_vessels(tmp_path: Path) -> None:
    entry = with_image(tmp_path, "a", [[0.9, 0.1, 0.5], [0.0, 0.0, 0.4]])
    feed([[entry]], ValidationImages(str(tmp_path / "out")))
    picture = read(tmp_path / "out" / "a.png")
    assert picture.shape == (2, 6, 3)
    assert (picture[:, :3] == (200, 60, 30)).all()
    drawn = (picture[:, 3:] != picture[:, :3]).any(axis=2)
    assert drawn.tolist() == [[True, False, True], [False, False, False]]


def test_validation_pictures_stop_at_their_number_and_start_anew(tmp_path: Path) -> None:
    entries = [[with_image(tmp_path, name, [[0.9, 0.1, 0.5], [0.0, 0.0, 0.4]]) for name in "ab"] for _ in range(2)]
    images = ValidationImages(str(tmp_path / "out"), count=1)
    feed(entries, images, epochs=2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    assert images.drawn == 1


def test_network_without_vessel_head_has_no_validation_pictures(tmp_path: Path) -> None:
    feed([[with_image(tmp_path, "a", None)]], ValidationImages(str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
