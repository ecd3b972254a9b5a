"""Turn CHANGELOG.md (headings, bullets, links, code) into reStructuredText."""

import re
from pathlib import Path

UNDERLINES = {1: "=", 2: "-", 3: "~"}


def convert(text: str) -> str:
    """reStructuredText of a changelog in the form of "Keep a Changelog"."""
    lines: list[str] = []
    for line in text.splitlines():
        heading = re.match(r"(#{1,3}) +(.*)", line)
        if heading:
            title = _inline(heading[2].replace("[", "").replace("]", ""))
            lines += ["", title, UNDERLINES[len(heading[1])] * len(title), ""]
        else:
            opens_list = line.lstrip().startswith("- ") and lines and lines[-1].strip()
            if opens_list and not lines[-1].lstrip().startswith("- "):
                lines += [""] if not lines[-1].startswith(" ") else []
            lines.append(_inline(line))
    return "\n".join(lines) + "\n"


def _inline(text: str) -> str:
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    text = re.sub(r"\[([^\]]+)\]\((http[^)]+)\)", r"`\1 <\2>`__", text)
    return text


def write(source: Path, target: Path) -> None:
    """Convert one file into another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(convert(source.read_text(encoding="utf-8")), encoding="utf-8")
