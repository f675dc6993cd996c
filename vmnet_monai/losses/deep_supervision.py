"""Weights of the resolutions in deep supervision."""

from __future__ import annotations

__all__ = ["deep_supervision_weights"]


def deep_supervision_weights(count: int) -> list[float]:
    r"""Weight the outputs of a deeply supervised network: half as much per halving of the resolution.

    :math:`w_r \propto 2^{-r}`, normalised to a sum of 1, for :math:`R` outputs. VENet sums over all its outputs, the
    lower resolutions weighing less (Oliveira et al., Sci Rep 2023, doi 10.1038/s41598-022-27089-8), and does not print
    by how much; halving is the rule of nnU-Net (Isensee et al., Nat Methods 2021, doi 10.1038/s41592-020-01008-z),
    which leaves out the lowest. For the argument ``weights`` of ``monai.losses.DeepSupervisionLoss``.

    Args:
        count: number R of outputs.

    Returns:
        R weights, from the full resolution (r = 0) to the lowest.

    Raises:
        ValueError: if ``count`` is below 1.

    Example:
        >>> [round(weight, 3) for weight in deep_supervision_weights(4)]
        [0.533, 0.267, 0.133, 0.067]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: give the number of the network's outputs.")
    halved = [0.5**r for r in range(count)]
    return [weight / sum(halved) for weight in halved]
