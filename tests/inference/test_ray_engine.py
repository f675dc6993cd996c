"""Ray's processes do what one machine does, whatever becomes of them; run on a real Ray of two small machines."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pytest
import skimage.data
from PIL import Image
from small_bundle import small_bundle

from vmnet_monai import cli
from vmnet_monai.inference import ray_engine
from vmnet_monai.inference.ray_attempts import FINISHED, Attempts
from vmnet_monai.inference.ray_engine import ray_package
from vmnet_monai.inference.ray_worker import PredictImages, Task, Work
from vmnet_monai.reports.record import InputRecord

RETINA = Image.fromarray(skimage.data.retina()).resize((353, 353))
HELPERS = Path(__file__).parents[1] / "helpers"
NAMES = ("a", "b", "once", "leave")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray of two machines with a process each, which know the helpers, and a third one without, for the driver."""
    # A busy machine starts slowly, which Ray takes for a machine that has failed.
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "600000")
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", "600")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])]))
    ray = ray_package()
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    machines = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    for _ in range(2):
        machines.add_node(num_cpus=1, **small)
    ray.init(machines.address, log_to_driver=False)
    yield
    ray.shutdown()
    machines.shutdown()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle that ends its process at certain photographs; it notes in the folder ``seen`` that it did."""
    folder = small_bundle(tmp_path_factory.mktemp("bundle"))
    path = folder / "configs/inference.json"
    config = json.loads(path.read_text())
    (folder / "seen").mkdir()
    config["deadly"] = {"_target_": "deadly.Deadly", "folder": str(folder / "seen")}
    config["preprocessing"]["steps"].insert(0, "@deadly")
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Photographs, one of them broken."""
    folder = tmp_path / "in"
    folder.mkdir()
    for turn, name in enumerate(NAMES):
        RETINA.rotate(20 * turn).save(folder / f"{name}.jpg")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """The visible files of an output folder but the data set, without the lines that hold times."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.name.startswith(".") and not name.startswith("results/"):
            content = path.read_bytes()
            if name == "manifest.csv":
                content = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
            elif path.suffix in (".json", ".html"):
                content = b"\n".join(line for line in content.splitlines() if b"seconds" not in line)
            files[name] = content
    return files


def results(folder: Path) -> pd.DataFrame:
    """The data set, sorted by id, which no two rows have."""
    table = pd.read_parquet(folder / "results").sort_values("id").set_index("id")
    assert table.index.is_unique
    return table


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """The engine in this process, one photograph at a time; its count of attempts."""
    attempts = Attempts()
    handle = SimpleNamespace(
        **{name: SimpleNamespace(remote=getattr(attempts, name)) for name in ("begin", "undo", "end")}
    )

    def records(_: Any, tasks: Sequence[Task], work: Work, __: int | None) -> Iterator[InputRecord]:
        process = PredictImages(work, handle, lambda answer: answer)
        for task in tasks:
            block = process(pa.table({"task": [pickle.dumps(task)]}))
            yield from map(pickle.loads, block["record"].to_pylist())

    monkeypatch.setattr(ray_engine, "_cluster", lambda *_: nullcontext())
    monkeypatch.setattr(ray_engine, "_records", records)
    return attempts


@pytest.mark.slow
def test_a_machine_that_leaves_and_processes_that_are_killed_lose_nothing(
    cluster: None,
    bundle: Path,
    photographs: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    words = ["predict", str(photographs), "--bundle", str(bundle), "--no-report", "--explain", "none", "--output"]
    on_ray = [*words, str(tmp_path / "ray"), "--engine", "ray", "--actors", "2"]
    assert cli.main(on_ray) == cli.SOME_BAD
    assert results(tmp_path / "ray")["status"].to_dict() == {"broken": "refused"} | dict.fromkeys(NAMES, "ok")
    assert {path.name for path in (bundle / "seen").iterdir()} == {"once", "leave"}
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "ray/vessel").iterdir()}
    assert len(written) == len(NAMES)

    request.getfixturevalue("without_ray")  # the next run needs no machines
    RETINA.rotate(180).save(photographs / "new.jpg")
    assert cli.main(on_ray) == cli.SOME_BAD
    assert f"{len(NAMES) + 1} predicted ({len(NAMES)} of them by an earlier run), 1 refused" in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in written} == written

    assert cli.main([*words, str(tmp_path / "one")]) == cli.SOME_BAD
    assert snapshot(tmp_path / "ray") == snapshot(tmp_path / "one")
    assert not list((tmp_path / "ray").rglob(".vmnet-partial-*"))
    table = results(tmp_path / "ray")
    expected = pd.read_csv(tmp_path / "one/predictions.csv").set_index("id").sort_index()
    found = table[table["status"] == "ok"][expected.columns]
    pd.testing.assert_frame_equal(found, expected.fillna({"warnings": ""}), check_dtype=False, atol=1e-6)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("harmless"))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with two photographs and what is none."""
    (tmp_path / "in").mkdir()
    RETINA.save(tmp_path / "in/a.png")
    RETINA.rotate(20).save(tmp_path / "in/b.png")
    (tmp_path / "in/broken.png").write_bytes(b"no image")
    return tmp_path / "in"


def test_the_engine_writes_what_one_machine_writes_and_does_it_once(
    without_ray: Attempts, harmless: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # paths may be relative
    words = ["predict", "in", "--bundle", str(harmless), "--explain", "all", "--output"]
    assert cli.main([*words, "one"]) == cli.SOME_BAD
    assert cli.main([*words, "ray", "--engine", "ray"]) == cli.SOME_BAD
    assert snapshot(tmp_path / "ray") == snapshot(tmp_path / "one")
    table = results(tmp_path / "ray")
    assert table["status"].to_dict() == {"a": "ok", "b": "ok", "broken": "refused"}
    expected = pd.read_csv(tmp_path / "one/predictions.csv").set_index("id")
    found = table.loc[["a", "b"], expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_column_type=False, atol=1e-6)
    without_ray.begin(["b"])
    (few / "broken.png").unlink()
    (few / "b.png").touch()
    assert cli.main([*words, "ray", "--engine", "ray"]) == cli.OK
    assert results(tmp_path / "ray")["status"].to_dict() == {"a": "ok", "b": "ok", "broken": "refused"}


def test_an_input_that_ends_its_process_each_time_is_given_up(
    without_ray: Attempts, harmless: Path, few: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        without_ray.begin(["a"])
    words = ["predict", str(few), "--bundle", str(harmless), "--output", str(tmp_path / "out"), "--engine", "ray"]
    assert cli.main([*words, "--no-report", "--explain", "none"]) == cli.SOME_BAD
    table = results(tmp_path / "out")
    assert table["status"].to_dict() == {"a": "failed", "b": "ok", "broken": "refused"}
    assert "ended from outside 3 times" in table["reason"]["a"]


def test_a_table_of_results_stands_for_all_files(
    without_ray: Attempts, harmless: Path, few: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(few), "--bundle", str(harmless), "--output", str(tmp_path / "out")]
    words += ["--engine", "ray", "--results", "table", "--deidentify"]
    assert cli.main(words) == cli.SOME_BAD
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["results"]
    table = results(tmp_path / "out")
    assert sorted(table["status"]) == ["ok", "ok", "refused"]
    assert not table.astype(str).apply(lambda column: column.str.contains("broken|png")).any(axis=None)
    links = pd.read_csv(tmp_path / "out-private/links.csv")
    assert sorted(links["id"]) == sorted(table.index)
    assert links["reason"].str.contains("no image").any()
    (few / "broken.png").unlink()
    capfd.readouterr()
    assert cli.main(words) == cli.OK
    assert "2 predicted (2 of them by an earlier run)" in capfd.readouterr().out
    pd.testing.assert_frame_equal(results(tmp_path / "out"), table)


def test_photographs_in_a_bucket_are_read_from_there(
    without_ray: Attempts, harmless: Path, few: Path, tmp_path: Path
) -> None:
    fsspec.filesystem("memory").put(str(few), "memory://predicted", recursive=True)
    tables = []
    for inputs, name in ((str(few), "disk"), ("memory://predicted", "bucket")):
        words = ["predict", inputs, "--bundle", str(harmless), "--output", str(tmp_path / name), "--engine", "ray"]
        assert cli.main([*words, "--results", "table"]) == cli.SOME_BAD
        tables.append(results(tmp_path / name))
    on_disk, in_bucket = tables
    assert in_bucket["image"].to_dict() == {name: f"memory://predicted/{name}.png" for name in ("a", "b", "broken")}
    own = ["image", "seconds", "made_from", "reason"]
    pd.testing.assert_frame_equal(in_bucket.drop(columns=own), on_disk.drop(columns=own))


def test_a_machine_that_does_not_see_the_output_folder_says_so(
    without_ray: Attempts, harmless: Path, tmp_path: Path
) -> None:
    work = Work(str(harmless), {"output_dir": str(tmp_path / "elsewhere")}, True, str(tmp_path))
    with pytest.raises(OSError, match="every machine of the cluster must see .*elsewhere is missing"):
        PredictImages(work, None, None)


def test_attempts_count_until_the_end() -> None:
    attempts = Attempts()
    assert attempts.begin(["a", "b"]) == [0, 0]
    assert attempts.begin(["a"]) == [1]
    attempts.undo(["a"])
    assert attempts.begin(["a"]) == [1]
    attempts.end(["a"])
    assert attempts.begin(["a", "b"]) == [FINISHED, 1]
