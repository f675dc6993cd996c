"""Networks that map images to a dictionary of logits: one map per structure, and the diseases."""

from __future__ import annotations

from vmnet_monai.networks.encoders import EfficientNetLite, Encoder, UNetEncoder
from vmnet_monai.networks.fine_vmnet import FineVMNet, ResidualClassifier
from vmnet_monai.networks.guidance import GUIDANCE_MODES, GuideEncoder, MapGuidance, VesselGuidance
from vmnet_monai.networks.resformer import ResFormer
from vmnet_monai.networks.single_task import TASKS, OneHead, SingleTask, SlidingWindows
from vmnet_monai.networks.venet import VENet
from vmnet_monai.networks.vmnet import ClassificationDecoder, VMNet
from vmnet_monai.networks.weights import load_weights

__all__ = [
    "GUIDANCE_MODES",
    "TASKS",
    "ClassificationDecoder",
    "EfficientNetLite",
    "Encoder",
    "FineVMNet",
    "GuideEncoder",
    "MapGuidance",
    "OneHead",
    "ResFormer",
    "ResidualClassifier",
    "SingleTask",
    "SlidingWindows",
    "UNetEncoder",
    "VENet",
    "VMNet",
    "VesselGuidance",
    "load_weights",
]
