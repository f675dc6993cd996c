"""``vmnet compare``: what it reads, prints and writes."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest
from tqdm import tqdm

from vmnet_monai import cli
from vmnet_monai.cli.compare import read_run


def photographs(dataset: str = "drive", **columns: list[float]) -> pd.DataFrame:
    names = [f"{dataset}-{i}" for i in range(2)]
    return pd.DataFrame({"id": names, "dataset": dataset, "patient": names, **columns})


def diseases(dataset: str) -> pd.DataFrame:
    return photographs(dataset, probability_glaucoma=[0.1, 0.9], label_glaucoma=[0.0, 1.0])


def test_command_reads_output_folders_and_writes_table_and_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, dice in (("a0", [0.5, 0.6]), ("a1", [0.7, 0.6]), ("b0", [0.8, 0.8])):
        (tmp_path / folder).mkdir()
        # Names that look like a number or like an empty cell.
        photographs(vessel_inside_fov_dice=dice).assign(id=["007", "NA"]).to_csv(
            tmp_path / folder / "metrics.csv", index=False
        )
    words = ["compare", "--reference", f"a={tmp_path}/a0,{tmp_path}/a1", "--candidate", f"b={tmp_path}/b0"]
    assert cli.main([*words, "--bootstrap-samples", "20", "--output", f"{tmp_path}/comparison.csv"]) == cli.OK
    assert capsys.readouterr().out.startswith("| score | dataset | disease | a | b | b - a |\n")
    written = pd.read_csv(tmp_path / "comparison.csv").set_index("system")
    assert written["mean"].to_dict() == pytest.approx({"a": 0.6, "b": 0.8})
    assert written.loc["b", "difference"] == pytest.approx(0.2)


def test_a_full_disk_is_told_with_the_file_after_the_table_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    photographs(vessel_inside_fov_dice=[0.5, 0.6]).to_csv(tmp_path / "metrics.csv", index=False)
    monkeypatch.setattr(Path, "write_bytes", full)
    words = ["compare", "--reference", f"a={tmp_path}", "--bootstrap-samples", "20"]
    assert cli.main([*words, "--output", f"{tmp_path}/comparison.csv"]) == cli.CANNOT_RUN
    printed = capsys.readouterr()
    assert printed.out.startswith("| score | dataset |")
    last = printed.err.splitlines()[-1]
    assert f"error: {tmp_path / 'comparison.csv'} could not be written (No space left on device)" in last


def test_a_bar_shows_how_far_a_comparison_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(vessel_inside_fov_dice=[0.5, 0.6]).to_csv(tmp_path / "metrics.csv", index=False)
    bars = []

    def at_once(**settings: Any) -> tqdm[NoReturn]:
        assert settings["delay"] == 1
        bars.append(tqdm(**settings | {"delay": 0, "mininterval": 0}))
        return bars[-1]

    monkeypatch.setattr("vmnet_monai.metrics.comparison.tqdm", at_once)
    words = ["compare", "--reference", f"a={tmp_path}", "--candidate", f"b={tmp_path}", "--bootstrap-samples", "20"]
    assert cli.main(words) == cli.OK
    printed = capsys.readouterr()
    assert "Resampling: 100%" in printed.err and "60/60" in printed.err
    assert "Resampling" not in printed.out
    assert bars[0].disable, "closed"


def test_scores_that_a_spreadsheet_saved_are_read(tmp_path: Path) -> None:
    """In a country of the decimal comma; and the mark before a name like a formula is taken away."""
    text = "id;dataset;patient;vessel_inside_fov_dice;label_amd\r\n'=1;a;007;0,5;1\r\nNA;a;;;\r\n"
    (tmp_path / "metrics.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = read_run(tmp_path)
    assert table["id"].tolist() == ["=1", "NA"]
    assert table["patient"].tolist()[0] == "007"
    assert table["vessel_inside_fov_dice"].tolist() == pytest.approx([0.5, math.nan], nan_ok=True)
    assert table["label_amd"].tolist() == pytest.approx([1, math.nan], nan_ok=True)


def test_command_restricts_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.concat([diseases("odir5k"), diseases("hrf")]).to_csv(tmp_path / "metrics.csv", index=False)
    words = ["compare", "--reference", f"a={tmp_path}", "--min-count", "1", "--bootstrap-samples", "20"]
    assert cli.main([*words, "--pair", "odir5k=glaucoma"]) == cli.OK
    assert "hrf" not in capsys.readouterr().out
    assert cli.main(words) == cli.OK
    assert "hrf" in capsys.readouterr().out


def test_command_explains_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "--reference", f"a={tmp_path}"]) == cli.CANNOT_RUN
    assert "metrics.csv is missing: give the output folder of an evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reference", "a"], "NAME=VALUE[,VALUE...], got 'a'"),
        (["--reference", "a=x,,y"], "got 'a=x,,y'"),
        (["--reference", "a=x", "--candidate", "a=y"], "a name of its own, got a, a"),
        (["--candidate", "a=y"], "--reference"),
    ],
)
def test_wrong_systems_are_a_usage_error(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", *words]) == cli.CANNOT_RUN
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
