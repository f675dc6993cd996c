"""Fits the model that tells fundus photographs from other images.

    python -m vmnet_monai.quality.fit --fundus PATH... --other PATH... [--start FILE] --output FILE

Each PATH is an image, or a folder whose images are taken. The file written is a ``model_file`` of
:class:`~vmnet_monai.quality.CheckFundusImaged`. With ``--start`` a model is refitted: it keeps what it learned from its
own images as far as the new ones do not speak against it.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import SplineTransformer

from vmnet_monai.errors import ImageError
from vmnet_monai.io.images import read_image
from vmnet_monai.quality.check import check_size_and_contrast
from vmnet_monai.quality.features import image_features
from vmnet_monai.quality.model import Curve, FundusModel
from vmnet_monai.quality.square import WORKING_SIZE_PX, WorkingSquare
from vmnet_monai.transforms.field_of_view import CropToFieldOfViewd, FieldOfViewBox, FieldOfViewd

__all__ = ["FundusFit", "fit_fundus_model", "measure_images"]

KNOT_QUANTILES = (0.0, 0.02, 0.15, 0.85, 0.98, 1.0)
"""Quantiles of a feature at which its curve may bend; it also bends at the median of fundus photographs."""

PENALTY = 1.0
"""Weight of the ridge penalty, half the sum of the squared differences between neighbouring bends, in the negative log
likelihood."""

START_PENALTY = 4.0
"""The same for differences from the model that a fit starts from: it was fitted to more images than are given."""

FOLDS = 5
"""Folds of the cross-validation."""

MIN_IMAGES = 10
"""Least number of images of either kind: two in each fold."""

REFUSED_FRACTION = 0.001
"""Fraction of fundus photographs that the limit refuses: a photograph refused costs more than another image that
passes."""

logger = logging.getLogger(__name__)


class FundusFit(NamedTuple):
    """A fitted model, and how it judges images that were held out from its fit by cross-validation."""

    model: FundusModel
    auc: float
    """Area under the ROC curve of the held-out log odds."""
    refused: float
    """Fraction of the held-out fundus photographs below the limit, which was set on them."""
    accepted: float
    """Fraction of the other held-out images that reach the limit."""


def measure_images(paths: Iterable[str | Path]) -> list[dict[str, float]]:
    """Measure the features of images, as the check does before prediction.

    Args:
        paths: images, and folders whose files are taken. Files that cannot be read or show no field of view, which
            the model never judges, are left out and logged with the reason.

    Returns:
        Per image :func:`~vmnet_monai.quality.features.image_features`.

    Raises:
        FileNotFoundError: if there is no such path.
    """
    return [image_features(square) for file in _files(paths) if (square := _square(file)) is not None]


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}: name images, or folders of images.")
        yield from sorted(path.iterdir()) if path.is_dir() else [path]


def _square(file: Path) -> WorkingSquare | None:
    """The image on the working square, None where something else than the model refuses it."""
    try:
        item = FieldOfViewd()({"image": torch.from_numpy(np.moveaxis(read_image(file), -1, 0).copy())})
        item = CropToFieldOfViewd(("image", "fov"), size_px=2 * WORKING_SIZE_PX)(item)
        square = WorkingSquare.of(item["image"], item["fov"])
        check_size_and_contrast(square, FieldOfViewBox(*item["fov_box"].tolist()).side_px)
    except ImageError as error:
        logger.warning("left out: %s: %s", file, error)
        return None
    return square


def fit_fundus_model(
    fundus: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]], start: FundusModel | None = None
) -> FundusFit:
    """Fit a generalised additive logistic model, and choose its limit by cross-validation.

    Each curve is a spline of degree 1 with a ridge penalty on the differences between neighbouring bends (P-splines:
    Eilers & Marx, Stat Sci 1996, doi:10.1214/ss/1038425655). Both kinds of images weigh the same, whatever their
    numbers: the odds are those of a source with as many fundus photographs as other images. NaN counts as the median
    of fundus photographs, which adds 0. A feature that never varies, or that no fundus photograph has, gets no curve.

    The limit is such that :data:`REFUSED_FRACTION` of the fundus photographs are refused by models that were fitted to
    the others, in :data:`FOLDS` folds.

    Args:
        fundus: features of fundus photographs, from :func:`measure_images`.
        other: features of other images.
        start: a model to refit. Its curves bend where they did, and the penalty is on their change
            (:data:`START_PENALTY`); features that it has no curve of get one.

    Raises:
        ValueError: if there are fewer than :data:`MIN_IMAGES` of either.
    """
    if min(len(fundus), len(other)) < MIN_IMAGES:
        raise ValueError(
            f"a fit needs at least {MIN_IMAGES} fundus photographs and as many other images that show a field of view, "
            f"got {len(fundus)} and {len(other)}: give more."
        )
    table = pd.DataFrame([*fundus, *other])
    is_fundus = np.arange(len(table)) < len(fundus)
    held_out = np.empty(len(table))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(table, is_fundus):
        model = _fit(table.iloc[train], is_fundus[train], start)
        held_out[test] = [model.log_odds(row) for row in table.iloc[test].to_dict("records")]
    limit = round(float(np.quantile(held_out[is_fundus], REFUSED_FRACTION)), 2)
    return FundusFit(
        model=replace(_fit(table, is_fundus, start), min_log_odds=limit),
        auc=float(roc_auc_score(is_fundus, held_out)),
        refused=float((held_out[is_fundus] < limit).mean()),
        accepted=float((held_out[~is_fundus] >= limit).mean()),
    )


def _fit(table: pd.DataFrame, is_fundus: NDArray[np.bool_], start: FundusModel | None) -> FundusModel:
    """The model of a table, a row per image and a column per feature; its limit is even odds."""
    known = {} if start is None else start.curves
    bends, columns, starts, penalties = {}, [], [], []
    medians = table[is_fundus].median().round(4).dropna().to_dict()
    for name, median in medians.items():
        values = table[name].fillna(median).to_numpy()
        curve = known.get(str(name))
        knots = np.unique(np.round([*np.quantile(values, KNOT_QUANTILES), median], 4))
        if curve is not None:
            knots = np.array(curve.values)
        if len(knots) > 1:
            spline = SplineTransformer(degree=1, knots=knots[:, np.newaxis], extrapolation="constant")
            hats = spline.fit_transform(values[:, np.newaxis])
            # The weight of such a sum is the difference of the curve between two neighbouring bends.
            columns.append(hats[:, :0:-1].cumsum(axis=1)[:, ::-1])
            starts.append(np.zeros(len(knots) - 1) if curve is None else np.diff(curve.log_odds))
            penalties.append(np.full(len(knots) - 1, PENALTY if curve is None else START_PENALTY))
            bends[str(name)] = knots
    intercept, differences = _logistic_regression(
        np.hstack(columns), is_fundus, np.concatenate(starts), np.concatenate(penalties)
    )
    curves, weights = {}, iter(differences)
    for name, knots in bends.items():
        rises = np.array([0.0, *itertools.islice(weights, len(knots) - 1)]).cumsum()
        at_median = float(np.interp(medians[name], knots, rises))
        intercept += at_median
        curves[name] = Curve(tuple(knots.tolist()), tuple(np.round(rises - at_median, 4).tolist()))
    return FundusModel(round(intercept, 4), 0.0, curves)


def _logistic_regression(
    design: NDArray[np.floating],
    positive: NDArray[np.bool_],
    start: NDArray[np.floating],
    penalty: NDArray[np.floating],
) -> tuple[float, NDArray[np.floating]]:
    """Intercept and weights of least negative log likelihood plus penalty; both classes weigh the same.

    As scikit-learn's with ``class_weight="balanced"``, whose penalty is always on the distance of the weights from 0.
    """
    signs = np.where(positive, 1.0, -1.0)
    importance = len(positive) / (2 * np.where(positive, positive.sum(), (~positive).sum()))

    def objective(parameters: NDArray[np.floating]) -> tuple[float, NDArray[np.floating]]:
        margins = signs * (parameters[0] + design @ parameters[1:])
        away = parameters[1:] - start
        slopes = -importance * signs * expit(-margins)
        loss = importance @ np.logaddexp(0, -margins) + penalty @ away**2 / 2
        return float(loss), np.array([slopes.sum(), *(design.T @ slopes + penalty * away)])

    found = minimize(objective, np.array([0.0, *start]), jac=True, method="L-BFGS-B", options={"maxiter": 5000})
    return float(found.x[0]), found.x[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the module's docstring shows; prints how the model judges held-out images."""
    parser = argparse.ArgumentParser(
        prog="python -m vmnet_monai.quality.fit", description="Fit the fundus image check."
    )
    parser.add_argument("--fundus", nargs="+", required=True, metavar="PATH", help="fundus photographs, or folders")
    parser.add_argument("--other", nargs="+", required=True, metavar="PATH", help="other images, or folders")
    parser.add_argument("--start", metavar="FILE", help="a model to refit; without it, the fit starts from nothing")
    parser.add_argument("--output", required=True, metavar="FILE", help="the model, as JSON")
    given = parser.parse_args(arguments)
    try:
        start = None if given.start is None else FundusModel.load(given.start)
        fundus, other = measure_images(given.fundus), measure_images(given.other)
        fit = fit_fundus_model(fundus, other, start)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    fit.model.save(given.output)
    print(
        f"{len(fundus)} fundus photographs, {len(other)} other images. Held out: AUC {fit.auc:.3f}, "
        f"{fit.refused:.1%} of the photographs refused, {fit.accepted:.1%} of the others accepted at log odds of "
        f"{fit.model.min_log_odds}. Written: {given.output}"
    )


if __name__ == "__main__":
    main()
