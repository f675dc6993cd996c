"""Small pieces that MONAI's engines need for a network with two heads."""

from __future__ import annotations

from vmnet_monai.engines.collector import PhotographRecord, PredictionCollector
from vmnet_monai.engines.forward import (
    PhotographInferer,
    PrepareVesselDiseaseBatch,
    disease_pairs,
    mixed_precision_pays,
    structure_pairs,
)
from vmnet_monai.engines.model_selection import BestModelSaver, MeanScore, WithinSourceAUC, latest_checkpoint
from vmnet_monai.engines.prediction_writer import PredictionWriter, ValidationPictures
from vmnet_monai.engines.processes import EpochSeed, end_process, own_part
from vmnet_monai.engines.sampler import MixedSampler
from vmnet_monai.engines.score_writer import ScoreWriter
from vmnet_monai.engines.tracking import LossProgressBar, RunTracker, unique_run_name, write_executed_config
from vmnet_monai.engines.usable import GuardedIteration, UsableBatches

__all__ = [
    "BestModelSaver",
    "EpochSeed",
    "GuardedIteration",
    "LossProgressBar",
    "MeanScore",
    "MixedSampler",
    "PhotographInferer",
    "PhotographRecord",
    "PredictionCollector",
    "PredictionWriter",
    "PrepareVesselDiseaseBatch",
    "RunTracker",
    "ScoreWriter",
    "UsableBatches",
    "ValidationPictures",
    "WithinSourceAUC",
    "disease_pairs",
    "end_process",
    "latest_checkpoint",
    "mixed_precision_pays",
    "own_part",
    "structure_pairs",
    "unique_run_name",
    "write_executed_config",
]
