"""Text that came from outside, made fit to be shown in a page, a table of Markdown or CSV, or a terminal."""

import unicodedata

LONGEST = 200
FORMULA = ("=", "+", "-", "@")  # a spreadsheet would compute it


def printable(text: str) -> str:
    """One line without control characters (ANSI, bidirectional overrides), at most 200 characters."""
    clean = text if text.isascii() and text.isprintable() else "".join(map(replace_control, text))
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def replace_control(mark: str) -> str:
    return " " if mark in "\n\r\t" else "\ufffd" if is_control(mark) else mark


def is_control(mark: str) -> bool:
    return unicodedata.category(mark) in ("Cc", "Cf", "Cs")


def escape_markdown(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + mark if mark in "|`*[]" else mark for mark in escaped)


def csv_cell(text: str) -> str:
    return "'" + printable(text) if text.lstrip().startswith(FORMULA) else printable(text)


def slug(text: str) -> str:
    """A file's name without its ending."""
    return "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in text)[:100].strip("-") or "report"


def join_words(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
