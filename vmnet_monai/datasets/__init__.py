"""Reads datasets as MONAI datalists, one reader per dataset, and divides them by patient."""

from vmnet_monai.datasets.catalogue import READERS, inference_items, load_datalists, read_datasets
from vmnet_monai.datasets.confounding import confounded_labels, mask_confounded_labels
from vmnet_monai.datasets.image_files import find_images
from vmnet_monai.datasets.item import DatasetError, DatasetWarning, Item, repeat_items, select_items
from vmnet_monai.datasets.prevalence import prevalences
from vmnet_monai.datasets.selection import items_of_part
from vmnet_monai.datasets.split import check_disjoint, split_by_patient

__all__ = [
    "READERS",
    "DatasetError",
    "DatasetWarning",
    "Item",
    "check_disjoint",
    "confounded_labels",
    "find_images",
    "inference_items",
    "items_of_part",
    "load_datalists",
    "mask_confounded_labels",
    "prevalences",
    "read_datasets",
    "repeat_items",
    "select_items",
    "split_by_patient",
]
