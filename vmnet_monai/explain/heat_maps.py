"""Heat maps that show where in an image the evidence for each disease lies."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from monai.visualize import GradCAM, GradCAMpp, ModelWithHooks, OcclusionSensitivity

__all__ = [
    "CAMERAS",
    "DEFAULT_METHOD",
    "METHODS",
    "DiseaseView",
    "HiResCAM",
    "LayerCAM",
    "RecordedPass",
    "disease_heat_maps",
    "disease_input",
    "drawn_guide",
    "evidence_fractions",
    "recorded_pass",
    "target_layer",
]


class HiResCAM(GradCAM):
    """MONAI's Grad-CAM with the gradient of each place in place of its mean (Draelos & Carin, 2020, arXiv 2011.08891).

    Behind a layer that only an average and a linear layer follow, it is Grad-CAM; in earlier layers it shows the places
    that raised the logit, where Grad-CAM spreads each feature map's weight over all places.
    """

    def compute_map(  # type: ignore[override] # as MONAI's own GradCAM has it
        self, x: Any, class_idx: int | None = None, retain_graph: bool = False, layer_idx: int = -1, **kwargs: Any
    ) -> torch.Tensor:
        """Return ``ReLU(sum_c dy/dA_c * A_c)``, (B, 1, h, w), of the disease in column ``class_idx``."""
        _, features, gradients = self.nn_module(x, class_idx=class_idx, retain_graph=retain_graph, **kwargs)
        return self._weighted(features[layer_idx], gradients[layer_idx]).sum(1, keepdim=True).relu()

    def _weighted(self, features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        return gradients * features


class LayerCAM(HiResCAM):
    """HiResCAM of the positive gradients alone (Jiang et al., IEEE Trans. Image Process. 2021,
    doi 10.1109/TIP.2021.3089943)."""

    def _weighted(self, features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        return gradients.relu() * features


CAMERAS = {"gradcam": GradCAM, "gradcam++": GradCAMpp, "hirescam": HiResCAM, "layercam": LayerCAM}
"""Methods that use the feature maps of one layer."""

METHODS = (*CAMERAS, "occlusion")
"""Methods of heat maps."""

DEFAULT_METHOD = "layercam"
"""The method that points best for its cost, see docs/explanation/heat-maps.md."""

PATCHES_ACROSS = 7
"""The occluded patch is this part of the image's width, as wide as a cell of V-MNet's last feature map. A patch of
half that width would take four times as long."""

PATCH_OVERLAP = 0.5
"""Fraction by which neighbouring occluded patches overlap: 13 x 13 patches in all."""

OCCLUSION_BATCH = 16
"""Occluded images in one batch."""


def target_layer(network: torch.nn.Module, method: str) -> str:
    """Name the layer that heat maps of a network are made of, unless another is asked for.

    Args:
        network: may name it as ``heat_map_layer``; else it is ``classifier.features``.
        method: one of :data:`METHODS`. Grad-CAM and Grad-CAM++ were made for the last layer, ``classifier.features``.
    """
    last = "classifier.features"
    return last if method.startswith("gradcam") else getattr(network, "heat_map_layer", last)


class RecordedPass(ModelWithHooks):
    """A forward pass that was made, in the form in which MONAI's cameras ask for one.

    Attributes:
        features: (B, C, h, w) float32, the target layer's feature maps, where the gradient begins; None before.
        logits: (B, K) float32, the disease logits made of them; None before.
    """

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity(), target_layer_names=())
        self.features: torch.Tensor | None = None
        self.logits: torch.Tensor | None = None

    def __call__(
        self, x: torch.Tensor | None, class_idx: int | None = None, retain_graph: bool = True, **kwargs: Any
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Return the logits, the feature maps, and the gradients of the logits (B,) of one disease to these.

        Args:
            x: not used.
            class_idx: column of the disease.
            retain_graph: not used; the next disease needs the graph too.
            **kwargs: not used.
        """
        if self.features is None or self.logits is None:
            raise ValueError("no forward pass was recorded: run the network inside recorded_pass.")
        # Of four dimensions, as Grad-CAM++ multiplies gradients (B, C, h, w) by it.
        self.score = self.logits[:, class_idx, None, None, None]
        (gradients,) = torch.autograd.grad(self.score.sum(), self.features, retain_graph=True, allow_unused=True)
        if gradients is None:
            raise ValueError("the disease logits must depend on the target layer, and do not: choose another layer.")
        return self.logits, (self.features.detach(),), (gradients,)

    def evidence(self, method: str, columns: Sequence[int] | None = None) -> torch.Tensor:
        """Make the class activation maps of diseases, before they are scaled to the image.

        Args:
            method: one of :data:`CAMERAS`.
            columns: of the diseases in the logits; None for all.

        Returns:
            (B, K, h, w) float32, not negative, without a graph.
        """
        if columns is None:
            columns = range(0 if self.logits is None else self.logits.shape[1])
        camera = CAMERAS[method](self, target_layers="")  # type: ignore[arg-type] # MONAI's annotation lacks its own hooks
        with torch.enable_grad():  # for the score; the caller may have switched gradients off
            return torch.cat([camera.compute_map(None, class_idx=column).detach() for column in columns], dim=1)


@contextmanager
def recorded_pass(network: torch.nn.Module, target_layer: str) -> Iterator[RecordedPass]:
    """Record the first forward pass that this thread makes with a network, without gradients before the target layer.

    A layer that the pass runs several times, such as for a smaller image that the disease head reads, counts the last
    time. What the network returns has no graph.

    Args:
        network: a network that returns a dictionary of logits, with ``disease`` (B, K).
        target_layer: name of the layer in the network.

    Yields:
        The pass, empty before it was made.
    """
    record = RecordedPass()
    thread = threading.get_ident()

    def begin(layer: torch.nn.Module, inputs: Any, maps: torch.Tensor) -> torch.Tensor | None:
        if record.logits is not None or threading.get_ident() != thread:
            return None
        torch.set_grad_enabled(True)
        record.features = maps.detach().float().requires_grad_()
        return record.features.to(maps.dtype)

    def end(network: torch.nn.Module, inputs: Any, logits: dict[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
        if record.logits is not None or threading.get_ident() != thread:
            return None
        record.logits = logits["disease"].float() if "disease" in logits else None
        torch.set_grad_enabled(False)
        return {name: values.detach() for name, values in logits.items()}

    with torch.no_grad():
        hooks = [network.get_submodule(target_layer).register_forward_hook(begin), network.register_forward_hook(end)]
        try:
            yield record
        finally:
            for hook in hooks:
                hook.remove()


class DiseaseView(torch.nn.Module):
    """Wraps a network of two heads so that it returns the disease logits alone, as MONAI's methods need.

    Args:
        network: a network that returns a dictionary with ``disease`` (B, K).
        background: (1, 3, H, W), added to every input.
        guide: (1, S, H', W'), what guides the disease head of a network that takes it so, the same for every input.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        background: torch.Tensor | None = None,
        guide: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.background = background
        self.guide = guide

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the disease logits (B, K) of images (B, 3, H, W)."""
        image = image if self.background is None else image + self.background
        arguments = {} if self.guide is None else {"guide": self.guide.expand(len(image), -1, -1, -1)}
        logits: torch.Tensor = self.network(image, **arguments)["disease"]
        return logits


def disease_heat_maps(
    network: torch.nn.Module,
    image: torch.Tensor,
    diseases: Mapping[str, int] | Sequence[str],
    target_layer: str = "classifier.features",
    method: str = DEFAULT_METHOD,
    field_of_view: torch.Tensor | None = None,
    guide: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Find where the evidence for each disease lies in one image.

    - ``"gradcam"``: ``ReLU(sum_c w_c A_c)`` with ``w_c`` the mean gradient of the disease's logit with respect to
      feature map ``A_c`` of the target layer (Selvaraju et al., ICCV 2017, doi 10.1109/ICCV.2017.74), by
      :class:`monai.visualize.GradCAM`.
    - ``"gradcam++"``: the same sum with weights from the positive gradients alone, so that evidence
      against the disease does not count (Chattopadhyay et al., WACV 2018, doi 10.1109/WACV.2018.00097), by
      :class:`monai.visualize.GradCAMpp`.
    - ``"hirescam"``, ``"layercam"``: the feature maps weighted place by place, by the gradient or by its positive part,
      see :class:`HiResCAM` and :class:`LayerCAM`; for layers before the last.
    - ``"occlusion"``: ``ReLU(f(x) - f(x without the patch))`` with ``f`` the disease's logit, averaged over the patches
      that cover a pixel (Zeiler & Fergus, ECCV 2014, doi 10.1007/978-3-319-10590-1_53), by
      :class:`monai.visualize.OcclusionSensitivity`. A patch fades into the mean colour of the field of view.

    Each map is divided by its own maximum inside the field of view, so that maps show places, not strengths; a map
    without positive evidence is zero. The network is given the image at the size that its disease head reads. Maps of
    structures that guide the head stay those of the whole image.

    Args:
        network: the network, in evaluation mode.
        image: (1, 3, S, S) float32.
        diseases: column of each disease in the logits, or their names in the order of the columns.
        target_layer: name of the layer in the network; not used by ``"occlusion"``.
        method: one of :data:`METHODS`.
        field_of_view: (1, S, S), non-zero inside, where the map is zero outside; None leaves the whole image.
        guide: :func:`drawn_guide` of the whole image, where it was drawn before; ``image`` may then be what the disease
            head reads, see :func:`disease_input`.

    Returns:
        disease -> (1, S, S) float32 in [0, 1].

    Raises:
        ValueError: if the method is unknown, or the network has no such layer.

    Example:
        >>> from vmnet_monai.networks import VMNet
        >>> network = VMNet(["normal", "amd"], features=(8, 12, 16), guided_levels=2).eval()
        >>> maps = disease_heat_maps(network, torch.rand(1, 3, 32, 32), ["normal", "amd"])
        >>> {disease: tuple(heat.shape) for disease, heat in maps.items()}
        {'normal': (1, 32, 32), 'amd': (1, 32, 32)}
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}.")
    if method in CAMERAS and target_layer not in dict(network.named_modules(remove_duplicate=False)):
        raise ValueError(
            f"target_layer must name a layer of the network, got {target_layer!r}: choose one of "
            f"{', '.join(name for name, _ in network.named_children())} or a layer inside them."
        )
    columns = diseases if isinstance(diseases, Mapping) else {name: index for index, name in enumerate(diseases)}
    if not columns:
        return {}
    inside = torch.ones_like(image[0, :1]) if field_of_view is None else (field_of_view > 0).to(image)
    reduced = disease_input(network, image)
    guide = drawn_guide(network, image) if guide is None else guide
    if method == "occlusion":
        evidence = _occlusion(network, reduced, disease_input(network, inside[None]), list(columns.values()), guide)
    else:
        with recorded_pass(network, target_layer) as record:
            DiseaseView(network, guide=guide)(reduced)
        evidence = record.evidence(method, list(columns.values()))[0]
    return dict(zip(columns, evidence_fractions(evidence, inside), strict=True))


def evidence_fractions(evidence: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Scale maps of evidence to the image, and divide each by its own maximum inside the field of view.

    Cells are interpolated by cubic polynomials, so that their corners are not seen.

    Args:
        evidence: (K, h, w) float32; what is negative counts as 0.
        inside: (1, S, S), 1 inside the field of view, 0 outside.

    Returns:
        (K, 1, S, S) float32 in [0, 1], 0 outside; all 0 where there is no evidence.
    """
    heat_maps = torch.nn.functional.interpolate(evidence[:, None], inside.shape[1:], mode="bicubic").relu() * inside
    maxima = heat_maps.amax(dim=(1, 2, 3), keepdim=True).clamp(min=torch.finfo(heat_maps.dtype).tiny)
    return heat_maps / maxima


def disease_input(network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Bring images (B, C, H, W) to the size that the network's disease head reads."""
    reduce: Callable[[torch.Tensor], torch.Tensor] | None = getattr(network, "disease_input", None)
    return image if reduce is None else reduce(image)


def drawn_guide(network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor | None:
    """Draw what guides the disease head, (B, S, H, W) of whole images (B, 3, H, W); None where it reads these alone."""
    draw: Callable[[torch.Tensor], torch.Tensor] | None = getattr(network, "draw", None)
    if draw is None:
        return None
    with torch.no_grad():
        return draw(image)


def _occlusion(
    network: torch.nn.Module,
    image: torch.Tensor,
    inside: torch.Tensor,
    columns: Sequence[int],
    guide: torch.Tensor | None,
) -> torch.Tensor:
    """How far each of K logits falls where the image is hidden, (K, H, W)."""
    # MONAI fades a patch into zero. As a difference to the mean colour the patch fades into that; no retina is black.
    mean = (image * inside).sum(dim=(2, 3), keepdim=True) / inside.sum().clamp(min=1)
    background = mean * inside
    view = DiseaseView(network, background, guide).eval()
    occlusion = OcclusionSensitivity(
        nn_module=view,
        mask_size=max(1, image.shape[-1] // PATCHES_ACROSS),
        n_batch=OCCLUSION_BATCH,
        overlap=PATCH_OVERLAP,
        activate=False,  # a softmax would mix the diseases
        verbose=False,
    )
    difference = image - background
    with torch.no_grad(), warnings.catch_warnings():
        # MONAI indexes with a list where PyTorch wants a tuple; the results are the same up to PyTorch 2.13 at least.
        warnings.filterwarnings("ignore", message="Using a non-tuple sequence")
        fall = view(difference)[0, :, None, None] - torch.as_tensor(occlusion(difference)[0])[0]
    return fall[columns]
