"""The cost of V-MNet is measured in W-Nets of the size that is claimed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import network_cost
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


def test_w_net_has_about_68_thousand_parameters_and_draws_each_pixel() -> None:
    network = network_cost.WNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(68_500, rel=0.02)
    assert network(torch.rand(1, 3, 32, 48))["vessel"].shape == (1, 1, 32, 48)


@pytest.mark.slow
def test_every_network_is_measured_in_both_runtimes() -> None:
    """In a process of its own: OpenVINO's converter leaves threads and libraries behind that may end it."""
    sizes = ["--sizes", "[64,128]", "--overlay_size", "64", "--reference_size", "64", "--disease_size", "32"]
    command = [sys.executable, network_cost.__file__, *sizes, "--repeats", "1", "--threads", "1"]
    environment = {**os.environ, "PYTHONSAFEPATH": ""}  # it imports a file beside it
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    table = done.stdout.strip()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[4:]]
    names = ["W-Net at 64", "bundle's network at 64", "bundle's network at 128", "vmnet_unet at 64"]
    assert [row[0] for row in rows] == names
    assert rows[0][3] == "1.00"
    assert rows[1][1] == rows[2][1] == "7.21"
    assert all(float(row[3]) > 0 and float(row[5]) >= 0 for row in rows)


def test_median_leaves_the_first_run_out() -> None:
    calls = []
    seconds = network_cost.cpu_seconds({"work": lambda: calls.append(np.ones(10**6).sum())}, repeats=3)
    assert len(calls) == 4
    assert seconds["work"] > 0
