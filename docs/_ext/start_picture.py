"""Draw the picture of the start page from its data file: how joint training starves a modality.

For light and dark, wide and narrow pages. ``python docs/_ext/start_picture.py FOLDER`` draws all.
"""

import sys
from itertools import product
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from _columns import read_columns

#: Ink, and the colours of the lines below: the same hues, lighter on a dark page.
THEMES = {
    "light": ("#222832", "#222832", "#1f77b4", "#c0392b"),
    "dark": ("#ced6dd", "#ced6dd", "#74b9ff", "#ff8a78"),
}
#: Lines by method of the data file: name and style.
LINES = {
    "own network": ("trained by itself", "-"),
    "joint, a loss per modality": ("jointly, with a loss of its own", ":"),
    "joint": ("jointly, as usual", "--"),
}
MODALITIES = {"image": "the image", "audio": "the sound"}
#: Inches, and rows and columns of the panels, by width of the page.
SHAPES = {"wide": ((8.6, 3.7), (1, 2)), "narrow": ((4.2, 6.6), (2, 1))}


def draw(curves: pd.DataFrame, theme: str, shape: str) -> Figure:
    """Accuracy of each modality over the epochs, in three networks."""
    ink, *colours = THEMES[theme]
    rows = curves[curves["dataset"] == "avdigits:raw"]
    mean = 100 * rows.groupby(["metric", "method", "epoch"])["value"].mean()
    # text stays text: searched, scaled and read aloud; ids are the same in every build
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "start",
        "font.family": "sans-serif",
        "font.sans-serif": ["system-ui", "Segoe UI", "Helvetica", "Arial", "DejaVu Sans"],
        "font.size": 12,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), ink),
        **dict.fromkeys(("xtick.color", "ytick.color"), ink),
    }
    with mpl.rc_context(style):
        size, panels = SHAPES[shape]
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(*panels, sharex=True, sharey=True)
        for ax, (modality, title) in zip(axes, MODALITIES.items(), strict=True):
            for (method, (label, dash)), colour in zip(LINES.items(), colours, strict=True):
                curve = mean[f"accuracy[{modality}]", method]
                ax.plot(curve.index, curve, dash, color=colour, linewidth=2.4, label=label)
            ax.set_title(f"What is made of {title}", fontsize=12)
            ax.set(xscale="log", ylim=(0, 100))
            ax.set_xticks(curve.index, curve.index)
            ax.minorticks_off()
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(alpha=0.25)
        for ax in axes if shape == "wide" else axes[-1:]:
            ax.set_xlabel("epochs")
        figure.supylabel("accuracy on new speakers, %", fontsize=12)
        if shape == "wide":
            axes[0].legend(frameon=False, loc="lower right", labelcolor=ink)
        else:  # no room inside
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, frameon=False, loc="outside lower left", labelcolor=ink)
    return figure


def write(benchmarks: Path, target: Path) -> None:
    """Draw all pictures into a folder."""
    curves = read_columns(benchmarks / "results" / "end_to_end_curves.csv.xz")
    target.mkdir(parents=True, exist_ok=True)
    for theme, shape in product(THEMES, SHAPES):
        draw(curves, theme, shape).savefig(
            target / f"starving_{theme}_{shape}.svg", transparent=True, metadata={"Date": None}
        )


if __name__ == "__main__":
    write(BENCHMARKS, Path(sys.argv[1]))
