"""The joint loss of segmentation, inside the field of view, and classification, where labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from monai.losses import DeepSupervisionLoss
from torch import nn

from vmnet_monai.errors import renamed_arguments
from vmnet_monai.structures import check_parts

__all__ = ["MultiTaskLoss"]

BACKGROUND_LOGIT = -20.0
"""Logit given to pixels outside the field of view: a probability of 2e-9, so that they add nothing to any loss."""

LEAST_BACKGROUND = 1e-12
"""Probability of the background below which it counts as this one, so that its logarithm stays finite."""

LEAST_REST = 1e-6
"""Share of a whole that is left beside a part at least, so that its logit stays finite in float32."""

ROUNDING = 0.1
"""Logit by which a part may exceed its whole by rounding."""

MIN_TOTAL_WEIGHT = 1e-12
"""Sum of weights below which it counts as this one: structures that all weigh nothing add nothing."""


class MultiTaskLoss(nn.Module):
    r"""Adds a weighted segmentation loss and a weighted classification loss, each on known references only.

    - Structures: images without mask are left out. Pixels outside the field of view are set to certain background in
      prediction and reference, so that they add nothing to any MONAI segmentation loss on logits that scores the
      structures only. A loss that averages over pixels, such as cross-entropy, still divides by all of them; a Dice of
      the background, as with softmax, counts them as hits. The losses of several structures are averaged with weights.
    - Diseases: each label is scored on the images where it is known (not NaN); the losses of the labels are averaged
      with the number of known images as weight, which for a mean-reduced loss equals the mean over all known labels.

    Where the classes of a network exclude one another by softmax, its logits are those of
    :func:`~vmnet_monai.networks.softmax.exclusive_logits`. Then the segmentation loss is given the logarithms of the
    probabilities of background and structures, and the disease loss those of all diseases at once, on the images where
    all of them are known. Both need a loss that applies a softmax, which leaves such logarithms as they are.

    A head without any known reference in a batch contributes zero, with zero gradients, so that distributed training
    finds every parameter in every step. A network of a single task may return its own key only.

    Args:
        segmentation_loss: loss on logits (N, 1, H, W) and targets in [0, 1], for example
            ``monai.losses.DiceCELoss(sigmoid=True)``; with softmax on (N, 1 + C, H, W), for example
            ``monai.losses.DiceCELoss(softmax=True)``. A ``monai.losses.DeepSupervisionLoss`` around it scores the
            coarser outputs of a network that has them, ``<structure>_1``, ``<structure>_2``, ..., as well.
        disease_losses: one loss for all labels, on logits (N, 1) and targets 0 or 1, for example
            ``torch.nn.BCEWithLogitsLoss()`` or ``monai.losses.FocalLoss()``; or a list with one loss per label, for
            losses with parameters of their own. With softmax one loss on (N, K), for example
            ``torch.nn.CrossEntropyLoss()``.
        segmentation_weight: weight of the segmentation loss.
        disease_weight: weight of the disease loss.
        structures: keys of the structures.
        segmentation_activation: ``"sigmoid"``, or ``"softmax"`` where a pixel belongs to one structure at most.
        disease_activation: ``"sigmoid"``, or ``"softmax"`` where an image has exactly one of the labels.
        structure_weights: structure -> weight in that average; 1 where it is left out.
        parts: part -> whole, such as ``{"artery": "vessel", "vein": "vessel"}``. A part is scored on the pixels of any
            part only, by its share of the whole there, the part's probability over the whole's: the masks of the parts
            tell one from the other, and that of the whole where it ends. The network gives parts that are never more
            probable than their whole, as :class:`~vmnet_monai.networks.FineVMNet` does.

    Raises:
        ValueError: if an activation is neither, ``parts`` or ``structure_weights`` names other structures or comes with
            softmax, or a weight is negative.

    Example:
        >>> from monai.losses import DiceCELoss
        >>> loss = MultiTaskLoss(DiceCELoss(sigmoid=True), torch.nn.BCEWithLogitsLoss())
        >>> prediction = {"vessel": torch.zeros(2, 1, 8, 8), "disease": torch.zeros(2, 1)}
        >>> target = {
        ...     "vessel": torch.zeros(2, 1, 8, 8),
        ...     "has_vessel": torch.tensor([False, False]),  # no mask: the segmentation adds nothing
        ...     "fov": torch.ones(2, 1, 8, 8),
        ...     "disease": torch.tensor([[1.0], [float("nan")]]),  # the second label is unknown: it adds nothing
        ... }
        >>> round(loss(prediction, target).item(), 3)  # the cross-entropy of one label at a probability of 0.5
        0.693
    """

    @renamed_arguments(vessel_loss="segmentation_loss", vessel_weight="segmentation_weight")
    def __init__(
        self,
        segmentation_loss: nn.Module,
        disease_losses: nn.Module | list[nn.Module],
        segmentation_weight: float = 1.0,
        disease_weight: float = 1.0,
        structures: Sequence[str] = ("vessel",),
        segmentation_activation: str = "sigmoid",
        disease_activation: str = "sigmoid",
        parts: Mapping[str, str] | None = None,
        structure_weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        for name, activation in (
            ("segmentation_activation", segmentation_activation),
            ("disease_activation", disease_activation),
        ):
            if activation not in ("sigmoid", "softmax"):
                raise ValueError(f"{name} must be sigmoid or softmax, got {activation!r}.")
        self.segmentation_loss = segmentation_loss
        self.disease_losses = nn.ModuleList(disease_losses if isinstance(disease_losses, list) else [disease_losses])
        self.segmentation_weight = segmentation_weight
        self.disease_weight = disease_weight
        self.structures = tuple(structures)
        self.exclusive_structures = segmentation_activation == "softmax"
        self.parts = check_parts(parts, self.structures)
        weights = dict(structure_weights or {})
        if not set(weights) <= set(self.structures) or min(weights.values(), default=0) < 0:
            raise ValueError(
                f"structure_weights must map structures out of {', '.join(self.structures)} to weights of at least 0, "
                f"got {weights}: leave others out."
            )
        for name, given in (("parts", self.parts), ("structure_weights", weights)):
            if given and self.exclusive_structures:
                raise ValueError(
                    f"{name} must be left out with softmax, where the structures have one loss together, got {given}: "
                    "leave it out, or take sigmoid."
                )
        self.structure_weights = [float(weights.get(key, 1.0)) for key in self.structures]
        self.exclusive_diseases = disease_activation == "softmax"

    def forward(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute the weighted sum of the two losses.

        Args:
            prediction: ``vessel`` (B, 1, H, W), likewise for other structures, and ``disease`` (B, K), logits; either
                may be absent.
            target: ``vessel`` (B, 1, H, W) in [0, 1] and ``has_vessel`` (B,) bool, likewise for other structures,
                ``fov`` (B, 1, H, W) of 0 and 1, ``disease`` (B, K) of 0, 1 and NaN.

        Returns:
            A scalar, float32.

        Raises:
            ValueError: if a list of disease losses has not one loss per label, if coarser outputs come without a
                ``DeepSupervisionLoss``, the network has other structures than the loss, or with softmax fewer, or a
                part comes without its whole or is more probable.
        """
        known = {"disease", *self.structures}
        unknown = [key for key in prediction if key not in known and key.rpartition("_")[0] not in self.structures]
        if unknown:
            raise ValueError(
                f"the network has the structure {unknown[0]!r}, the loss knows {', '.join(self.structures)}: give both "
                "the same structures."
            )
        terms: list[torch.Tensor] = []
        present = tuple(key for key in self.structures if key in prediction)
        if self.exclusive_structures and present not in ((), self.structures):
            raise ValueError(
                f"with softmax the network must give all of {', '.join(self.structures)}, it gives "
                f"{', '.join(present)}: give both the same structures."
            )
        if present:
            groups = [present] if self.exclusive_structures else [(key,) for key in present]
            losses = [self._segmentation(group, prediction, target) for group in groups]
            terms.append(self.segmentation_weight * self._average(present, losses))
        if "disease" in prediction:
            logits = prediction["disease"].float()
            loss = self._one_disease if self.exclusive_diseases else self._diseases
            terms.append(self.disease_weight * loss(logits, target["disease"]))
        return torch.stack(terms).sum()

    def _average(self, structures: tuple[str, ...], losses: list[torch.Tensor]) -> torch.Tensor:
        """Average the losses with the weights of the structures; those that exclude one another have one."""
        if self.exclusive_structures:
            return losses[0]
        weights = [self.structure_weights[self.structures.index(key)] for key in structures]
        total = torch.stack([weight * loss for weight, loss in zip(weights, losses, strict=True)]).sum()
        return total / max(sum(weights), MIN_TOTAL_WEIGHT)

    def _segmentation(
        self, group: tuple[str, ...], prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Score the structures of a group together, at every resolution that the network gives."""
        resolutions = [torch.cat([prediction[key] for key in group], dim=1).float()]
        while f"{group[0]}_{len(resolutions)}" in prediction:
            coarser = [prediction[f"{key}_{len(resolutions)}"] for key in group]
            resolutions.append(torch.cat(coarser, dim=1).float())
        if len(resolutions) > 1 and not isinstance(self.segmentation_loss, DeepSupervisionLoss):
            raise ValueError(
                f"the network gives {len(resolutions)} resolutions and segmentation_loss scores one: wrap it in "
                "monai.losses.DeepSupervisionLoss, or switch the network's deep supervision off."
            )
        known = torch.stack([target[f"has_{key}"] for key in group]).all(dim=0)
        if not known.any():
            return torch.stack([0.0 * logits.sum() for logits in resolutions]).sum()

        whole = self.parts.get(group[0])
        region = target["fov"][known]
        if whole is not None:
            resolutions[0] = self._share(group[0], prediction)
            drawn = [target[part][known] > 0.5 for part, of in self.parts.items() if of == whole]
            region = region * torch.stack(drawn).any(dim=0)
        reference = torch.where(region > 0.5, torch.cat([target[key][known] for key in group], dim=1).float(), 0.0)
        inputs = []
        for logits in resolutions:
            inside = nn.functional.interpolate(region, logits.shape[2:], mode="nearest-exact") > 0.5
            masked = torch.where(inside, logits[known], BACKGROUND_LOGIT)
            inputs.append(_log_probabilities(masked) if self.exclusive_structures else masked)
        if self.exclusive_structures:
            # Masks that were scaled may overlap by a rounding.
            background = (1.0 - reference.sum(dim=1, keepdim=True)).clamp(min=0.0)
            reference = torch.cat([background, reference], dim=1)
        # A single output costs its plain loss: a network in evaluation mode gives no others.
        return self.segmentation_loss(inputs if len(inputs) > 1 else inputs[0], reference)

    def _share(self, part: str, prediction: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The logits (B, 1, H, W) of a part's share of its whole, whose map gets no gradient from it."""
        whole = self.parts[part]
        if whole not in prediction:
            raise ValueError(
                f"a part needs its whole, got {part} without {whole}: let the network give both, or leave out parts."
            )
        logits, of_whole = prediction[part].float(), prediction[whole].detach().float()
        if (logits > of_whole + ROUNDING).any():
            raise ValueError(
                f"a part must not be more probable than its whole, got {part} above {whole}: give the network the same "
                "parts (structure_parts), as train.json does, or leave them out of both."
            )
        logs = nn.functional.logsigmoid(logits) - nn.functional.logsigmoid(of_whole)
        logs = logs.clamp(max=-LEAST_REST)
        return logs - torch.log(-torch.expm1(logs))

    def _diseases(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if len(self.disease_losses) not in (1, logits.shape[1]):
            raise ValueError(
                f"disease_losses must be one loss or a list of {logits.shape[1]}, one per label, "
                f"got {len(self.disease_losses)}: match the list to the head."
            )
        known = ~torch.isnan(labels)
        total = 0.0 * logits.sum()
        for column in range(logits.shape[1]):
            rows = known[:, column]
            if rows.any():
                loss = self.disease_losses[column if len(self.disease_losses) > 1 else 0]
                total = total + rows.sum() * loss(logits[rows, column, None], labels[rows, column, None])
        return total / known.sum().clamp(min=1)

    def _one_disease(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        known = ~torch.isnan(labels).any(dim=1)
        if not known.any():
            return 0.0 * logits.sum()
        return self.disease_losses[0](nn.functional.logsigmoid(logits[known]), labels[known])


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Turn exclusive logits (N, C, H, W) into log probabilities (N, 1 + C, H, W), the background first."""
    top, index = logits.max(dim=1, keepdim=True)
    # 1 - sum(p), without the rounding that 1 - p has for a p close to 1.
    others = torch.sigmoid(logits).scatter(1, index, 0.0).sum(dim=1, keepdim=True)
    background = (torch.sigmoid(-top) - others).clamp(min=LEAST_BACKGROUND).log()
    return torch.cat([background, nn.functional.logsigmoid(logits)], dim=1)
