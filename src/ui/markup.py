"""Tables and small pieces of HTML. Everything that comes from outside is escaped here, and only here."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

STYLE = Path(__file__).parent / "assets" / "style.css"


@dataclass(frozen=True)
class Column:
    """`kind`: "text", "number" (right-aligned), "wide" (a sentence) or "title" (what a row is about)."""

    label: str
    kind: str = "text"


@dataclass(frozen=True)
class Cell:
    """`tone`: "", "up", "down", "muted", "warn" or "bad". `note` stands small under the text."""

    text: str
    tone: str = ""
    href: str = ""
    note: str = ""


def _cell(cell: Cell | str, column: Column) -> str:
    if isinstance(cell, str):
        cell = Cell(cell)
    text = escape(cell.text)
    if cell.href:
        text = f'<a href="{escape(cell.href)}">{text}</a>'
    if cell.note:
        text += f'<span class="hk-note">{escape(cell.note)}</span>'
    classes = f"hk-{column.kind} {'hk-' + cell.tone if cell.tone else ''}".strip()
    return f'<td class="{classes}" data-label="{escape(column.label)}"><div>{text}</div></td>'


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], *, caption: str, stack: bool = True) -> str:
    """An HTML table; on a phone each row becomes a card of label and value where `stack` is set."""
    head = "".join(f'<th scope="col" class="hk-{column.kind}">{escape(column.label)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="hk-scroll"><table class="hk-table{" hk-stack" if stack else ""}">'
        f'<caption class="hk-hidden">{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


@dataclass(frozen=True)
class Figure:
    """One headline figure."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    unit: str = ""


def figures(items: Sequence[Figure]) -> str:
    """A strip of headline figures, as many beside each other as there is room for."""
    parts = []
    for item in items:
        unit = f' <span class="hk-unit">{escape(item.unit)}</span>' if item.unit else ""
        note = f'<div class="hk-note">{escape(item.note)}</div>' if item.note else ""
        tone = f" hk-{item.tone}" if item.tone else ""
        parts.append(
            f'<div class="hk-figure"><div class="hk-label">{escape(item.label)}</div>'
            f'<div class="hk-value{tone}">{escape(item.value)}{unit}</div>{note}</div>'
        )
    return f'<div class="hk-figures">{"".join(parts)}</div>'


def band(text: str, *, kind: str = "sample") -> str:
    """A calm line over the whole width. `kind`: sample, running, warn."""
    return f'<div class="hk-band hk-band-{kind}" role="status">{escape(text)}</div>'


@dataclass(frozen=True)
class Stage:
    """A station on the way v1 → v2 → v3. `state`: past, here or ahead."""

    name: str
    text: str
    state: str


def stages(items: Sequence[Stage]) -> str:
    parts = [
        f'<li class="hk-stage hk-stage-{item.state}"{" aria-current=step" if item.state == "here" else ""}>'
        f'<span class="hk-dot"></span><b>{escape(item.name)}</b>'
        f'<span class="hk-note">{escape(item.text)}{" (here now)" if item.state == "here" else ""}</span></li>'
        for item in items
    ]
    return f'<ol class="hk-stages">{"".join(parts)}</ol>'


@dataclass(frozen=True)
class StepLine:
    """A step of a run or of a plan. `state`: done, running, waiting, blocked, stopped or planned."""

    title: str
    kind: str
    state: str
    note: str = ""
    share: float | None = None


_MARKS = {"done": "✓", "running": "●", "blocked": "‖", "stopped": "!", "waiting": "○", "planned": "○"}


def steps(items: Sequence[StepLine]) -> str:
    parts = []
    for item in items:
        bar = ""
        if item.share is not None:
            bar = f'<div class="hk-bar"><div style="width:{min(max(item.share, 0.0), 1.0) * 100:.1f}%"></div></div>'
        note = f'<span class="hk-note">{escape(item.note)}</span>' if item.note else ""
        parts.append(
            f'<li class="hk-step hk-step-{item.state}"><span class="hk-mark" title="{item.state}">'
            f'{_MARKS.get(item.state, "○")}</span><span class="hk-step-text">{escape(item.title)}{note}{bar}</span>'
            f'<span class="hk-kind">{escape(item.kind)}</span></li>'
        )
    return f'<ol class="hk-steps">{"".join(parts)}</ol>'


def health_card(name: str, state: str, text: str, lines: Sequence[str]) -> str:
    """`state`: healthy, degraded or down."""
    mark = {"healthy": "✓", "degraded": "!", "down": "✕"}[state]
    body = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'<div class="hk-health hk-health-{state}"><div class="hk-health-head"><b>{escape(name)}</b>'
        f'<span class="hk-pill">{mark} {state}</span></div><div>{escape(text)}</div>'
        f'<div class="hk-note">{body}</div></div>'
    )


def health(cards: Sequence[str]) -> str:
    return f'<div class="hk-healths">{"".join(cards)}</div>'


def log(lines: Sequence[tuple[str, str]]) -> str:
    """Log lines: time and text, the newest at the end."""
    body = "".join(f"<div><time>{escape(at)}</time> {escape(text)}</div>" for at, text in lines)
    return f'<div class="hk-log">{body}</div>'
