"""What is on disk, as MONAI datalists: one reader per dataset, found by name, divided by patient."""

from vmnet_monai.datasets.catalogue import READERS, load_datalists, read_datasets
from vmnet_monai.datasets.confounding import forget_confounded_labels
from vmnet_monai.datasets.item import DatasetError, DatasetWarning, Item
from vmnet_monai.datasets.photographs import find_photographs
from vmnet_monai.datasets.prevalence import prevalences
from vmnet_monai.datasets.split import check_disjoint, split_by_patient

__all__ = [
    "READERS",
    "DatasetError",
    "DatasetWarning",
    "Item",
    "check_disjoint",
    "find_photographs",
    "forget_confounded_labels",
    "load_datalists",
    "prevalences",
    "read_datasets",
    "split_by_patient",
]
