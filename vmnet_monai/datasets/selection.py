"""What the parts of a split can tell: by what weights are selected, and what an evaluation leaves out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from vmnet_monai.datasets.item import DatasetError, Item, mask_keys

__all__ = ["items_of_part", "selection_warnings"]

_NEEDED = "a part is drawn by patient, and two patients are needed for val, three for test"


def items_of_part(datalists: Mapping[str, Sequence[Item]], part: str) -> list[Item]:
    """Return the items of a part.

    Args:
        datalists: the parts ``train``, ``val`` and ``test``.
        part: one of them.

    Raises:
        DatasetError: if there is no such part, or it has no photograph.
    """
    if part not in datalists:
        raise DatasetError(f"The part must be one of {', '.join(datalists)}, got {part!r}.")
    if not datalists[part]:
        counts = ", ".join(f"{name} {len(items)}" for name, items in datalists.items())
        raise DatasetError(
            f"The part {part} must have a photograph, and has none ({counts}): add patients, or name their parts in "
            f"the column split; {_NEEDED}."
        )
    return list(datalists[part])


def selection_warnings(
    datalists: Mapping[str, Sequence[Item]], diseases: Sequence[str], structures: Sequence[str] | None = None
) -> list[str]:
    """Say what the validation part is too poor to select weights and thresholds by, and what is selected then.

    A disease counts for ``val_auc`` where one dataset has photographs with and without it. Diseases of which no part
    has any label are not named.

    Args:
        datalists: the parts ``train``, ``val`` and ``test``; the items with ``disease``, one value per disease.
        diseases: their keys.
        structures: the structures whose masks are scored; None for all.
    """
    messages = []
    for part, items in datalists.items():
        if part != "train" and not items and any(datalists.values()):
            use = "a training stops" if part == "val" else "it cannot be evaluated"
            messages.append(f"The part {part} has no photograph, so that {use}: {_NEEDED}.")
    labelled = [k for k in range(len(diseases)) if any(_known(items, k) for items in datalists.values())]
    val, test = datalists["val"], datalists["test"]
    poor = [k for k in labelled if not _has_both(val, k)]
    if val and poor:
        messages.append(
            f"In the validation part no dataset has photographs with and without {_names(diseases, poor)}: "
            f"{_selected(val, diseases, labelled, poor, structures)} A threshold that cannot be chosen stays 0.5."
        )
    elif val and not labelled and not _has_masks(val, structures):
        messages.append(f"The validation part has no masks: {_selected(val, diseases, [], [], structures)}")
    poor = [k for k in labelled if not _has_both(test, k)]
    if test and poor:
        messages.append(
            f"In the test part no dataset has photographs with and without {_names(diseases, poor)}: an evaluation "
            "leaves their AUC empty."
        )
    return messages


def _selected(
    val: Sequence[Item],
    diseases: Sequence[str],
    labelled: Sequence[int],
    poor: Sequence[int],
    structures: Sequence[str] | None,
) -> str:
    """By what the weights are selected without some diseases."""
    rich = [k for k in labelled if k not in poor]
    scores = ["the Dice of the masks"] if _has_masks(val, structures) else []
    scores += [f"the AUC of {_names(diseases, rich)}"] if rich else []
    if not scores:
        return "val_score is undefined, and the weights of the last validation are kept, not the best."
    return f"the weights are selected by {' and '.join(scores)} alone."


def _names(diseases: Sequence[str], columns: Sequence[int]) -> str:
    return ", ".join(diseases[k] for k in columns)


def _known(items: Sequence[Item], column: int) -> bool:
    return any(not math.isnan(item["disease"][column]) for item in items)


def _has_both(items: Sequence[Item], column: int) -> bool:
    """Whether a dataset has photographs with and without a disease."""
    labels: dict[str, set[float]] = defaultdict(set)
    for item in items:
        labels[item["dataset"]].add(item["disease"][column])
    return any({0.0, 1.0} <= values for values in labels.values())


def _has_masks(items: Sequence[Item], structures: Sequence[str] | None) -> bool:
    return any(key != "fov" and (structures is None or key in structures) for item in items for key in mask_keys(item))
