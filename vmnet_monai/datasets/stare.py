"""Reader for STARE: 20 photographs with vessels, without field of view or disease labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item, mask_of
from vmnet_monai.datasets.names import slug

NAME = "stare"


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read STARE in its official layout; it has no official split.

    Hoover et al., IEEE TMI 2000, doi:10.1109/42.845178. The vessels are those of the first observer (labels-ah).

    Raises:
        DatasetError: when a folder or a vessel mask is missing, or files are still compressed.
    """
    root = existing_dir(dataset_dir)
    labels_dir = root / "labels-ah"
    vessels = _unzipped_images(labels_dir)
    return [
        make_item(
            reader=NAME,
            name=slug(stem),
            image=image,
            labels={},
            diseases=diseases,
            vessel=mask_of(image, vessels, f"{stem}.ah", labels_dir),
        )
        for stem, image in _unzipped_images(root / "stare-images").items()
    ]


def _unzipped_images(directory: Path) -> dict[str, Path]:
    zipped = [path for path in sorted(existing_dir(directory).glob("*.gz")) if not path.with_suffix("").exists()]
    if zipped:
        raise DatasetError(
            f"Images must be unpacked, {zipped[0]} and {len(zipped) - 1} more are not; run `gunzip {directory}/*.gz`."
        )
    return image_files(directory)
