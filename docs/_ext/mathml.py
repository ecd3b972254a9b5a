"""Render formulas as MathML, which browsers show themselves: no script from another host."""

import html

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def _mathml(node, *, as_block: bool) -> str:
    code = node.astext()
    try:
        return latex2mathml.tex2mathml(code, as_block=as_block)
    except MathError as error:
        logger.warning("formula cannot be shown: %s: %s", error, code, location=node)
        return f"<code>{html.escape(code)}</code>"


def _visit_math(self, node):
    self.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _visit_displaymath(self, node):
    self.body.append('<div class="math">')
    self.body.append(_mathml(node, as_block=True))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({node["number"]})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
