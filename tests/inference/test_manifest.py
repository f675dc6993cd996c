"""Records on disk let a run go on where an earlier one stood, and only there."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pandas as pd
import pytest

from vmnet_monai.datasets import find_images
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.reports.record import Description, DiseaseFinding, Record

DESCRIPTION = Description(
    width_px=4,
    height_px=3,
    findings=[DiseaseFinding(disease="glaucoma", score=0.25, percentile=50.0, threshold=0.2, decision=1)],
    measures={"vessel_density_fov_share": None},
    warnings=["It is dark.", "It is blurred."],
    structures=["vessel"],
    heat_maps=[],
)


def manifest_of(folder: Path, resume: bool = True, thresholds_version: str = "t", **settings: Any) -> Manifest:
    return Manifest(folder / "out", settings, "m", thresholds_version, resume)


def image(folder: Path, name: str) -> dict[str, str]:
    path = folder / f"{name}.jpg"
    path.write_bytes(name.encode())
    return {"id": name, "image": str(path)}


def predicted(one: Manifest, item: dict[str, str]) -> Record:
    """The record of a predicted photograph, whose single file exists."""
    (one.output_dir / f"{item['id']}.png").touch()
    record = one.record_of(item["id"], DESCRIPTION)
    record.files = [f"{item['id']}.png"]
    return record


def keep(one: Manifest, record: Record) -> None:
    one.write(record)
    one.note(record)


def test_a_photograph_in_a_bucket_is_predicted_again_when_it_changed(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("memory://clinic/a.jpg", b"a")
    todo = []
    for content in (b"a", None, b"other"):
        if content is not None:
            store.pipe_file("memory://clinic/a.jpg", content)
        one = manifest_of(tmp_path)
        (item,) = find_images("memory://clinic")
        waiting = one.start([item])
        todo.append(len(waiting))
        for known in waiting:
            assert "states" not in known
            keep(one, predicted(one, dict(known)))
        one.close()
    assert todo == [1, 0, 1]
    one = manifest_of(tmp_path)
    one.start([{"id": "a", "image": "memory://clinic/a.jpg"}])  # from elsewhere, without states
    assert one.done_before == 1
    one.close()


@pytest.fixture
def done(tmp_path: Path) -> dict[str, str]:
    """A photograph that an earlier run predicted."""
    item = image(tmp_path, "a")
    one = manifest_of(tmp_path)
    one.start([item])
    keep(one, predicted(one, item))
    one.close()
    return item


def test_a_predicted_photograph_is_not_predicted_again(tmp_path: Path, done: dict[str, str]) -> None:
    new = image(tmp_path, "b")
    again = manifest_of(tmp_path)
    assert again.start([done, new]) == [new]
    assert list(again.records) == ["a"]


def test_without_resume_all_are_predicted_again(tmp_path: Path, done: dict[str, str]) -> None:
    assert manifest_of(tmp_path, resume=False).start([done]) == [done]


def test_a_changed_photograph_is_predicted_again(tmp_path: Path, done: dict[str, str]) -> None:
    Path(done["image"]).write_bytes(b"another")
    assert manifest_of(tmp_path).start([done]) == [done]


def test_a_touched_photograph_is_predicted_again(tmp_path: Path, done: dict[str, str]) -> None:
    os.utime(done["image"], ns=(0, 0))
    assert manifest_of(tmp_path).start([done]) == [done]


@pytest.mark.parametrize("change", [{"flips": True}, {"thresholds_version": "u"}])
def test_other_settings_are_predicted_again(tmp_path: Path, done: dict[str, str], change: dict[str, Any]) -> None:
    assert manifest_of(tmp_path, **change).start([done]) == [done]


def test_a_photograph_whose_files_are_gone_is_predicted_again(tmp_path: Path, done: dict[str, str]) -> None:
    (tmp_path / "out/a.png").unlink()
    assert manifest_of(tmp_path).start([done]) == [done]


@pytest.mark.parametrize("content", ["", "[]", '{"made_from": "x"}'])
def test_a_damaged_record_is_made_again(tmp_path: Path, done: dict[str, str], content: str) -> None:
    (tmp_path / "out/records/a.json").write_text(content)
    assert manifest_of(tmp_path).start([done]) == [done]


@pytest.mark.parametrize(
    "change",
    [
        {"findings": []},
        {"findings": [{"disease": "amd", "score": 0.25}]},
        {"findings": [{"disease": "glaucoma", "score": 0.5, "percentile": 50.0, "threshold": 0.2, "decision": 1}]},
        {"findings": [{"disease": "glaucoma", "score": 0.25, "percentile": 50.0, "threshold": 0.2, "decision": 0}]},
        {"files": []},
        {"structures": []},
        {"structures": ["../../x"]},
        {"heat_maps": ["glaucoma"]},
        {"warnings": []},
        {"sha256": ""},
    ],
)
def test_a_record_that_does_not_say_what_the_run_said_is_made_again(
    tmp_path: Path, done: dict[str, str], change: dict[str, Any]
) -> None:
    path = tmp_path / "out/records/a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert manifest_of(tmp_path).start([done]) == [done]


def test_a_folder_in_the_place_of_a_record_is_named_with_the_way_out(tmp_path: Path, done: dict[str, str]) -> None:
    path = tmp_path / "out/records/a.json"
    path.unlink()
    path.mkdir()
    one = manifest_of(tmp_path)
    assert one.start([done]) == [done]
    assert one.begin_replacing("a") == []
    with pytest.raises(IsADirectoryError, match=rf"{path} must be a file, and a folder has that name: move it away"):
        keep(one, predicted(one, done))
    assert path.is_dir()


def test_a_photograph_is_predicted_again_when_the_mask_of_its_field_of_view_changes(tmp_path: Path) -> None:
    mask = image(tmp_path, "mask")["image"]
    item = image(tmp_path, "a") | {"fov": mask}
    one = manifest_of(tmp_path)
    one.start([item])
    keep(one, predicted(one, item))
    one.close()
    again = manifest_of(tmp_path)
    assert again.start([item]) == []
    again.close()
    Path(mask).write_bytes(b"another mask")
    again = manifest_of(tmp_path)
    assert again.start([item]) == [item]
    again.close()
    assert manifest_of(tmp_path).start([{key: item[key] for key in ("id", "image")}]) != []


def test_a_photograph_that_changes_during_the_run_is_predicted_again(tmp_path: Path) -> None:
    item = image(tmp_path, "a")
    one = manifest_of(tmp_path)
    one.start([item])
    Path(item["image"]).write_bytes(b"another")
    keep(one, predicted(one, item))
    one.close()
    assert manifest_of(tmp_path).start([item]) == [item]


def test_a_record_does_not_hold_while_its_files_are_being_replaced(tmp_path: Path, done: dict[str, str]) -> None:
    """Else a run with other settings that is killed would leave its files under the record of the earlier one."""
    other = manifest_of(tmp_path, flips=True)
    other.start([done])
    assert other.begin_replacing("a") == ["a.png"]
    other.close()
    assert manifest_of(tmp_path).start([done]) == [done]


def test_files_that_the_new_record_lacks_are_removed(tmp_path: Path, done: dict[str, str]) -> None:
    other = manifest_of(tmp_path, flips=True)
    other.start([done])
    (other.output_dir / "heat.png").touch()
    earlier = [*other.begin_replacing("a"), "heat.png"]
    other.remove_superseded(earlier, predicted(other, done))
    assert (other.output_dir / "a.png").exists()
    assert not (other.output_dir / "heat.png").exists()


def test_inputs_that_were_not_reached_are_in_the_manifest(tmp_path: Path) -> None:
    items = [image(tmp_path, "a"), image(tmp_path, "b")]
    one = manifest_of(tmp_path)
    one.start(items)
    keep(one, predicted(one, items[1]))
    one.write_tables()
    manifest = pd.read_csv(one.output_dir / "manifest.csv", keep_default_na=False)
    assert manifest["status"].tolist() == ["failed", "ok"]
    assert manifest["reason"][0].startswith("not reached")


def test_refused_and_failed_ones_are_tried_again(tmp_path: Path) -> None:
    items = [image(tmp_path, "a"), image(tmp_path, "b")]
    one = manifest_of(tmp_path)
    one.start(items)
    one.add_unpredicted("a", "refused", "It is a cat.")
    one.add_unpredicted("b", "failed", "OSError: disk full")
    one.close()
    assert manifest_of(tmp_path).start(items) == items


def test_results_of_a_photograph_go_when_another_file_in_its_place_is_refused(
    tmp_path: Path, done: dict[str, str]
) -> None:
    for content, is_there in ((b"a", True), (b"a cat", False)):
        Path(done["image"]).write_bytes(content)
        os.utime(done["image"], ns=(10**9, 10**9))
        one = manifest_of(tmp_path)
        one.start([done])
        if is_there:
            keep(one, predicted(one, done))
        else:
            one.add_unpredicted("a", "refused", "It is a cat.")
        one.close()
        assert (one.output_dir / "a.png").exists() is is_there
        assert (one.output_dir / "records/a.json").exists() is is_there


def test_results_of_another_photograph_of_the_same_name_stay(tmp_path: Path, done: dict[str, str]) -> None:
    (tmp_path / "other").mkdir()
    other = image(tmp_path / "other", "a")
    one = manifest_of(tmp_path)
    one.start([other])
    one.add_unpredicted("a", "refused", "It is a cat.")
    assert (one.output_dir / "a.png").exists()


def test_results_of_a_photograph_stay_when_its_file_is_gone(tmp_path: Path, done: dict[str, str]) -> None:
    Path(done["image"]).unlink()
    one = manifest_of(tmp_path)
    one.start([done])
    one.add_unpredicted("a", "refused", "The file does not exist.")
    assert (one.output_dir / "a.png").exists()


def test_manifest_has_a_row_per_input_and_predictions_one_per_prediction(tmp_path: Path) -> None:
    items = [image(tmp_path, name) for name in "abc"]
    one = manifest_of(tmp_path)
    one.start(items)
    one.add_unpredicted("c", "failed", "OSError: disk full", 0.25)
    keep(one, predicted(one, items[0]))
    one.add_unpredicted("b", "refused", "It is a cat.", 0.5)
    one.write_tables()
    manifest = pd.read_csv(one.output_dir / "manifest.csv", keep_default_na=False)
    assert manifest.columns.tolist() == [
        "id", "image", "status", "reason", "seconds", "model", "model_version", "thresholds_version"
    ]  # fmt: skip
    assert manifest["id"].tolist() == ["a", "b", "c"], "in the order of the inputs"
    assert manifest["status"].tolist() == ["ok", "refused", "failed"]
    assert manifest["reason"].tolist() == ["", "It is a cat.", "OSError: disk full"]
    assert manifest["image"].tolist() == [item["image"] for item in items]
    table = pd.read_csv(one.output_dir / "predictions.csv")
    assert table.to_dict("records")[0] == {
        "id": "a",
        "image": items[0]["image"],
        "score_glaucoma": 0.25,
        "percentile_glaucoma": 50.0,
        "decision_glaucoma": 1,
        "vessel_density_fov_share": pytest.approx(float("nan"), nan_ok=True),
        "warnings": "It is dark. It is blurred.",
    }
    assert len(table) == 1


def test_tables_have_their_columns_when_nothing_could_be_predicted(tmp_path: Path) -> None:
    one = manifest_of(tmp_path)
    one.start([])
    one.write_tables()
    assert pd.read_csv(one.output_dir / "manifest.csv").columns[0] == "id"
    assert pd.read_csv(one.output_dir / "predictions.csv").columns.tolist() == ["id", "image"]


def test_summary_counts_and_names_what_went_wrong(tmp_path: Path, done: dict[str, str]) -> None:
    cat = image(tmp_path, "cat")
    one = manifest_of(tmp_path)
    one.start([done, cat])
    one.add_unpredicted("cat", "refused", "It is a cat.")
    assert one.summary().splitlines() == [
        "2 photographs: 1 predicted (1 of them by an earlier run), 1 refused, 0 failed.",
        f"  refused: {cat['image']}: It is a cat.",
        f"Results: {one.output_dir}",
    ]


def test_summary_names_each_file_once(tmp_path: Path) -> None:
    cat = image(tmp_path, "cat")
    one = manifest_of(tmp_path)
    one.start([cat])
    one.add_unpredicted("cat", "refused", f"{cat['image']}: the file is empty.")
    assert one.summary().splitlines()[1] == f"  refused: {cat['image']}: the file is empty."


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for folder in ("out", "out/below"):
        with pytest.raises(OSError, match=f"must be a folder.*{tmp_path / 'out'}"):
            Manifest(tmp_path / folder, {}, model_version="", thresholds_version="")


def test_a_folder_that_links_lead_out_of_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/.vmnet-partial-x.png").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/vessel").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads out of it"):
        manifest_of(tmp_path)
    assert (tmp_path / "elsewhere/.vmnet-partial-x.png").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vessel"]


def test_tables_that_cannot_be_written_say_what_is_kept_and_what_to_do(
    tmp_path: Path, done: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one = manifest_of(tmp_path)
    one.start([done, image(tmp_path, "b")])
    monkeypatch.setattr("vmnet_monai.io.tables.whole_file", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        one.write_tables()
    message = str(caught.value)
    for part in (str(one.output_dir), "1 predicted (1 of them by an earlier run)", "1 failed", "kept", "same command"):
        assert part in message
    assert "Errno" not in message


def test_progress_is_told_at_the_start_and_after_each_input(tmp_path: Path, done: dict[str, str]) -> None:
    told: list[tuple[int, int] | str] = []
    one = manifest_of(tmp_path)
    one.progress = SimpleNamespace(update=lambda *numbers: told.append(numbers), close=lambda: told.append("end"))
    items = [done, *(image(tmp_path, name) for name in "bc")]
    one.start(items)
    one.add_unpredicted("b", "failed", "OSError: disk full")
    keep(one, predicted(one, items[2]))
    one.close()
    assert told == [(1, 3), (2, 3), (3, 3), "end"]


def test_one_photograph_is_no_plural(tmp_path: Path, done: dict[str, str]) -> None:
    one = manifest_of(tmp_path)
    one.start([done])
    assert one.summary().startswith("1 photograph: 1 predicted")


def test_a_second_run_may_not_write_to_the_same_folder(tmp_path: Path) -> None:
    first = manifest_of(tmp_path)
    with pytest.raises(OSError, match="another prediction"):
        manifest_of(tmp_path)
    first.close()
    manifest_of(tmp_path)


def test_partial_files_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "out/vessel"
    folder.mkdir(parents=True)
    (folder / ".vmnet-partial-x1.png").touch()
    (folder / "a.png").touch()
    (tmp_path / "out/own/deep").mkdir(parents=True)
    (tmp_path / "out/own/deep/.vmnet-partial-x1.png").touch()
    manifest_of(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["a.png"]
    assert len(list((tmp_path / "out/own/deep").iterdir())) == 1, "no folder of a prediction"


def test_a_record_appears_whole(tmp_path: Path, done: dict[str, str]) -> None:
    record = json.loads((tmp_path / "out/records/a.json").read_text())
    assert record["findings"][0]["score"] == 0.25
    assert record["model_version"] == "m"
