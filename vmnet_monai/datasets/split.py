"""Training, validation and test parts: official where they exist, else drawn by patient and stratified."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence

from vmnet_monai.datasets.item import DatasetError, DatasetWarning, Item

PARTS = ("train", "val", "test")

VAL_FRACTION = 0.15
"""Fraction of the training patients that become the validation part where none is given."""

TEST_FRACTION = 0.2
"""Fraction of all patients that become the test part where no split is given."""


def split_by_patient(
    items: Sequence[Item],
    split_seed: int = 0,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
) -> dict[str, list[Item]]:
    """Divide items into train, val and test so that no patient is in two of them.

    Official parts (``item["split"]``) are kept. Where a dataset has official parts but no val, val is taken out of its
    train patients; where it has none, all three are drawn. Each dataset is drawn on its own (and so is each combination
    of datasets that have patients in common), so that adding a dataset does not move another one's patients. The draw
    is stratified: patients are ordered by the columns of ``disease`` present in them, then by a hash of seed and name,
    and every n-th is taken, which also spreads labels too rare for a stratum of their own. Counts are rounded up, so a
    small dataset keeps at least one validation patient (two patients are needed for val, three for test).

    Args:
        items: items of all datasets together.
        split_seed: another seed draws other patients.
        val_fraction: fraction of the drawn patients that becomes ``val``.
        test_fraction: fraction of the patients without official parts that becomes ``test``.

    Returns:
        ``train``, ``val`` and ``test``, each sorted by id, the items without their key ``split``.

    Raises:
        ValueError: when a fraction is negative or the two sum to 1 or more.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise ValueError(
            "val_fraction and test_fraction must not be negative and must sum to less than 1, got "
            f"{val_fraction} and {test_fraction}; leave patients to train on."
        )
    items = _resolve_official_parts(items)
    has_official_val = {item["dataset"] for item in items if item.get("split") == "val"}
    by_patient: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_patient[item["patient"]].append(item)

    part_of: dict[str, str] = {}
    to_draw: dict[tuple[str, ...], list[str]] = defaultdict(list)
    to_carve: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient, own in by_patient.items():
        datasets = tuple(sorted({item["dataset"] for item in own}))
        official = next((item["split"] for item in own if "split" in item), None)
        if official is None:
            to_draw[datasets].append(patient)
        elif official == "train" and has_official_val.isdisjoint(datasets):
            to_carve[datasets].append(patient)
        else:
            part_of[patient] = official

    strata = {patient: _present(own) for patient, own in by_patient.items()}
    for pools, fraction in ((to_draw, test_fraction), (to_carve, 0.0)):
        for patients in pools.values():
            ordered = sorted(patients, key=lambda patient: (strata[patient], _hash(split_seed, patient)))
            part_of.update(draw_parts(ordered, val_fraction, fraction))

    datalists: dict[str, list[Item]] = {part: [] for part in PARTS}
    for item in sorted(items, key=lambda item: item["id"]):
        # Batches are collated by key: none that only some items have.
        datalists[part_of[item["patient"]]].append({key: value for key, value in item.items() if key != "split"})
    check_disjoint(datalists)
    return datalists


def check_disjoint(datalists: Mapping[str, Sequence[Item]]) -> None:
    """Check that no patient is in two parts.

    Raises:
        DatasetError: when one is; the message names up to three of them.
    """
    part_of: dict[str, str] = {}
    in_two = []
    for part, items in datalists.items():
        for patient in sorted({item["patient"] for item in items}):
            if part_of.setdefault(patient, part) != part:
                in_two.append(f"{patient} ({part_of[patient]}, {part})")
    if in_two:
        raise DatasetError(
            f"A patient must be in one part only, {len(in_two)} are in two: {', '.join(in_two[:3])}; "
            "move all items of a patient to one part."
        )


def _resolve_official_parts(items: Sequence[Item]) -> list[Item]:
    """Keep a patient who is in several official parts in one of them: test before val before train."""
    official: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if "split" in item:
            official[item["patient"]].add(item["split"])
    keep = {patient: max(parts, key=PARTS.index) for patient, parts in official.items()}
    kept = [item for item in items if "split" not in item or item["split"] == keep[item["patient"]]]
    if len(kept) < len(items):
        several = sorted(patient for patient, parts in official.items() if len(parts) > 1)
        warnings.warn(
            f"patients in two official parts ({len(several)}), first {several[0]}: they stay in test, or else in val, "
            f"and their items in the other parts ({len(items) - len(kept)}) are left out.",
            DatasetWarning,
            stacklevel=3,
        )
    return kept


def _present(items: Sequence[Item]) -> tuple[int, ...]:
    """Columns of the diseases that any of a patient's photographs shows."""
    return tuple(sorted({k for item in items for k, value in enumerate(item["disease"]) if value == 1.0}))


def _hash(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()


def draw_parts(ordered: Sequence[str], val_fraction: float, test_fraction: float) -> dict[str, str]:
    """Take val and test evenly spaced out of patients ordered by stratum; the rest is train.

    Args:
        ordered: at least one patient, those of a stratum beside each other.
        val_fraction: fraction that becomes ``val``, rounded up.
        test_fraction: fraction that becomes ``test``, rounded up.

    Returns:
        The part of each patient.

    Example:
        >>> draw_parts(["a", "b", "c", "d", "e"], 0.2, 0.2)
        {'a': 'train', 'b': 'val', 'c': 'train', 'd': 'test', 'e': 'train'}
    """
    count = len(ordered)
    n_val = min(_round_up(val_fraction * count), count - 1)
    n_test = min(_round_up(test_fraction * count), count - 1 - n_val)
    held_out = [ordered[k] for k in _evenly_spaced(n_val + n_test, count)]
    tested = {held_out[k] for k in _evenly_spaced(n_test, len(held_out))}
    parts = dict.fromkeys(ordered, "train") | dict.fromkeys(held_out, "val")
    return parts | dict.fromkeys(sorted(tested), "test")


def _round_up(value: float) -> int:
    # 0.15 * 20 must be 3, whatever its last binary digit.
    return math.ceil(round(value, 9))


def _evenly_spaced(count: int, length: int) -> list[int]:
    return [(2 * k + 1) * length // (2 * count) for k in range(count)]
