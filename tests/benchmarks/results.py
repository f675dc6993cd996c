r"""Makes the tables and figures of the results, of the model card too, from the files that evaluations wrote.

    python tests/benchmarks/results.py output/structures output/diseases --agreement output/agreement.csv

Each folder has the ``metrics.csv`` and ``metrics.json`` of an evaluation of the test part; no photograph may be in two.
What is shown is summarised in ``docs/reference/results.json``; without a folder, tables and figures are made anew from
that file. ``--agreement`` is what ``measure_agreement.py --output`` wrote; without it, what was there before stays.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import fire
import numpy as np
import pandas as pd
from results_figures import draw_figures
from sklearn.metrics import roc_curve

from vmnet_monai.diseases import VOCABULARY
from vmnet_monai.metrics import (
    MIN_COUNT,
    disease_scores,
    patient_bootstrap_interval,
    subgroup_scores,
)
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.metrics.disease import auc_of_rows, mean_defined

ROOT = Path(__file__).parents[2]
SUMMARY = ROOT / "docs/reference/results.json"
IMAGES = ROOT / "docs/images"
PAGES = tuple(
    ROOT / page
    for page in ("docs/reference/results.md", "docs/reference/results-commands.md", "bundles/vmnet/docs/README.md")
)
BLOCK = re.compile(r"(?<=<!-- results: )(\w+) -->\n.*?(?=<!-- end -->)", flags=re.DOTALL)

SOURCES = {
    "hrf": "HRF",
    "chasedb1": "CHASE_DB1",
    "avrdb": "AVRDB",
    "rahimdr": "RahimDR",
    "odir-5k-400": "ODIR-5K, 400 px",
    "odir-5k-256": "ODIR-5K, 256 px",
}
"""Dataset -> its name in tables, in their order; another dataset keeps its key."""

MACRO_PAIRS = (
    *(("odir-5k-400", disease) for disease in ("normal", "glaucoma", "cataract")),
    *(("odir-5k-256", disease) for disease in ("diabetic_retinopathy", "glaucoma", "amd")),
)
"""The six pairs of source and disease whose mean AUC is the macro AUC."""

STRUCTURE_SCORES = {
    "vessel_dice": "vessels, Dice",
    "vessel_auc": "vessels, AUC",
    "vessel_cldice": "vessels, clDice",
    "vessel_sensitivity": "vessels, sensitivity",
    "vessel_specificity": "vessels, specificity",
    "vessel_components_difference": "vessels, components too many",
    "vessel_calibration_error": "vessels, calibration error",
    "artery_dice": "arteries, Dice",
    "vein_dice": "veins, Dice",
    "artery_balanced_accuracy_among_parts": "artery or vein, balanced accuracy on reference pixels of one of the two",
    "disc_dice": "disc, Dice",
    "disc_centre_distance_diameters": "disc centre, distance in diameters",
    "fovea_region_centre_distance_diameters": "fovea, distance in diameters of its region",
    "fovea_region_centre_within_half_diameter": "fovea within half a diameter, fraction of the photographs",
}
"""Score of metrics.csv, inside the field of view -> its name."""

RELIABILITY_BINS = 5
"""Groups of as many photographs each, from low to high probability, in the figure of calibration."""

METADATA = ROOT / "bundles/vmnet/configs/metadata.json"
EVAL_METRICS = {
    "chasedb1_last_20_dice_inside_fov": ("structures", "chasedb1", "vessel_dice"),
    "chasedb1_last_20_auc_inside_fov": ("structures", "chasedb1", "vessel_auc"),
    "chasedb1_last_20_cldice_inside_fov": ("structures", "chasedb1", "vessel_cldice"),
    "hrf_30_half_size_dice_inside_fov": ("structures", "hrf", "vessel_dice"),
    "hrf_30_half_size_auc_inside_fov": ("structures", "hrf", "vessel_auc"),
    "hrf_30_half_size_cldice_inside_fov": ("structures", "hrf", "vessel_cldice"),
    "hrf_30_half_size_artery_dice_inside_fov": ("structures", "hrf", "artery_dice"),
    "hrf_30_half_size_vein_dice_inside_fov": ("structures", "hrf", "vein_dice"),
    "hrf_30_half_size_artery_vein_balanced_accuracy": ("structures", "hrf", "artery_balanced_accuracy_among_parts"),
    "hrf_30_half_size_disc_dice_inside_fov": ("structures", "hrf", "disc_dice"),
    "odir5k_within_source_mean_auc": ("macro", "auc"),
    "odir5k_within_source_mean_auc_interval": ("macro", "auc_interval"),
    "rahimdr_diabetic_retinopathy_auc": ("diseases", "rahimdr", "diabetic_retinopathy"),
}
"""Score in the bundle's metadata -> its path in the summary."""

DIGITS = 6

Scores = dict[str, Any]


class Aim(NamedTuple):
    """What was aimed at.

    Attributes:
        what: in words.
        target: least value, or greatest where ``at_most``.
        path: of the value in the summary.
        earlier: value of the weights up to version 0.5; None where there was none.
        at_most: whether smaller is better.
    """

    what: str
    target: float
    path: tuple[str, ...]
    earlier: float | None = None
    at_most: bool = False


AIMS = (
    Aim("CHASE_DB1, vessels, Dice", 0.815, ("structures", "chasedb1", "vessel_dice"), 0.805),
    Aim("CHASE_DB1, vessels, clDice", 0.86, ("structures", "chasedb1", "vessel_cldice"), 0.833),
    Aim("HRF, vessels, Dice", 0.81, ("structures", "hrf", "vessel_dice"), 0.795),
    Aim("CHASE_DB1, components too many", 40, ("structures", "chasedb1", "vessel_components_difference"), 73, True),
    Aim("HRF, components too many", 90, ("structures", "hrf", "vessel_components_difference"), 175, True),
    Aim(
        "HRF, arteries against veins, balanced accuracy",
        0.93,
        ("structures", "hrf", "artery_balanced_accuracy_among_parts"),
    ),
    Aim("HRF, disc, Dice", 0.93, ("structures", "hrf", "disc_dice")),
    Aim("AVRDB, disc, Dice", 0.93, ("structures", "avrdb", "disc_dice")),
    Aim("fovea within half a disc diameter of a sure mark, fraction", 0.95, ("fovea", "mean")),
    Aim("diseases, macro AUC within source, six pairs", 0.93, ("macro", "auc"), 0.860),
    Aim("RahimDR, diabetic retinopathy against none, AUC", 0.92, ("diseases", "rahimdr", "diabetic_retinopathy")),
    Aim("HRF, normal, AUC", 0.85, ("diseases", "hrf", "normal"), 0.540),
    Aim("HRF, diabetic retinopathy, AUC", 0.85, ("diseases", "hrf", "diabetic_retinopathy"), 0.845),
    Aim("HRF, glaucoma, AUC", 0.85, ("diseases", "hrf", "glaucoma"), 0.770),
    Aim("diseases, mean calibration error, six pairs", 0.05, ("macro", "calibration_error"), 0.067, True),
)


def results(*folders: str, agreement: str | None = None, samples: int = 1000, seed: int = 0) -> None:
    """Summarise evaluations, and put the tables into the pages and the figures beside them.

    Args:
        folders: output folders of evaluations; none to draw what was summarised before.
        agreement: values of measures by experts and by the network.
        samples: of the bootstrap by patient, for the 95 % intervals.
        seed: of the resamples.
    """
    before: Scores = json.loads(SUMMARY.read_text(encoding="utf-8")) if SUMMARY.is_file() else {}
    summary = summarise(folders, samples, seed) if folders else before
    measured = read_agreement(agreement) if agreement else before.get("agreement", [])
    write_summary(summary | {"agreement": measured}, SUMMARY)
    summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), tables(summary)), encoding="utf-8")
    METADATA.write_text(with_metrics(METADATA.read_text(encoding="utf-8"), summary), encoding="utf-8")
    draw_figures(summary, IMAGES)


def with_metrics(metadata: str, summary: Scores) -> str:
    """Put the scores of a summary into the bundle's metadata; one that was not measured is left out."""
    content = json.loads(metadata)
    measured = {name: value_of(summary, path) for name, path in EVAL_METRICS.items()}
    told = {name: _rounded(value, 3) for name, value in measured.items() if value is not None}
    others = {name: value for name, value in content["eval_metrics"].items() if name not in EVAL_METRICS}
    content["eval_metrics"] = told | others
    return json.dumps(content, indent=4, ensure_ascii=False) + "\n"


def filled(page: str, made: Mapping[str, str]) -> str:
    """Put tables between the marks of a page, ``<!-- results: name -->`` and ``<!-- end -->``."""
    return BLOCK.sub(lambda found: f"{found[1]} -->\n\n{made[found[1]]}\n\n", page)


def summarise(folders: Sequence[str], samples: int = 1000, seed: int = 0) -> Scores:
    """Summarise evaluations of different photographs.

    Returns:
        ``split``; ``photographs``, their number; ``structures``, by source and score its ``count``, ``mean``, ``std``
        and ``interval`` of the mean; ``fovea``, ``count`` of the photographs of all sources and the fraction within
        half a disc diameter of the mark, ``mean``; ``diseases``, one row per pair of source and disease with enough
        photographs, the lowest AUC of each disease first; ``macro``; ``subgroups``, the rows of
        :func:`~vmnet_monai.metrics.subgroup_scores`.

    Raises:
        ValueError: when a photograph is in two folders, or the folders hold different parts of the datasets.
    """
    written = [json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8")) for folder in folders]
    splits = sorted({one["split"] for one in written})
    if len(splits) > 1:
        raise ValueError(f"the evaluations must be of one part of the datasets, got {', '.join(splits)}")
    table = pd.concat([pd.read_csv(Path(folder) / "metrics.csv") for folder in folders], ignore_index=True)
    twice = table["id"][table["id"].duplicated()]
    if not twice.empty:
        raise ValueError(f"each photograph must be in one evaluation, got {twice.iloc[0]!r} in two")
    diseases = sorted(_disease_rows(written, table, samples, seed), key=_by_disease_and_auc)
    people = subgroup_scores(table, bootstrap_samples=samples, seed=seed) if {"sex", "age"} <= {*table} else None
    return {
        "split": splits[0],
        "photographs": len(table),
        "structures": _structures(table, samples, seed),
        "fovea": _fovea(table),
        "diseases": diseases,
        "macro": _macro(table, diseases, samples, seed),
        "subgroups": [] if people is None else people.to_dict("records"),
    }


def _in_order(sources: Sequence[str]) -> list[str]:
    return sorted(sources, key=lambda name: ([*SOURCES, name].index(name), name))


def _by_disease_and_auc(row: Scores) -> tuple[int, float]:
    return list(VOCABULARY).index(row["disease"]), row["auc"]


def _structures(table: pd.DataFrame, samples: int, seed: int) -> Scores:
    found: Scores = {}
    for source in _in_order(table["dataset"].unique().tolist()):
        of_source = table[table["dataset"] == source]
        for score in STRUCTURE_SCORES:
            structure = next(name for name in ("fovea_region", *score.split("_")) if score.startswith(name))
            column = f"{structure}_inside_fov_{score.removeprefix(f'{structure}_')}"
            if column not in of_source or not (known := of_source.dropna(subset=[column])).size:
                continue
            values, patients = known[column].to_numpy(dtype=float), known["patient"].astype(str).tolist()
            interval = patient_bootstrap_interval(partial(_mean_of_rows, values), patients, samples, seed)
            found.setdefault(source, {})[score] = {
                **{"count": len(values), "mean": values.mean(), "std": known[column].std()},
                "interval": list(interval),
            }
    return found


def _fovea(table: pd.DataFrame) -> Scores:
    column = "fovea_region_inside_fov_centre_within_half_diameter"
    within = table[column].dropna() if column in table else []
    return {"count": len(within), "mean": float(within.mean())} if len(within) else {}


def _mean_of_rows(values: np.ndarray, rows: np.ndarray) -> float:
    return float(values[rows].mean())


def _disease_rows(written: Sequence[Scores], table: pd.DataFrame, samples: int, seed: int) -> Iterator[Scores]:
    """One row for each pair of source and disease with enough photographs."""
    for evaluation in written:
        for source, scores in evaluation["disease"].items():
            if source == "all":
                continue
            of_source = table[table["dataset"] == source]
            for disease, before in scores["per_disease"].items():
                known = of_source.dropna(subset=[f"probability_{disease}", f"label_{disease}"])
                p, y = (known[f"{what}_{disease}"].to_numpy(dtype=float) for what in ("probability", "label"))
                if min((y == 1).sum(), (y == 0).sum()) < MIN_COUNT:
                    continue
                limit, patients = evaluation["thresholds"][disease], known["patient"].astype(str).tolist()
                one = disease_scores(p[:, None], y[:, None], [limit], [disease], patients, samples, seed)
                uncalibrated = {key: value for key, value in before.items() if key.endswith("_uncalibrated")}
                false_alarms, found, _ = roc_curve(y, p)
                yield {
                    **{"source": source, "disease": disease, "threshold": limit},
                    **one["per_disease"][disease],
                    **uncalibrated,
                    "roc": {"false_alarms": false_alarms.tolist(), "found": found.tolist()},
                    "reliability": reliability(p, y),
                }


def reliability(p: np.ndarray, y: np.ndarray, bins: int = RELIABILITY_BINS) -> Scores:
    """Mean probability and fraction present in groups of as many photographs, from low to high probability.

    Returns:
        ``mean_probability``, ``frequency`` and the 95 % interval of the latter by Wilson (J Am Stat Assoc 1927,
        doi:10.1080/01621459.1927.10502953), ``lower`` and ``upper``.
    """
    groups = np.array_split(np.argsort(p, kind="stable"), bins)
    counts = np.array([len(group) for group in groups])
    frequency = np.array([y[group].mean() for group in groups])
    z = 1.959964
    centre = (frequency + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z / (1 + z**2 / counts) * np.sqrt(frequency * (1 - frequency) / counts + z**2 / (4 * counts**2))
    return {
        "mean_probability": [float(p[group].mean()) for group in groups],
        "frequency": frequency.tolist(),
        "lower": (centre - half).tolist(),
        "upper": (centre + half).tolist(),
    }


def _macro(table: pd.DataFrame, diseases: Sequence[Scores], samples: int, seed: int) -> Scores:
    """Means over the six pairs; the interval resamples the patients of both folders together."""
    rows = [row for row in diseases if (row["source"], row["disease"]) in MACRO_PAIRS]
    if len(rows) < len(MACRO_PAIRS):
        return {}
    of_pairs = table[table["dataset"].isin({source for source, _ in MACRO_PAIRS})].reset_index(drop=True)
    aucs: list[Callable[[np.ndarray], float]] = [
        auc_of_rows(
            of_pairs[f"probability_{disease}"].to_numpy(dtype=float),
            of_pairs[f"label_{disease}"].where(of_pairs["dataset"] == source).to_numpy(dtype=float),
        )
        for source, disease in MACRO_PAIRS
    ]

    def mean_auc(drawn: np.ndarray) -> float:
        return float(np.mean([auc(drawn) for auc in aucs]))

    interval = patient_bootstrap_interval(mean_auc, of_pairs["patient"].astype(str).tolist(), samples, seed)
    return {
        "auc": mean_auc(np.arange(len(of_pairs))),
        "auc_interval": list(interval),
        "calibration_error": mean_defined([row["calibration_error"] for row in rows]),
    }


def read_agreement(path: str) -> list[Scores]:
    """Read what ``measure_agreement.py --output`` wrote: per measure and place the values of both sides."""
    table = pd.read_csv(path, keep_default_na=False, na_values={"experts": [""], "network": [""]})
    keys = ["measure", "vessel_type", "region", "unit"]
    return [
        {**dict(zip(keys, key, strict=True)), "experts": rows["experts"].tolist(), "network": rows["network"].tolist()}
        for key, rows in table.groupby(keys, sort=False)
    ]


def write_summary(summary: Scores, path: Path) -> None:
    """Write the summary with six digits; lists of numbers stay on one line, NaN becomes null."""
    text = json.dumps(_rounded(summary), indent=1, allow_nan=False)
    flat = re.sub(r"\[[^][{}\"]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    path.write_text(flat + "\n", encoding="utf-8")


def _rounded(value: Any, digits: int = DIGITS) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(one, digits) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one, digits) for one in value]
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    return value


def tables(summary: Scores) -> dict[str, str]:
    """Make every table and sentence that stands between marks in the pages, by its name."""
    return {
        "aims": _aims(summary),
        "structures": _structure_table(summary["structures"]),
        "lowest": _lowest_first(summary["diseases"]),
        "diseases": _disease_table(summary["diseases"]),
        "calibration": _calibration_table(summary["diseases"]),
        "subgroups": _subgroup_table(summary["subgroups"]),
        "subgroup_rows": _subgroup_rows(summary["subgroups"]),
        "disease_rows": _disease_rows_table(summary["diseases"]),
    }


def value_of(summary: Scores, path: tuple[str, ...]) -> Any:
    """The value of a path: the AUC of a pair of source and disease, the mean of a structure's score, or of the six."""
    if path[0] == "diseases":
        found = [row["auc"] for row in summary["diseases"] if (row["source"], row["disease"]) == path[1:]]
        return found[0] if found else None
    value: Any = summary
    for key in path:
        value = value.get(key) if value else None
    return value["mean"] if isinstance(value, Mapping) else value


def _aims(summary: Scores) -> str:
    rows = []
    for aim in AIMS:
        value = value_of(summary, aim.path)
        if value is None:
            continue
        text, places = _number(value, aim.target), "at most" if aim.at_most else "at least"
        # judged as it is printed, so that nobody reads 0.930 beside MISSED
        shown = float(text)
        reached = shown <= aim.target if aim.at_most else shown >= aim.target
        interval = _interval_of(summary, aim.path)
        earlier = "" if aim.earlier is None else _number(aim.earlier, aim.target)
        target = f"{places} {aim.target:g}"
        rows.append([aim.what, target, f"{text}{interval}", earlier, "reached" if reached else "MISSED"])
    return markdown_table(["", "aim", "measured", "weights up to version 0.5", ""], rows)


def _interval_of(summary: Scores, path: tuple[str, ...]) -> str:
    if path == ("macro", "auc"):
        return _interval(summary["macro"]["auc_interval"])
    if path[0] == "structures":
        one = summary["structures"][path[1]][path[2]]
        return _interval(one["interval"], 0 if abs(one["mean"]) >= 10 else 3)
    rows = [row for row in summary["diseases"] if ("diseases", row["source"], row["disease"]) == path]
    return _interval(rows[0]["auc_interval"]) if rows else ""


def _number(value: float | None, like: float = 0.5) -> str:
    """Three places, none beside numbers of tens; empty where it is undefined."""
    return "" if value is None else f"{value:.0f}" if abs(like) >= 10 else f"{value:.3f}"


def _interval(bounds: Sequence[float | None], places: int = 3) -> str:
    lower, upper = bounds
    return "" if lower is None or upper is None else f" [{lower:.{places}f}, {upper:.{places}f}]"


def source_name(source: str) -> str:
    """The name of a source in tables and figures."""
    return SOURCES.get(source, source)


def disease_name(disease: str) -> str:
    """The name of a disease in tables and figures."""
    return VOCABULARY[disease].name


def _structure_table(structures: Scores) -> str:
    rows = []
    for score, name in STRUCTURE_SCORES.items():
        cells = []
        for of_source in structures.values():
            one = of_source.get(score)
            spread = "" if one is None or one["std"] is None else f" ± {_number(one['std'], one['mean'])}"
            cells.append("" if one is None else f"{_number(one['mean'], one['mean'])}{spread}, {one['count']}")
        rows.append([name, *cells])
    return markdown_table(["", *map(source_name, structures)], rows)


def _lowest_first(diseases: Sequence[Scores]) -> str:
    lines = []
    for disease in dict.fromkeys(row["disease"] for row in diseases):
        rows = [row for row in diseases if row["disease"] == disease]
        if len(rows) > 1:
            told = ", then ".join(
                f"{source_name(row['source'])} {_number(row['auc'])}{_interval(row['auc_interval'])}" for row in rows
            )
            lines.append(f"- {disease_name(disease)}: **{told.replace(', then', '**, then', 1)}")
    return "\n".join(lines)


def _disease_table(diseases: Sequence[Scores]) -> str:
    header = ["disease", "source", "present of known", "prevalence", "AUC", "sensitivity", "specificity"]
    return markdown_table(
        header,
        [
            [
                *(disease_name(row["disease"]), source_name(row["source"])),
                *(f"{row['positives']} of {row['n']}", f"{row['prevalence']:.2f}"),
                f"{_number(row['auc'])}{_interval(row['auc_interval'])}",
                *(_number(row[key]) for key in ("sensitivity", "specificity")),
            ]
            for row in diseases
        ],
    )


def _calibration_table(diseases: Sequence[Scores]) -> str:
    header = ["disease", "source", "intercept", "slope", "calibration error", "worth acting on from t to t"]
    return markdown_table(
        header,
        [
            [
                *(disease_name(row["disease"]), source_name(row["source"])),
                *(
                    "not finite" if row[key] is None else f"{row[key]:+.2f}{_interval(row[f'{key}_interval'], 2)}"
                    for key in ("calibration_intercept", "calibration_slope")
                ),
                _number(row["calibration_error"]),
                worth_acting(row["decision_curve"]),
            ]
            for row in diseases
        ],
    )


def worth_acting(curve: Scores) -> str:
    """Where the net benefit is above that of treating all and none: the runs of threshold probabilities.

    Example:
        >>> worth_acting({"threshold": [0.1, 0.2, 0.3], "net_benefit": [0.3, 0.3, 0.2], "treat_all": [0.3, 0.2, 0.1]})
        '0.20 to 0.30'
    """
    better = [
        benefit > max(treat_all, 0) for benefit, treat_all in zip(curve["net_benefit"], curve["treat_all"], strict=True)
    ]
    edges = np.flatnonzero(np.diff([False, *better, False]))
    runs = [(curve["threshold"][first], curve["threshold"][after - 1]) for first, after in edges.reshape(-1, 2)]
    return ", ".join(f"{low:.2f} to {high:.2f}" if low < high else f"{low:.2f}" for low, high in runs) or "nowhere"


def _subgroup_table(rows: Sequence[Scores]) -> str:
    """AUC by group, one row per pair of disease and source, the groups as columns."""
    if not rows:
        return "Sex and age are not in the evaluation."
    groups = [name for name in dict.fromkeys(row["group"] for row in rows if row["group"]) if name != "everyone"]
    groups = sorted(groups, key=lambda name: (name not in ("female", "male", "other"), *_ages_last(name)))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        if row["group"] != "everyone":
            of_pair = cells.setdefault((row["disease"], row["dataset"]), {})
            counted = f"{row['positives']} of {row['n']}"
            of_pair[row["group"]] = (
                f"too few, {counted}"
                if row["remark"]
                else f"{row['auc']:.2f}{_interval([row['auc_lower'], row['auc_upper']], 2)}, {counted}"
            )
    return markdown_table(
        ["disease", "source", *groups],
        [
            [disease_name(disease), source_name(source), *(of_pair.get(group, "") for group in groups)]
            for (disease, source), of_pair in cells.items()
        ],
    )


def _ages_last(name: str) -> tuple[int, str]:
    """Ages from young to old: "under 50" before "50 to 59"."""
    return 0 if name.startswith("under") else 1, name


def _subgroup_rows(rows: Sequence[Scores]) -> str:
    if not rows:
        return "Sex and age are not in the evaluation."
    header = ["disease", "source", "group", "present of known", "AUC", "sensitivity", "specificity"]
    return markdown_table(
        header,
        [
            [
                *(disease_name(row["disease"]), source_name(row["dataset"]), row["group"]),
                f"{row['positives']} of {row['n']}",
                *(
                    [row["remark"], "", ""]
                    if row["remark"]
                    else (
                        f"{_number(row[key])}{_interval([row[f'{key}_lower'], row[f'{key}_upper']])}"
                        for key in ("auc", "sensitivity", "specificity")
                    )
                ),
            ]
            for row in rows
        ],
    )


def _disease_rows_table(diseases: Sequence[Scores]) -> str:
    header = ["disease", "source", "threshold", "average precision", "F1", "kappa", "calibration error", "Brier"]
    return markdown_table(
        header,
        [
            [
                *(disease_name(row["disease"]), source_name(row["source"])),
                *(_number(row[key]) for key in ("threshold", "average_precision", "f1", "kappa")),
                *(
                    f"{_number(row[f'{key}_uncalibrated'])} -> {_number(row[key])}"
                    for key in ("calibration_error", "brier")
                ),
            ]
            for row in diseases
        ],
    )


if __name__ == "__main__":
    fire.Fire(results)
