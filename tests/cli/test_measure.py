"""``vmnet measure``: what it prints, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vmnet_monai import cli


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def test_command_measures_what_it_can_and_names_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmnet_monai.biomarkers.photograph.GRID_SIZE", 150)
    rows, columns = np.indices((150, 150))
    for name in ("a", "b"):
        save(tmp_path / f"vessel/{name}.png", np.abs(rows - 60) <= 2)
    save(tmp_path / "disc/a.png", np.hypot(columns - 100, rows - 75) <= 10)
    words = ["measure", "--vessel", f"{tmp_path}/vessel", "--disc", f"{tmp_path}/disc", "--output", f"{tmp_path}/out"]
    assert cli.main(words) == cli.SOME_BAD
    printed = capsys.readouterr()
    assert "2 photographs: 1 measured, 1 refused or failed." in printed.out
    assert "refused: b: every folder must have a file of this name" in printed.out
    assert set(pd.read_csv(tmp_path / "out/measures.csv")["id"]) == {"a"}
    (tmp_path / "vessel/b.png").unlink()
    assert cli.main([*words, "--edited"]) == cli.OK
    assert set(pd.read_csv(tmp_path / "out/measures.csv")["id"]) == {"a-edited"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to measure: give --vessel"),
        (["--fov", "."], "nothing to measure: give --vessel"),
        (["--vein", "no/such"], "no/such: no such file or folder"),
        (["--vein", ".", "--table", "none.csv"], "none.csv: no such file or folder"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["measure", *words, "--output", str(tmp_path / "out")]) == cli.CANNOT_RUN
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
