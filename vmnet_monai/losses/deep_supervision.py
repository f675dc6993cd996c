"""How much each resolution counts under deep supervision."""

from __future__ import annotations

__all__ = ["deep_supervision_weights"]


def deep_supervision_weights(count: int) -> list[float]:
    r"""Weigh the outputs of a deeply supervised network: half as much per halving, the lowest resolution not at all.

    :math:`w_r \propto 2^{-r}` for :math:`r < R - 1` and :math:`w_{R-1} = 0`, normalised to a sum of 1, for
    :math:`R` outputs; a single output has the weight 1. The rule is that of nnU-Net (Isensee et al., Nat Methods 2021,
    doi 10.1038/s41592-020-01008-z). For the argument ``weights`` of ``monai.losses.DeepSupervisionLoss``.

    Args:
        count: number R of outputs.

    Returns:
        R weights, from the full resolution (r = 0) to the lowest.

    Raises:
        ValueError: if ``count`` is below 1.

    Example:
        >>> [round(weight, 3) for weight in deep_supervision_weights(4)]
        [0.571, 0.286, 0.143, 0.0]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: give the number of the network's outputs.")
    if count == 1:
        return [1.0]
    halved = [0.5**r for r in range(count - 1)]
    return [weight / sum(halved) for weight in halved] + [0.0]
