"""Take the example out of README.md, so that the start page shows the one that is tested."""

import re
import textwrap
from pathlib import Path


def python_blocks(readme: Path) -> list[str]:
    """The fenced Python blocks of a Markdown file."""
    return re.findall(r"^```python\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.M | re.S)


def write(readme: Path, target: Path) -> None:
    """Write the first block, the shortest, as a code block of reStructuredText."""
    target.parent.mkdir(parents=True, exist_ok=True)
    code = textwrap.indent(python_blocks(readme)[0], "   ")
    target.write_text(f".. code-block:: python\n\n{code}", encoding="utf-8")
