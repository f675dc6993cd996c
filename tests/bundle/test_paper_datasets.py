"""The four datasets of V-MNet's paper are trained on and evaluated by the commands of the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from bundle_configs import EVALUATE, SMALL, TRAIN
from layouts import write_drive, write_eyepacs_light, write_odir5k, write_rfmid
from monai.bundle import run
from PIL import Image

from vmnet_monai.datasets.item import is_image_file
from vmnet_monai.datasets.phantom import generate_phantom

PAPER = "configs/datasets/vmnet_paper.json"
KEYWORDS = (("normal fundus", "glaucoma"), ("cataract", "moderate non proliferative retinopathy"))


def four_datasets(root: Path) -> Path:
    """The layouts of the four downloads, with phantoms of 96 pixels in place of their photographs."""
    write_drive(root / "DRIVE")
    write_rfmid(root / "RFMiD")
    write_odir5k(root / "ODIR-5K", {patient: KEYWORDS[patient % 2] for patient in range(1, 17)})
    people = root / "ODIR-5K/full_df.csv"
    pd.read_csv(people).assign(**{"Patient Sex": "Female", "Patient Age": 61}).to_csv(people, index=False)
    write_eyepacs_light(root / "eyepac-light-v2-512-jpg")
    phantom = generate_phantom(0, 96)
    pictures = {"1st_manual": phantom.vessel, "mask": phantom.fov}
    for path in filter(is_image_file, root.rglob("*")):
        picture = pictures.get(path.parent.name, phantom.image)
        Image.fromarray(picture).convert("RGB" if picture.ndim == 3 else "L").save(path)
    return root


@pytest.mark.slow
def test_two_commands_train_on_and_score_the_four_datasets(
    tmp_path: Path, output_folder: Callable[[Path], Path]
) -> None:
    root, output = four_datasets(tmp_path / "data"), output_folder(tmp_path / "paper")
    settings = {"data_root": str(root), "output_dir": str(output), **SMALL}
    run("training", config_file=[TRAIN, PAPER], **{"train#trainer#max_epochs": 1}, **settings)
    run("evaluating", config_file=[TRAIN, PAPER, EVALUATE], **settings)
    scores = json.loads((output / "metrics.json").read_text())
    assert list(scores["vessel"]["whole_image"]) == ["drive", "all"]
    assert 0 <= scores["vessel"]["whole_image"]["drive"]["mean"]["auc"] <= 1
    assert set(scores["disease"]) == {"rfmid", "odir5k", "eyepacs_light", "all"}
    assert 0 <= scores["disease"]["all"]["macro"]["auc"] <= 1
    assert scores["disease"]["all"]["macro"]["f1"] is not None
    table = pd.read_csv(output / "metrics.csv")
    assert table["dataset"].value_counts().to_dict().keys() == {"drive", "rfmid", "odir5k", "eyepacs_light"}
    table = table.set_index("dataset")
    assert table.loc["drive", "label_glaucoma"].isna().all()
    assert table.loc["odir5k", ["sex", "age"]].drop_duplicates().to_numpy().tolist() == [["female", 61.0]]
    assert table.loc["rfmid", ["sex", "age"]].isna().all(axis=None)
