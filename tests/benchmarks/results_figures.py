"""The figures of the results, drawn by matplotlib from the summary that ``results.py`` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vmnet_monai.diseases import VOCABULARY

STYLES = {
    "hrf": ("HRF", "#0072B2", "o", "-"),
    "rahimdr": ("RahimDR", "#D55E00", "s", "--"),
    "odir-5k-400": ("ODIR-5K, 400 px", "#009E73", "^", "-."),
    "odir-5k-256": ("ODIR-5K, 256 px", "#CC79A7", "D", ":"),
}
"""Source -> name, colour (of Okabe and Ito's, which colour-blind readers tell apart), marker and line."""

OTHER_STYLE = ("#56B4E9", "v", "-")

MEASURES = {
    ("disc_diameter", "", ""): "disc diameter",
    ("crae_knudtson", "artery", "zone_b"): "arterial equivalent (CRAE), zone B",
    ("crve_knudtson", "vein", "zone_b"): "venous equivalent (CRVE), zone B",
    ("avr_knudtson", "", "zone_b"): "arterio-venous ratio, zone B",
    ("width_mean", "artery", "field"): "mean width of arteries, field",
    ("fractal_dimension_d0", "artery", "field"): "fractal dimension of arteries, field",
}
"""Measure, vessel type and region -> its name, of those whose agreement is drawn."""

WITHOUT_DIMENSION = ("ratio", "dimension")

WITHIN = 1.96
"""Standard deviations about the mean between which 95 % of a normal distribution lie."""

GREY = "#555555"

# An opaque white page is readable in a dark theme too. Without a date and with fixed ids, equal results give equal
# files.
matplotlib.rcParams.update(
    {
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "vmnet_monai",
        "legend.frameon": False,
    }
)

Row = Mapping[str, Any]


def draw_figures(summary: Mapping[str, Any], folder: Path, suffix: str = ".svg") -> list[Path]:
    """Draw the figures of a summary, and return the files; what the summary does not have is not drawn.

    Args:
        summary: as ``results.json`` has it.
        folder: of the files ``results_<name>``.
        suffix: of the files, such as .svg or .png.
    """
    drawn = []
    rows = summary["diseases"]
    figures = {
        "auc": _forest(rows) if rows else None,
        "roc": _by_disease(rows, _roc, "false alarms: 1 - specificity", "found: sensitivity") if rows else None,
        "calibration": _by_disease(rows, _reliability, "mean probability", "fraction present") if rows else None,
        "decision": _decision_curves(rows) if rows else None,
        "agreement": _agreement(summary["agreement"]) if summary["agreement"] else None,
    }
    for name, figure in figures.items():
        if figure is not None:
            path = folder / f"results_{name}{suffix}"
            FigureCanvasAgg(figure)
            metadata = {"Date": None} if suffix == ".svg" else None
            figure.savefig(path, dpi=110, metadata=metadata)
            drawn.append(path)
    return drawn


def _style(source: str) -> tuple[str, str, str, str]:
    return STYLES.get(source, (source, *OTHER_STYLE))


def _name(disease: str) -> str:
    return VOCABULARY[disease].name


def _panels(count: int, columns: int, width: float = 2.7, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels; those beyond the count are left blank."""
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.axis("off")
    return figure, panels


def _diseases(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for disease in dict.fromkeys(row["disease"] for row in rows):
        yield disease, [row for row in rows if row["disease"] == disease]


def _forest(rows: Sequence[Row]) -> Figure:
    """AUC with interval of each pair, the lowest of each disease on top."""
    figure = Figure(figsize=(7, 0.33 * (len(rows) + len({row["disease"] for row in rows})) + 0.8), layout="constrained")
    panel = figure.subplots()
    ticks, labels, place = [], [], 0.0
    for disease, of_disease in _diseases(rows):
        ticks.append(place)
        labels.append(_name(disease))
        for row in of_disease:
            place += 1
            name, colour, marker, _ = _style(row["source"])
            lower, upper = (row["auc"] if bound is None else bound for bound in row["auc_interval"])
            panel.plot([lower, upper], [place, place], color=colour, linewidth=1.8)
            panel.plot(row["auc"], place, marker=marker, color=colour, markersize=6)
            panel.annotate(
                f"{row['auc']:.3f} [{lower:.3f}, {upper:.3f}]",
                (1.02, place),
                xycoords=("axes fraction", "data"),
                verticalalignment="center",
                fontsize=8,
            )
            ticks.append(place)
            labels.append(f"{name}, {row['positives']} of {row['n']}")
        place += 1
    panel.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    panel.set_yticks(ticks, labels)
    for label in panel.get_yticklabels():
        if label.get_text() in {_name(row["disease"]) for row in rows}:
            label.set_fontweight("bold")
    panel.set_ylim(place - 0.4, -0.6)
    panel.set_xlim(min(0.45, *(row["auc_interval"][0] or 1 for row in rows)), 1.005)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_xlabel("AUC with 95 % interval by patient")
    return figure


def _by_disease(rows: Sequence[Row], draw: Any, x_name: str, y_name: str) -> Figure:
    """One square panel from 0 to 1 per disease, the sources in it; the last has the legend."""
    groups = list(_diseases(rows))
    figure, panels = _panels(len(groups) + 1, columns=3)
    panels[len(groups)].axis("off")
    for panel, (disease, of_disease) in zip(panels, groups, strict=False):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        for row in of_disease:
            draw(panel, row)
        panel.set(title=_name(disease), xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        panel.set_xticks([0, 0.5, 1])
        panel.set_yticks([0, 0.5, 1])
    for source in dict.fromkeys(row["source"] for row in rows):
        name, colour, marker, line = _style(source)
        panels[len(groups)].plot([], [], color=colour, marker=marker, linestyle=line, label=name)
    panels[len(groups)].legend(loc="center")
    figure.supxlabel(x_name, fontsize=9)
    figure.supylabel(y_name, fontsize=9)
    return figure


def _roc(panel: Axes, row: Row) -> None:
    _, colour, marker, line = _style(row["source"])
    panel.plot(row["roc"]["false_alarms"], row["roc"]["found"], color=colour, linestyle=line, linewidth=1.6)
    panel.plot(1 - row["specificity"], row["sensitivity"], color=colour, marker=marker, markersize=6)


def _reliability(panel: Axes, row: Row) -> None:
    _, colour, marker, line = _style(row["source"])
    groups = {key: np.array(values) for key, values in row["reliability"].items()}
    errors = np.abs(np.stack([groups["lower"], groups["upper"]]) - groups["frequency"])
    panel.errorbar(
        groups["mean_probability"],
        groups["frequency"],
        yerr=errors,
        color=colour,
        marker=marker,
        linestyle=line,
        linewidth=1.4,
        elinewidth=0.7,
        markersize=4,
    )


def _decision_curves(rows: Sequence[Row]) -> Figure:
    """One panel per pair: acting on the probability, on all, on none."""
    figure, panels = _panels(len(rows) + 1, columns=4, width=2.3, height=2.1)
    for panel, row in zip(panels, rows, strict=False):
        curve = row["decision_curve"]
        name, colour, _, _ = _style(row["source"])
        panel.plot(curve["threshold"], curve["treat_all"], color=GREY, linestyle="--", linewidth=1)
        panel.axhline(0, color=GREY, linestyle=":", linewidth=1)
        panel.plot(curve["threshold"], curve["net_benefit"], color=colour, linewidth=1.8)
        panel.set(xlim=(0, 1), ylim=(-0.15, max(0.05, row["prevalence"]) * 1.08))
        panel.set_title(f"{_name(row['disease'])}\n{name}", fontsize=8)
    legend = panels[len(rows)]
    legend.axis("off")
    for label, style in (
        ("act on the probability", {"color": "black", "linewidth": 1.8}),
        ("act on all", {"color": GREY, "linestyle": "--"}),
        ("act on none", {"color": GREY, "linestyle": ":"}),
    ):
        legend.plot([], [], label=label, **style)
    legend.legend(loc="center")
    figure.supxlabel("threshold probability", fontsize=9)
    figure.supylabel("net benefit", fontsize=9)
    return figure


def _agreement(rows: Sequence[Row]) -> Figure:
    """Difference against mean of network and experts, with bias and limits of agreement (Bland and Altman)."""
    by_key = {(row["measure"], row["vessel_type"], row["region"]): row for row in rows}
    drawn = {key: name for key, name in MEASURES.items() if key in by_key}
    figure, panels = _panels(len(drawn), columns=3, width=3, height=2.5)
    for panel, (key, name) in zip(panels, drawn.items(), strict=False):
        row = by_key[key]
        experts, network = (np.array(row[side], dtype=float) for side in ("experts", "network"))
        known = np.isfinite(experts) & np.isfinite(network)
        means, differences = (experts[known] + network[known]) / 2, (network - experts)[known]
        bias, spread = differences.mean(), WITHIN * differences.std(ddof=1)
        panel.axhline(0, color=GREY, linestyle=":", linewidth=0.8)
        panel.axhline(bias, color="#D55E00", linewidth=1.4)
        for limit in (bias - spread, bias + spread):
            panel.axhline(limit, color="#D55E00", linestyle="--", linewidth=1.1)
        panel.plot(means, differences, color="#0072B2", marker="o", linestyle="", markersize=5)
        unit = row["unit"].split(" (")[0]
        panel.set_title(name if unit in WITHOUT_DIMENSION else f"{name}, {unit}", fontsize=9)
        panel.margins(x=0.12, y=0.12)
    figure.supxlabel("mean of network and experts", fontsize=9)
    figure.supylabel("network less experts", fontsize=9)
    return figure
