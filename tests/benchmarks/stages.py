"""What each stage of ``vmnet predict`` costs for photographs of several sizes, and its peak memory, on the CPU.

    python tests/benchmarks/stages.py [--megapixels 0.5,2,12,60] [--bundle DIR]

Each size is measured in a process of its own, on scikit-image's retina scaled to a square of that many pixels and
stored as JPEG, with the default settings but without other processes. The costs are CPU time, all threads together, of
the second of two runs, the first of which was of the smallest photograph. They are told in passes of the W-Net
(:class:`units.WNet`, vessels only, 512 x 512), their sum also in operations at the machine's matrix rate
(:func:`units.matrix_rate`); both are measured in the same process, so that the ratios hold on other machines, and
roughly on busy ones. For Linux.
"""

from __future__ import annotations

import functools
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from pydoc import locate
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import fire
import skimage.data
import torch
from PIL import Image
from units import REFERENCE_SIZE, WNet, cpu_seconds, matrix_rate

from vmnet_monai.inference.run import predict_folder
from vmnet_monai.metrics.comparison import markdown_table

STAGES: Mapping[str, Sequence[str]] = {
    "read": (
        "vmnet_monai.io.images.FundusImageReader.read",
        "vmnet_monai.io.images.FundusImageReader.get_data",
        "vmnet_monai.io.images.read_image",
        "vmnet_monai.transforms.photograph.KeepPhotographd.__call__",
    ),
    "check and field of view": (
        "vmnet_monai.transforms.FieldOfViewd.__call__",
        "vmnet_monai.transforms.CropToFieldOfViewd.__call__",
        "vmnet_monai.quality.CheckFundusImaged.__call__",
    ),
    "network": ("vmnet_monai.explain.Explainer.infer",),
    "maps put back on the photograph": (
        "vmnet_monai.transforms.RestoreToImaged.__call__",
        "vmnet_monai.transforms.restore_from_box",
    ),
    "heat maps": (
        "vmnet_monai.explain.heat_maps.RecordedPass.evidence",
        "vmnet_monai.explain.Explainer.heat_maps",
        "vmnet_monai.explain.draw_heat_map",
    ),
    "measures": (
        "vmnet_monai.biomarkers.vessel_measures",
        "vmnet_monai.biomarkers.photograph.measure_on_grid",
        "vmnet_monai.biomarkers.photograph.MeasuringGrid.scaled",
    ),
    "PNG writing": ("vmnet_monai.io.files.write_png",),
    "report": ("vmnet_monai.reports.html.write_page", "vmnet_monai.reports.html.write_index"),
}
"""Stage -> public functions whose time counts for it, less that of functions of other stages that they call."""

REST = "loading the bundle, tables, the rest"
OTHER_PROCESSES = "other processes"

PHOTOGRAPH_QUALITY = 95
"""JPEG quality of the photographs."""


@contextmanager
def stage_seconds() -> Iterator[Counter[str]]:
    """Share the CPU time of this process out among the stages, as long as the context lasts.

    Yields:
        Stage -> seconds, complete when the context ends.

    Raises:
        ValueError: if there is no such function as :data:`STAGES` names.
    """
    seconds: Counter[str] = Counter()
    running, since = [REST], [time.process_time()]

    def switch() -> None:
        now = time.process_time()
        seconds[running[-1]] += now - since[0]
        since[0] = now

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            switch()
            running.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                switch()
                running.pop()

        return call

    with ExitStack() as patches:
        for stage, names in STAGES.items():
            for name in names:
                for owner, attribute, function in _places(name):
                    patches.enter_context(mock.patch.object(owner, attribute, timed(stage, function)))
        yield seconds
        switch()


def _places(name: str) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Where a method, or a function under any module's name for it, is looked up: owner, attribute, itself."""
    function: Any = locate(name)
    if function is None:
        raise ValueError(f"there is no {name}: name what does its work now in STAGES.")
    parent, _, attribute = name.rpartition(".")
    owner = locate(parent)
    if isinstance(owner, type):
        return [(owner, attribute, function)]
    modules = [module for key, module in list(sys.modules.items()) if key.partition(".")[0] == "vmnet_monai"]
    return [
        (module, key, function) for module in modules for key in list(vars(module)) if vars(module)[key] is function
    ]


def write_photograph(path: Path, megapixels: float) -> None:
    """Write the retina, scaled to a square of that many pixels, as JPEG."""
    side_px = round((megapixels * 1e6) ** 0.5)
    retina = Image.fromarray(skimage.data.retina())
    retina.resize((side_px, side_px), Image.Resampling.LANCZOS).save(path, quality=PHOTOGRAPH_QUALITY)


def measure(
    photograph: str,
    warm_up: str,
    bundle: str | None = None,
    threads: int = 1,
    repeats: int = 3,
    reference_size: int = REFERENCE_SIZE,
) -> dict[str, dict[str, float]]:
    """Predict a photograph in this process, after another one.

    Returns:
        ``stages``, CPU seconds of each; ``machine``, with ``peak_mb``, of this process in all, ``w_net``, CPU seconds
        of a pass, and ``rate``, matrix operations per CPU second.
    """
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        predict_folder([warm_up], Path(folder) / "warm_up", bundle, num_workers=0)
        children = _children_seconds()
        with stage_seconds() as seconds:
            predict_folder([photograph], Path(folder) / "out", bundle, num_workers=0)
    stages = {stage: seconds[stage] for stage in (*STAGES, REST)} | {OTHER_PROCESSES: _children_seconds() - children}
    machine = {"peak_mb": _peak_mb(), "rate": matrix_rate(repeats)}
    network, image = WNet().eval(), torch.rand(1, 3, reference_size, reference_size)
    with torch.inference_mode():
        machine["w_net"] = cpu_seconds({"pass": lambda: network(image)}, repeats)["pass"]
    return {"stages": stages, "machine": machine}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Peak of the resident memory; getrusage's would begin with that of the process which started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak_kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak_kib) * 1024 / 1e6


def stages(
    megapixels: Sequence[float] = (0.5, 2, 12, 60), bundle: str | None = None, threads: int = 1, repeats: int = 3
) -> str:
    """Measure all sizes, each in a process of its own.

    Args:
        megapixels: sizes of the photographs.
        bundle: folder of the bundle; the one that came with the package by default.
        threads: of PyTorch.
        repeats: times that the units of cost are measured, after one to warm up.

    Returns:
        A Markdown table, a column per size: each stage in W-Nets, their sum in W-Nets, in 10⁹ matrix operations and in
        CPU seconds, and the peak memory of the process.
    """
    sizes = [megapixels] if isinstance(megapixels, int | float) else list(megapixels)
    measured = []
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{size}.jpg" for size in sizes]
        for path, size in zip(paths, sizes, strict=True):
            write_photograph(path, size)
        warm_up = paths[sizes.index(min(sizes))]
        for path in paths:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                measured.append(process.submit(measure, str(path), str(warm_up), bundle, threads, repeats).result())
    return f"{threads} thread{'s' if threads > 1 else ''}, CPU time in W-Nets\n\n{stage_table(sizes, measured)}"


def stage_table(sizes: Sequence[float], measured: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """Return a Markdown table of what :func:`measure` returned for each size, as :func:`stages` describes it."""
    sums = [sum(one["stages"].values()) for one in measured]
    units = [one["machine"]["w_net"] for one in measured]
    rows = [
        [stage, *(f"{one['stages'][stage] / unit:.2f}" for one, unit in zip(measured, units, strict=True))]
        for stage in measured[0]["stages"]
    ]
    rows.append(["sum", *(f"{total / unit:.2f}" for total, unit in zip(sums, units, strict=True))])
    work = [total * one["machine"]["rate"] / 1e9 for total, one in zip(sums, measured, strict=True)]
    rows.append(["sum, 10⁹ matrix operations", *(f"{operations:.0f}" for operations in work)])
    rows.append(["sum, CPU s", *(f"{total:.1f}" for total in sums)])
    rows.append(["peak memory, MB", *(f"{one['machine']['peak_mb']:.0f}" for one in measured)])
    return markdown_table(["", *(f"{size:g} megapixels" for size in sizes)], rows)


if __name__ == "__main__":
    fire.Fire(stages)
