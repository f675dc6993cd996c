"""The pages whose examples hold together, run from top to bottom as a reader would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

from vmnet_monai import cli

ROOT = Path(__file__).parents[1]
DATA = ROOT / "../shared/data"


def run_page(page: str, start: str = "") -> None:
    """Run the blocks of a page in the current folder: those of Python, one after the other, and those of the shell.

    Args:
        page: below ``docs``.
        start: heading from which on they are run.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for language, code in re.findall(r"^```(python|sh)\n(.*?)^```", text[text.index(start) :], flags=re.DOTALL | re.M):
        if language == "python":
            exec(compile(code, page, "exec"), names)
            continue
        for line in code.splitlines():
            if line.startswith("vmnet "):  # here, because each process takes ten seconds to start
                assert cli.main(line.split()[1:]) == cli.OK, line
            else:
                folder = os.path.dirname(sys.executable)
                path = f"{folder}{os.pathsep}{os.environ['PATH']}"
                subprocess.run(["sh", "-c", line], check=True, env={**os.environ, "PATH": path})


def test_ten_eyes_differ_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (DATA / "HRF/av").is_dir() or not (DATA / "landmarks.csv").is_file():
        pytest.skip("needs HRF with the arteries and veins that experts drew, and the table of landmarks")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(DATA.resolve())
    page = "tutorial/ten-eyes.md"
    with matplotlib.rc_context({"backend": "agg"}):
        run_page(page)
    printed = capsys.readouterr().out
    shown = re.findall(
        r"^```text\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.M
    )
    assert "".join(shown) == printed
    for name in ("ten-eyes-vessels.png", "ten-eyes.svg"):
        assert (tmp_path / name).stat().st_size > 0 and (ROOT / "docs/images" / name).stat().st_size > 0
    assert "<image" not in (ROOT / "docs/images/ten-eyes.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_masks_that_are_corrected_by_hand_change_what_was_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page, heading = "how-to/measure-masks.md", "## Correct the network's masks by hand"
    (table,) = re.findall(r"^```csv\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL | re.M)
    (tmp_path / "eyes.csv").write_text(table)
    run_page(page, heading)
    assert re.search(r"p1_right +artery +field +area_density +fraction +-0\.", capsys.readouterr().out), "what changed"
    before, after = (
        pd.read_csv(f"output/{name}/measures.csv").set_index(["vessel_type", "region", "measure", "unit"])["value"]
        for name in ("measures", "corrected")
    )
    artery, vein, vessel = ((name, "field", "area_density", "fraction") for name in ("artery", "vein", "vessel"))
    assert after[artery] < before[artery] and after[vein] > before[vein]
    assert after[vessel] == pytest.approx(before[vessel], rel=0.02)
    status = pd.read_csv("output/corrected/measured.csv")
    assert status[["id", "masks"]].values.tolist() == [["p1_right-edited", "edited"]]
    provenance = json.loads(Path("output/corrected/provenance.json").read_text(encoding="utf-8"))
    assert "corrected/artery/p1_right.png" in json.dumps(provenance)
