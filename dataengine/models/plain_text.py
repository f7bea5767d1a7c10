"""Text that a model wrote, made fit for a table, a file or a terminal."""

from __future__ import annotations

import unicodedata


def one_line(text: str, characters: int) -> str:
    """The text on one line, cut to so many characters.

    Characters that control, format or encode nothing (Unicode's categories C) are left out, whitespace of any kind is a
    single space.
    """
    spaced = " ".join(text[: 4 * characters].split())
    visible = "".join(each for each in spaced if unicodedata.category(each)[0] != "C")
    return " ".join(visible.split())[:characters].rstrip()
