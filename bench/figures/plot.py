"""Bars as SVG, without a package: one picture a benchmark, events a second."""
from __future__ import annotations

from html import escape

from .report import TITLES, bars_of, speed

WIDTH, LABEL, BAR, GAP, TOP = 900, 390, 22, 10, 50
OURS, THEIRS = "#2563a8", "#a3a3a3"


def bars(title: str, rows: list[tuple[str, float, bool]]) -> str:
    """Rows are (label, events a second, is it bourn)."""
    height = TOP + len(rows) * (BAR + GAP) + GAP
    most = max(value for _, value, _ in rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="14">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
             f'<text x="12" y="28" font-size="17" font-weight="bold">{escape(title)}</text>']
    for i, (label, value, ours) in enumerate(rows):
        y = TOP + i * (BAR + GAP)
        width = max((WIDTH - LABEL - 100) * value / most, 1)
        parts += [f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(label)}</text>',
                  f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{OURS if ours else THEIRS}"/>',
                  f'<text x="{LABEL + width + 6:.1f}" y="{y + 16}">{speed(value)}</text>']
    return "\n".join([*parts, "</svg>"]) + "\n"


def all_of(lines: list[dict]) -> dict[str, str]:
    pictures = {}
    for bench, title in TITLES.items():
        rows = bars_of([line for line in lines if line["bench"] == bench])
        if rows:
            pictures[bench] = bars(f"{title}: events a second", rows)
    return pictures
