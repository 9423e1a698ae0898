"""Tables as text: columns that line up, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def table_text(headings: Row, rows: Sequence[Row], left: int = 1) -> str:
    """Return a table; the first ``left`` columns and the last are aligned to the left.

    >>> print(table_text(["kernel", "bytes", "where"], [["dot", "12 B", "a.py:1"]]))
    kernel  bytes  where
    dot      12 B  a.py:1
    """
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    last = len(headings) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left or place == last else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def shortened(text: str, width: int) -> str:
    """Return a text of at most ``width`` characters, its middle left out.

    >>> shortened("sequential/conv2d/kernel", 15)
    'sequent~/kernel'
    """
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}~{text[-tail:]}"
