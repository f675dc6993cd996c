"""The benchmark programs run, and find what was put there to be found."""

from __future__ import annotations

import ast
import importlib
import shutil
from pathlib import Path
from typing import Any

import fire
import image_time
import numpy as np
import pandas as pd
import pytest
import source_probe
import torch
from bundle_configs import SMALL_NETWORK
from monai.bundle import ConfigParser
from PIL import Image
from small_bundle import small_bundle

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.datasets.phantom import write_phantoms

ROOT = Path(__file__).parents[1]
TRAIN = f"{ROOT}/bundles/vmnet/configs/train.json"
SMALL: dict[str, Any] = {
    "device": "cpu",
    "grid_size": 64,
    "disease_size": 32,
    **SMALL_NETWORK,
}


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the same phantoms, ``light`` and ``dark``, and the untrained weights of a small network."""
    folder = tmp_path_factory.mktemp("sources")
    table = write_phantoms(folder / "light", count=30, size_px=64)
    shutil.copytree(folder / "light", folder / "dark")
    for image in pd.read_csv(table)["image"]:
        Image.open(folder / "light" / image).point(lambda level: level // 2).save(folder / "dark" / image)
    parser = ConfigParser()
    parser.read_config(TRAIN)
    parser.update(SMALL)
    (folder / "models").mkdir()
    torch.manual_seed(0)
    torch.save(parser.get_parsed_content("network").state_dict(), folder / "models/model.pt")
    diseases = parser.get_parsed_content("diseases")
    OperatingPoint(
        diseases=tuple(diseases),
        grid_size=SMALL["grid_size"],
        disease_size=SMALL["disease_size"],
        contrast="none",
        field_of_view="estimate",
        network="FineVMNet(encoder=unet)",
        structures=("vessel",),
        structure_thresholds=(0.5,),
        disease_calibration=((1.0, 0.0),) * len(diseases),
        disease_thresholds=(0.5,) * len(diseases),
    ).save(folder / "models")
    return folder


def probe(folder: Path, sources: str, **changes: Any) -> list[list[str]]:
    """Run the program as the command line does; the cells of its table."""
    words = ["--config_file", TRAIN, "--sources", sources, "--photographs", "24", "--output_dir", str(folder)]
    words += ["--dataset_name", "['phantom','phantom']", "--dataset_dir", f"['{folder}/light','{folder}/dark']"]
    for key, value in {**SMALL, **changes}.items():
        words += [f"--{key}", str(value)]
    table = fire.Fire(source_probe.source_probe, command=words)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@pytest.mark.slow
def test_probe_finds_the_darker_source_by_its_colours(two_sources: Path) -> None:
    header, _, *rows = probe(two_sources, "['light','dark']")
    assert header == ["light or dark?", "values", "all photographs", "glaucoma only"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["mean and SD of the colours"] == ["6", "1.000 [1.000, 1.000]", "1.000 [1.000, 1.000]"]
    assert by_name["features of the network"][0] == "24"
    assert by_name["photographs: train, test"][1] == "24, 12"


@pytest.mark.slow
def test_probe_on_a_source_that_is_not_there_is_refused(two_sources: Path) -> None:
    with pytest.raises(ValueError, match="light and bright.* 18 and 0"):
        probe(two_sources, "['light','bright']")
    with pytest.raises(ValueError, match="two sources"):
        probe(two_sources, "['light']")


@pytest.mark.slow
def test_probe_with_another_config_than_the_training_had_is_refused(two_sources: Path) -> None:
    # The config parser wraps what goes wrong while it reads a key.
    with pytest.raises(RuntimeError) as caught:
        probe(two_sources, "['light','dark']", grid_size=96)
    assert "trained with grid_size = 64" in str(caught.value.__cause__)


def test_probe_of_noise_finds_nothing() -> None:
    generator = np.random.default_rng(0)
    source = np.arange(400) % 2 == 1
    values = generator.normal(size=(2, 400, 5))
    patients = [str(i) for i in range(400)]
    auc, lower, upper = source_probe.probe_auc(values[0], source, values[1], source, patients)
    assert lower < 0.5 < upper
    assert lower < auc < upper
    assert upper - lower < 0.15


def test_power_spectrum_shows_blur_but_not_brightness() -> None:
    sharp = np.random.default_rng(0).random((3, 64, 64))
    blurred = (sharp + np.roll(sharp, 1, axis=1) + np.roll(sharp, 1, axis=2) + np.roll(sharp, (1, 1), axis=(1, 2))) / 4
    spectrum = source_probe.power_spectrum(sharp)
    assert source_probe.power_spectrum(sharp + 0.3) == pytest.approx(spectrum)
    lost = spectrum - source_probe.power_spectrum(blurred)
    assert lost[-1] > 1 > 0.2 > lost[0]


def test_colours_are_those_of_the_field_of_view() -> None:
    image = np.zeros((3, 2, 2))
    image[:, 0] = [[0.2, 0.4], [0.5, 0.5], [0.0, 1.0]]
    fov = np.array([[True, True], [False, False]])
    assert source_probe.colour_statistics(image, fov) == pytest.approx([0.3, 0.5, 0.5, 0.1, 0.0, 0.5])


def test_image_time_measures_the_bundle_and_the_plain_network(tmp_path: Path) -> None:
    table = image_time.image_time(str(small_bundle(tmp_path)), repeats=1)
    assert "network, bfloat16" in table
    assert table.splitlines()[-1].startswith(f"| {image_time.PLAIN} ")
    assert table.splitlines()[-1].endswith("| 1.0 |")


@pytest.mark.parametrize(
    "program", sorted((ROOT / "tests/benchmarks").rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_what_a_program_imports_of_the_package_is_there(program: Path) -> None:
    """Also of programs that no test runs, as they need another package or photographs."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "vmnet_monai":
            module = importlib.import_module(node.module or "")
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing, f"{program}, line {node.lineno}: {node.module} has no {', '.join(missing)}"
