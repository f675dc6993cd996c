"""Ignite handlers, an inferer and a sampler by which MONAI's engines train a network of several tasks."""

from __future__ import annotations

from vmnet_monai.handlers.checkpoints import attach_checkpoints, latest_checkpoint, training_summary
from vmnet_monai.handlers.collector import PredictionCollector
from vmnet_monai.handlers.distributed import (
    EpochSeed,
    distributed_network,
    end_process,
    local_device,
    partition_for_process,
    start_process,
)
from vmnet_monai.handlers.model_selection import (
    BestDice,
    BestModelSaver,
    LowestLoss,
    MeanScore,
    WithinSourceAUC,
    is_better,
    pooled_auc_metrics,
)
from vmnet_monai.handlers.multi_task import (
    MultiTaskInferer,
    PrepareMultiTaskBatch,
    bfloat16_is_fast,
    disease_pairs,
    structure_pairs,
)
from vmnet_monai.handlers.sampler import MixedSampler
from vmnet_monai.handlers.score_writer import ScoreWriter
from vmnet_monai.handlers.tracking import (
    LossProgressBar,
    RunTracker,
    count_parameters,
    is_untracked,
    tracking_uri,
    unique_run_name,
)
from vmnet_monai.handlers.validation_images import ValidationImages

__all__ = [
    "BestDice",
    "BestModelSaver",
    "EpochSeed",
    "LossProgressBar",
    "LowestLoss",
    "MeanScore",
    "MixedSampler",
    "MultiTaskInferer",
    "PredictionCollector",
    "PrepareMultiTaskBatch",
    "RunTracker",
    "ScoreWriter",
    "ValidationImages",
    "WithinSourceAUC",
    "attach_checkpoints",
    "bfloat16_is_fast",
    "count_parameters",
    "disease_pairs",
    "distributed_network",
    "end_process",
    "is_better",
    "is_untracked",
    "latest_checkpoint",
    "local_device",
    "partition_for_process",
    "pooled_auc_metrics",
    "start_process",
    "structure_pairs",
    "tracking_uri",
    "training_summary",
    "unique_run_name",
]
