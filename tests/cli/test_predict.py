"""``vmnet predict``: what it says, what it writes, and that nothing stops it."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image
from small_bundle import small_bundle
from torch.utils.data import get_worker_info

from vmnet_monai import cli
from vmnet_monai.io import images
from vmnet_monai.io.files import whole_file

RETINA = Image.fromarray(skimage.data.retina()).resize((353, 353))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def predict(bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """Predict into ``tmp_path / "out"``; returns the exit code."""

    def run(*arguments: str | Path) -> int:
        words = ["predict", *map(str, arguments), "--bundle", str(bundle), "--output", str(tmp_path / "out")]
        return cli.main(words)

    return run


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(tmp_path / "out/manifest.csv", keep_default_na=False)


@pytest.fixture
def retina(tmp_path: Path) -> Path:
    RETINA.save(tmp_path / "retina.png")
    return tmp_path / "retina.png"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    RETINA.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "left.png")
    return tmp_path / "left.png"


def snapshot(folder: Path) -> dict[str, bytes]:
    """The visible files of an output folder by their names; those that hold times and own paths without these."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            content = path.read_bytes()
            if path.name == "manifest.csv":
                content = pd.read_csv(path).drop(columns="seconds").to_csv().encode()
            elif path.suffix in (".json", ".html"):
                content = b"\n".join(line for line in content.splitlines() if b"seconds" not in line)
            files[str(path.relative_to(folder))] = content
    return files


def test_a_photograph_becomes_tables_pictures_and_a_report(
    predict: Callable[..., int], retina: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert predict(retina, "--explain", "all", "--pdf") == cli.OK
    out = tmp_path / "out"
    for file in (
        "manifest.csv",
        "predictions.csv",
        "index.html",
        "vessel/retina.png",
        "vessel_probability/retina.png",
        "cam/retina_normal.png",
        "cam/retina_glaucoma.png",
        "report/retina.html",
        "pdf/retina.pdf",
    ):
        assert (out / file).is_file(), file
    with Image.open(out / "vessel/retina.png") as mask, Image.open(out / "cam/retina_normal.png") as cam:
        assert mask.size == cam.size == RETINA.size
    row = pd.read_csv(out / "predictions.csv").iloc[0]
    assert row["image"] == str(retina)
    assert 0 < row["score_glaucoma"] < 1
    assert not [column for column in row.index if column.startswith(("probability_", "decision_"))]
    assert {"vessel_density_fov_share", "warnings"} <= set(row.index)
    printed = capfd.readouterr()
    assert "1 photograph: 1 predicted, 0 refused, 0 failed." in printed.out
    assert str(out / "index.html") in printed.out
    assert "1/1" in printed.err


def test_what_is_not_asked_for_is_not_written(predict: Callable[..., int], retina: Path, tmp_path: Path) -> None:
    assert predict(retina, "--explain", "none", "--no-report") == cli.OK
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert names == ["manifest.csv", "predictions.csv", "records", "vessel", "vessel_probability"]


def test_second_run_does_only_what_is_missing(
    predict: Callable[..., int], retina: Path, left: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    predict(retina)
    before = (tmp_path / "out/vessel/retina.png").stat().st_mtime_ns
    assert predict(retina, left) == cli.OK
    assert (tmp_path / "out/vessel/retina.png").stat().st_mtime_ns == before
    assert "2 predicted (1 of them by an earlier run)" in capfd.readouterr().out
    assert pd.read_csv(tmp_path / "out/predictions.csv")["id"].tolist() == ["retina", "left"]
    predict(retina, "--no-resume")
    assert (tmp_path / "out/vessel/retina.png").stat().st_mtime_ns > before


def test_thresholds_and_flips_are_used(predict: Callable[..., int], retina: Path, tmp_path: Path) -> None:
    predict(retina, "--decide")
    first = pd.read_csv(tmp_path / "out/predictions.csv").iloc[0]
    version = pd.read_csv(tmp_path / "out/manifest.csv")["thresholds_version"][0]
    assert [first["decision_normal"], first["decision_glaucoma"]] == [1, 0]
    probability = (tmp_path / "out/vessel_probability/retina.png").read_bytes()
    predict(
        retina, "--threshold", "normal=1", "--threshold", "glaucoma=0", "--threshold", "vessel=0", "--flips", "--decide"
    )
    second = pd.read_csv(tmp_path / "out/predictions.csv").iloc[0]
    assert [second["decision_normal"], second["decision_glaucoma"]] == [0, 1]
    assert (tmp_path / "out/vessel_probability/retina.png").read_bytes() != probability
    assert (np.asarray(Image.open(tmp_path / "out/vessel/retina.png")) == 255).mean() > 0.5
    assert pd.read_csv(tmp_path / "out/manifest.csv")["thresholds_version"][0] != version


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "amd=0.5"], "one of vessel, normal, glaucoma, got 'amd'"),
        (["--threshold", "_target_=0.5"], "one of vessel, normal, glaucoma, got '_target_'"),
        (["--threshold", "@device=0.5"], "one of vessel, normal, glaucoma, got '@device'"),
        (["--explain", "amd"], "out of normal, glaucoma; got amd"),
        (["--device", "abacus"], "abacus"),
        (["--device", "cuda:99"], "error: "),
        (["--model-dir", "nowhere"], "nowhere/operating_point.json is missing"),
    ],
)
def test_what_cannot_run_says_why_in_a_line(
    predict: Callable[..., int], retina: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert predict(retina, *arguments) == cli.CANNOT_RUN
    shown = capfd.readouterr().err
    assert "Traceback" not in shown
    assert message in shown.splitlines()[-1]


def test_names_are_never_evaluated(
    predict: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MONAI's configs evaluate texts that begin with $, and look up those that begin with @ and %."""
    monkeypatch.chdir(tmp_path)
    names = ["$open('evaluated', 'w') and 'x.png'", "@photographs", "%report"]
    for name in names[1:]:
        RETINA.save(name, "PNG")
    assert predict(*names) == cli.SOME_BAD
    assert pd.read_csv("out/manifest.csv")["status"].tolist() == ["refused", "ok", "ok"]
    assert not Path("evaluated").exists()
    assert predict("@photographs", "--explain", "$open('evaluated', 'w')") == cli.CANNOT_RUN
    assert predict("@photographs", "--model-dir", "$open('evaluated', 'w')") == cli.CANNOT_RUN
    assert not Path("evaluated").exists()


def test_a_network_that_fails_at_a_photograph_fails_that_photograph_alone(
    predict: Callable[..., int],
    manifest: Callable[[], pd.DataFrame],
    retina: Path,
    left: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vmnet_monai.handlers import MultiTaskInferer

    calls = []
    infer = MultiTaskInferer.__call__

    def fail_first(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return infer(*arguments)

    monkeypatch.setattr(MultiTaskInferer, "__call__", fail_first)
    assert predict(left, retina) == cli.SOME_BAD
    assert manifest()["status"].tolist() == ["failed", "ok"]
    assert manifest()["reason"][0] == "RuntimeError: out of memory"


@pytest.mark.parametrize("wrong", [["--batch-size", "0"], ["--workers", "-1"], ["--threshold", "x"], ["--method", "x"]])
def test_wrong_arguments_are_refused_before_anything_is_loaded(
    predict: Callable[..., int], tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("photographs", *wrong) == cli.CANNOT_RUN
    (line,) = capsys.readouterr().err.splitlines()
    assert wrong[0] in line
    assert wrong[1] in line
    assert not (tmp_path / "out").exists()


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **options)
    return stream.getvalue()


def padded() -> Image.Image:
    wide = Image.new("RGB", (600, 400))
    wide.paste(RETINA, (120, 20))
    return wide


HANDLED: dict[str, Callable[[Path], object]] = {
    "rgba.png": lambda path: RETINA.convert("RGBA").save(path),
    "grey.png": lambda path: RETINA.convert("L").save(path),
    "sixteen.png": lambda path: Image.fromarray(np.asarray(RETINA.convert("L")).astype(np.uint16) << 8).save(path),
    "cmyk.jpg": lambda path: RETINA.convert("CMYK").save(path),
    "progressive.jpg": lambda path: RETINA.save(path, progressive=True),
    "turned.jpg": lambda path: RETINA.save(
        path, exif=bytes.fromhex("45786966000049492a00080000000100120103000100000006000000")
    ),
    "retina.tiff": lambda path: RETINA.save(path),
    "retina.bmp": lambda path: RETINA.save(path),
    "retina.webp": lambda path: RETINA.save(path),
    "landscape.png": lambda path: padded().save(path),
    "portrait.png": lambda path: padded().transpose(Image.Transpose.ROTATE_90).save(path),
    "cut.png": lambda path: RETINA.crop((0, 40, 353, 313)).save(path),
    "cropped.png": lambda path: RETINA.crop((75, 75, 278, 278)).save(path),
    "@photo.png": lambda path: RETINA.save(path),
    "$photo.png": lambda path: RETINA.save(path),
    "naïve 眼底 photo.png": lambda path: RETINA.save(path),
    "other/grey.png": lambda path: RETINA.save(path),
}

REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.jpg": (lambda path: path.touch(), "empty"),
    "truncated.jpg": (lambda path: path.write_bytes(jpeg(RETINA)[:5000]), "damaged or incomplete"),
    "text.jpg": (lambda path: path.write_text("Dear colleague, " * 100), "no image of a format"),
    "bomb.png": (lambda path: Image.new("1", (13400, 13400)).save(path), "more than 100,000,000 pixels"),
    "tiny.png": (lambda path: RETINA.resize((20, 20)).save(path), ""),
    "black.png": (lambda path: Image.new("RGB", (300, 300)).save(path), "dark"),
    "white.png": (lambda path: Image.new("RGB", (300, 300), "white").save(path), "constant"),
    "constant.png": (lambda path: Image.new("RGB", (300, 300), (200, 90, 30)).save(path), "constant"),
    "astronaut.png": (lambda path: Image.fromarray(skimage.data.astronaut()).save(path), ""),
    "coffee.png": (lambda path: Image.fromarray(skimage.data.coffee()).save(path), ""),
    "cat.png": (lambda path: Image.fromarray(skimage.data.chelsea()).save(path), ""),
    "microaneurysms.png": (lambda path: Image.fromarray(skimage.data.microaneurysms()).save(path), ""),
    "histology.png": (lambda path: Image.fromarray(skimage.data.immunohistochemistry()).save(path), ""),
    "vanished.jpg": (lambda path: path.symlink_to("gone.jpg"), "does not exist"),
}


def test_any_input_is_predicted_or_refused_and_the_batch_goes_on(
    predict: Callable[..., int], manifest: Callable[[], pd.DataFrame], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photographs = tmp_path / "photographs"
    (photographs / "other").mkdir(parents=True)
    for name, write in HANDLED.items():
        write(photographs / name)
    for name, (write, _) in REFUSED.items():
        write(photographs / name)
    assert predict(photographs, tmp_path / "no such folder") == cli.SOME_BAD
    rows = manifest().set_index(manifest()["image"].map(lambda image: str(Path(image).name)))
    table = manifest().set_index("image")
    for name in HANDLED:
        assert table.loc[str(photographs / name), "status"] == "ok", table.loc[str(photographs / name), "reason"]
    for name, (_, reason) in REFUSED.items():
        row = table.loc[str(photographs / name)]
        assert row["status"] == "refused", name
        assert reason in row["reason"], (name, row["reason"])
        assert len(row["reason"]) > 20, "a sentence"
    assert "does not exist" in rows.loc["no such folder", "reason"]
    assert len(table) == len(HANDLED) + len(REFUSED) + 1
    assert table["id"].is_unique
    for name in HANDLED:
        with Image.open(photographs / name) as photograph:
            size = photograph.size[::-1] if name == "turned.jpg" else photograph.size
        with Image.open(tmp_path / f"out/vessel/{table.loc[str(photographs / name), 'id']}.png") as mask:
            assert mask.size == size, name
    printed = capfd.readouterr()
    assert f"{len(HANDLED)} predicted, {len(REFUSED) + 1} refused, 0 failed" in printed.out
    assert "Traceback" not in printed.out + printed.err


def test_masks_are_label_maps_for_itk(predict: Callable[..., int], retina: Path, tmp_path: Path) -> None:
    """As 3D Slicer reads them: one unsigned component, two values, and the pixels of the photograph."""
    assert predict(retina, "--threshold", "vessel=0") == cli.OK
    mask = itk.imread(str(tmp_path / f"out/vessel/{retina.stem}.png"))
    assert (mask.GetNumberOfComponentsPerPixel(), mask.GetImageDimension()) == (1, 2)
    values = itk.array_from_image(mask)
    assert values.dtype == np.uint8
    assert values.shape == RETINA.size[::-1]
    assert set(np.unique(values)) == {0, 255}


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all files"
)
def test_a_file_that_may_not_be_read_is_refused(
    predict: Callable[..., int], manifest: Callable[[], pd.DataFrame], retina: Path
) -> None:
    retina.chmod(0)
    assert predict(retina) == cli.SOME_BAD
    assert "may not be read" in manifest()["reason"][0]


def test_the_check_can_be_switched_off(predict: Callable[..., int], manifest: Any, tmp_path: Path) -> None:
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    assert predict(tmp_path / "coffee.png") == cli.SOME_BAD
    assert predict(tmp_path / "coffee.png", "--expected", "any") == cli.OK


def test_a_folder_that_vanishes_during_the_run_is_refused(
    predict: Callable[..., int],
    manifest: Callable[[], pd.DataFrame],
    retina: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(tmp_path, folder := tmp_path / "gone", ignore=shutil.ignore_patterns("gone"))
    from vmnet_monai.inference.manifest import Manifest

    start = Manifest.start

    def vanish(manifest: Manifest, items: Any) -> Any:
        shutil.rmtree(folder, ignore_errors=True)
        return start(manifest, items)

    monkeypatch.setattr(Manifest, "start", vanish)
    assert predict(retina, folder) == cli.SOME_BAD
    assert manifest()["status"].tolist() == ["ok", "refused"]
    assert "does not exist" in manifest()["reason"][1]


def test_a_full_disk_fails_a_photograph_and_the_next_run_mends_it(
    predict: Callable[..., int],
    manifest: Callable[[], pd.DataFrame],
    retina: Path,
    left: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def full(path: Any) -> Any:
        if "vessel_probability/left" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole_file(path)

    monkeypatch.setattr("vmnet_monai.io.files.whole_file", full)
    assert predict(left, retina) == cli.SOME_BAD
    assert manifest()["status"].tolist() == ["failed", "ok"]
    assert "No space left on device" in manifest()["reason"][0]
    monkeypatch.undo()
    assert predict(left, retina) == cli.OK
    assert manifest()["status"].tolist() == ["ok", "ok"]


def test_a_full_disk_is_told_of_a_single_photograph_with_the_file_and_the_way_out(
    predict: Callable[..., int],
    manifest: Callable[[], pd.DataFrame],
    retina: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def full(path: Path, mode: str = "r", **_: Any) -> Any:
        if path.parent.name == "vessel" and mode == "wb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, **_)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    assert predict(retina) == cli.SOME_BAD
    for told in (manifest()["reason"][0], capfd.readouterr().out):
        assert f"{tmp_path / 'out/vessel/retina.png'} could not be written (No space left on device)" in told
        assert "is kept: free space" in told and "run the same command again" in told
        assert "Errno" not in told


def test_output_inside_the_input_folder_is_not_read_as_photographs(bundle: Path, retina: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert (
            cli.main(["predict", str(tmp_path), "--bundle", str(bundle), "--output", str(tmp_path / "out")]) == cli.OK
        )
    assert pd.read_csv(tmp_path / "out/manifest.csv")["id"].tolist() == ["retina"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_processes_that_read_and_write_change_no_byte(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for turn in range(4):
        RETINA.rotate(20 * turn).resize((353 - turn, 353)).save(tmp_path / f"in/{turn}.jpg")
    Image.new("RGB", (90, 90), "grey").save(tmp_path / "in/grey.png")
    words = ["predict", str(tmp_path / "in"), "--bundle", str(bundle), "--explain", "all", "--pdf", "--workers"]
    for count in "02":
        assert cli.main([*words, count, "--output", str(tmp_path / count)]) == cli.SOME_BAD
    alone, together = (snapshot(tmp_path / count) for count in "02")
    assert together == alone
    assert {name.partition("/")[0] for name in alone} >= {"vessel", "cam", "pdf", "records", "report", "manifest.csv"}


KILLED = """
import os, random, signal, sys, time
from vmnet_monai import cli
import vmnet_monai.inference.predictor
import torch
torch.set_num_threads(1)

def run():
    child = os.fork()
    if child == 0:
        os._exit(cli.main(sys.argv[1:]))
    return child

draw = random.Random(0)
for _ in range(10):
    child = run()
    time.sleep(draw.uniform(0.05, 1.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
_, status = os.waitpid(run(), 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Kills a run ten times at random moments, and lets the eleventh end; forked, so that PyTorch is imported once."""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_a_run_that_is_killed_ten_times_ends_like_an_undisturbed_one(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for turn in range(10):
        RETINA.rotate(20 * turn).save(tmp_path / f"in/{turn:02d}.jpg")
    words = ["predict", str(tmp_path / "in"), "--bundle", str(bundle), "--output"]
    assert cli.main([*words, str(tmp_path / "undisturbed")]) == cli.OK
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", KILLED, *words, str(tmp_path / "killed")], env=environment, check=True)
    undisturbed, killed = snapshot(tmp_path / "undisturbed"), snapshot(tmp_path / "killed")
    assert killed.keys() == undisturbed.keys()
    assert [name for name in killed if killed[name] != undisturbed[name]] == []
    assert not list((tmp_path / "killed").rglob(".vmnet-partial-*"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_a_run_whose_worker_is_killed_says_so_and_the_next_ends_like_an_undisturbed_one(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for turn in range(6):
        RETINA.rotate(20 * turn).save(tmp_path / f"in/{turn}.jpg")
    words = ["predict", str(tmp_path / "in"), "--bundle", str(bundle), "--output"]
    assert cli.main([*words, str(tmp_path / "undisturbed")]) == cli.OK
    decoded = images._decoded

    def kill(name: str) -> Image.Image:
        if name.endswith("4.jpg") and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return decoded(name)

    words += [str(tmp_path / "killed"), "--workers", "2", "--batch-size", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(images, "_decoded", kill)
        capsys.readouterr()
        assert cli.main(words) != cli.OK
    told = capsys.readouterr().err
    assert len(re.findall("^error: ", told, re.MULTILINE)) == 1
    assert "run the same command again" in told
    assert cli.main(words) == cli.OK
    assert snapshot(tmp_path / "killed") == snapshot(tmp_path / "undisturbed")


def test_an_export_predicts_in_place_of_the_bundle(
    bundle: Path, retina: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["--bundle", str(bundle), "--runtimes", "torchscript", "--output", str(tmp_path / "export")]
    assert cli.main(["export", *names, str(retina)]) == cli.OK
    assert "torchscript" in capsys.readouterr().out
    rows = []
    for given in (bundle, tmp_path / "export/model.ts"):
        words = ["predict", str(retina), "--bundle", str(given), "--output", str(tmp_path / given.stem), "--no-report"]
        assert cli.main(words) == cli.OK
        rows.append(pd.read_csv(tmp_path / given.stem / "predictions.csv"))
    pd.testing.assert_frame_equal(*rows)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--actors", "2"], "need --engine ray"),
        (["--results", "table"], "need --engine ray"),
        (["--engine", "ray", "--workers", "2"], "--actors in place of --workers"),
        (["--engine", "ray", "--results", "table", "--pdf"], "leave out --pdf"),
    ],
)
def test_options_of_the_engine_that_do_not_go_together_are_refused(
    predict: Callable[..., int], retina: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert predict(retina, *words) == cli.CANNOT_RUN
    assert told in capsys.readouterr().err


def test_an_engine_that_is_not_installed_is_named_with_the_remedy(
    predict: Callable[..., int], retina: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["vmnet_monai.cli.predict"], "find_spec", lambda name: None)
    assert predict(retina, "--engine", "ray") == cli.CANNOT_RUN
    assert 'pip install "vmnet_monai[ray]"' in capsys.readouterr().err
