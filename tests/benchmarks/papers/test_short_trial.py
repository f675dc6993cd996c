"""A short trial of a small network on phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest
import short_trial

from vmnet_monai.datasets.phantom import write_phantoms


@pytest.mark.slow
def test_trial_tells_what_a_network_has_learnt(tmp_path: Path) -> None:
    """Vessels of phantoms are learnt within sixty steps; the row has a spread for each layer that is named."""
    write_phantoms(tmp_path, count=24, size_px=96)
    small = {
        **{"dataset_name": "phantom", "dataset_dir": str(tmp_path), "grid_size": 96, "crop_size": 32},
        **{"network_def#network#channels": [8, 16], "network_def#network#strides": [2]},
        **{"batch_size": 4, "learning_rate": 0.01},
    }
    layers = "network.model.0,network.model.1"
    table = short_trial.short_trial("configs/networks/attention_unet.json", steps=60, layers=layers, **small)
    header, _, row = (line.strip("|").split("|") for line in table.splitlines())
    cells = dict(zip((name.strip() for name in header), (cell.strip() for cell in row), strict=True))
    first, last = map(float, cells["loss, first and last steps"].split(" -> "))
    assert last < first
    assert float(cells["vessel AUC"]) > 0.55
    spreads = cells["SD of network.model.0, network.model.1"].split(", ")
    assert len(spreads) == 2
    assert all(float(spread) > 0 for spread in spreads)
