"""Whether a network's weights, stored and loaded, give the same answers."""

from __future__ import annotations

import io

import torch


def assert_stored_weights_carry_over(network: torch.nn.Module, other: torch.nn.Module) -> None:
    """Load the weights of one network strictly into another one, both in evaluation mode, and compare their answers."""
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(other(image), network(image), rtol=0, atol=0)
