"""Sphinx configuration. The build needs no network and treats every warning as an error."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
os.environ.setdefault("MPLBACKEND", "Agg")

import api_pages
import changelog_page
import readme_example
import result_tables
import start_picture
import which_method

import sk_mmbalance

project = "sk_mmbalance"
author = "the sk_mmbalance developers"
copyright = "2026, the sk_mmbalance developers"
release = version = sk_mmbalance.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
exclude_patterns = ["_build", "_generated", "_templates", "_ext", "user_guide/_*"]
templates_path = ["_templates"]
# `X` in backticks is code, as in the docstrings' numpydoc style.
default_role = "literal"
nitpicky = False

autosummary_generate = True
autosummary_context = {  # for the templates of classes
    "guide": api_pages.guide_links(),
    "balancing_values": api_pages.balancing_values(),
}
autodoc_typehints = "none"  # numpydoc's parameter lists say the types in words
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # "fit", not "MultimodalClassifier.fit", beside the page
python_maximum_signature_line_length = 80  # forty parameters are a list, not a paragraph
numpydoc_show_class_members = False  # the class template lists them
numpydoc_use_plots = False

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/(plot_\w+|quickstart)\.py$",
    "ignore_pattern": r"/(?!plot_|quickstart)\w+\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "within_subsection_order": "ExampleTitleSortKey",
    "write_computation_times": False,  # that page loads scripts from other hosts
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "sk_mmbalance"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sk_mmbalance"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "results": [], "changelog": [], "design": []}
html_math_renderer = "mathml"


def _keep_own_members(app, what, name, obj, skip, options):
    """Leave out what is inherited from scikit-learn: its texts point into its own guide."""
    home = getattr(getattr(obj, "fget", obj), "__module__", None) or ""
    if what == "class" and (home.startswith("sklearn.") or name.endswith("_request")):
        return True
    return None


def setup(app):
    """Write the generated pages before Sphinx looks for sources."""
    api_pages.write(HERE / "api" / "index.rst")
    changelog_page.write(HERE.parent / "CHANGELOG.md", HERE / "_generated" / "changelog.rst")
    readme_example.write(HERE.parent / "README.md", HERE / "_generated" / "example.rst")
    result_tables.write(HERE.parent / "benchmarks", HERE / "_generated" / "results.rst")
    start_picture.write(HERE.parent / "benchmarks", HERE / "_generated")
    which_method.write(HERE.parent / "benchmarks", HERE / "_generated" / "which_method.rst")
    app.connect("autodoc-skip-member", _keep_own_members)
