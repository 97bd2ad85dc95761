"""Tables and small pieces of HTML. Everything that comes from outside is escaped here, and only here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from urllib.parse import quote

from src.health.model import State

STYLE = Path(__file__).parent / "assets" / "style.css"


@dataclass(frozen=True)
class Column:
    """`kind`: "text", "number" (right-aligned), "wide" (a sentence) or "title" (what a row is about).

    `why` explains its figures: on hover, and in the legend.
    """

    label: str
    kind: str = "text"
    why: str = ""


@dataclass(frozen=True)
class Cell:
    """`tone`: "", "up", "down", "muted", "warn" or "bad". `note` stands small under the text.

    `curve`: values drawn as a small line, in the colour of `tone`, before the text. `why` explains this one figure.
    """

    text: str
    tone: str = ""
    href: str = ""
    note: str = ""
    curve: tuple[float, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Heading:
    """A row that heads those after it; its cells are their sums."""

    cells: Sequence[Cell | str]


Row = Sequence[Cell | str]


def _curve(values: Sequence[float]) -> str:
    """A line as a mask: the colour is that of the text around it, so that it follows theme and settings."""
    low, high = min(values), max(values)
    step, scale = 96 / max(len(values) - 1, 1), 20 / (high - low) if high > low else 0.0
    points = " ".join(
        f"{n * step:.1f},{22 - (value - low) * scale if scale else 12:.1f}" for n, value in enumerate(values)
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 24" preserveAspectRatio="none">'
        f'<polyline fill="none" stroke="#000" stroke-width="1.5" vector-effect="non-scaling-stroke" points="{points}"/>'
        "</svg>"
    )
    return f'<span class="hk-curve" style="--hk-curve:url(data:image/svg+xml,{quote(svg)})"></span>'


def _cell(cell: Cell | str, column: Column) -> str:
    if isinstance(cell, str):
        cell = Cell(cell)
    text = escape(cell.text)
    if cell.href:
        text = f'<a href="{escape(cell.href)}">{text}</a>'
    if len(cell.curve) > 1:
        text = _curve(cell.curve) + text
    if cell.note:
        text += f'<span class="hk-note">{escape(cell.note)}</span>'
    classes = f"hk-{column.kind} {'hk-' + cell.tone if cell.tone else ''}".strip()
    title = f' title="{escape(cell.why)}"' if cell.why else ""
    return f'<td class="{classes}" data-label="{escape(column.label)}"{title}><div>{text}</div></td>'


def _row(row: Row, columns: Sequence[Column], kind: str = "") -> str:
    cells = "".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True))
    return f"<tr{kind}>{cells}</tr>"


def table(
    columns: Sequence[Column],
    rows: Sequence[Row | Heading],
    *,
    caption: str,
    total: Row | None = None,
    stack: bool = True,
) -> str:
    """An HTML table; on a phone each row becomes a card of label and value where `stack` is set."""
    head = "".join(
        f'<th scope="col" class="hk-{column.kind}">{_explained(column.label, column.why)}</th>' for column in columns
    )
    body = "".join(
        _row(row.cells, columns, ' class="hk-group"') if isinstance(row, Heading) else _row(row, columns)
        for row in rows
    )
    foot = f"<tfoot>{_row(total, columns)}</tfoot>" if total is not None else ""
    return (
        f'<div class="hk-scroll"><table class="hk-table{" hk-stack" if stack else ""}">'
        f'<caption class="hk-hidden">{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def _explained(label: str, why: str) -> str:
    return f'<abbr title="{escape(why)}">{escape(label)}</abbr>' if why else escape(label)


def legend(columns: Sequence[Column], *, title: str = "How these figures are made") -> str:
    """What the columns of a table mean, for those who cannot hover. Opened by a click, a touch or a key."""
    items = "".join(f"<dt>{escape(column.label)}</dt><dd>{escape(column.why)}</dd>" for column in columns if column.why)
    return f'<details class="hk-legend"><summary>{escape(title)}</summary><dl>{items}</dl></details>'


@dataclass(frozen=True)
class Figure:
    """One headline figure. `why` explains it: on hover, and by a click, a touch or a key on its label."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    unit: str = ""
    why: str = ""


def figures(items: Sequence[Figure]) -> str:
    """A strip of headline figures, as many beside each other as there is room for."""
    parts = []
    for item in items:
        unit = f' <span class="hk-unit">{escape(item.unit)}</span>' if item.unit else ""
        note = f'<div class="hk-note">{escape(item.note)}</div>' if item.note else ""
        tone = f" hk-{item.tone}" if item.tone else ""
        label = f'<div class="hk-label">{escape(item.label)}</div>'
        if item.why:
            label = (
                f'<details class="hk-why"><summary class="hk-label" title="{escape(item.why)}">'
                f"<span>{escape(item.label)}</span></summary><p>{escape(item.why)}</p></details>"
            )
        value = f'<div class="hk-value{tone}"><b>{escape(item.value)}</b>{unit}</div>'
        parts.append(f'<div class="hk-figure">{label}{value}{note}</div>')
    return f'<div class="hk-figures">{"".join(parts)}</div>'


def band(text: str, *, kind: str = "sample") -> str:
    """A line over the whole width. `kind`: sample, running, warn."""
    return f'<div class="hk-band hk-band-{kind}" role="status">{escape(text)}</div>'


def lead(text: str, note: str = "") -> str:
    """A line that says what follows, with a small one under it."""
    small = f'<div class="hk-note">{escape(note)}</div>' if note else ""
    return f'<div class="hk-lead"><b>{escape(text)}</b>{small}</div>'


class StagePlace(StrEnum):
    """Where a stage lies from the schema version that is live. The values are CSS classes."""

    PAST = "past"
    HERE = "here"
    AHEAD = "ahead"


@dataclass(frozen=True)
class Stage:
    """A station on the way v1 → v2 → v3."""

    name: str
    text: str
    place: StagePlace


def stages(items: Sequence[Stage]) -> str:
    """The stations v1 → v2 → v3 as HTML."""
    parts = [
        f'<li class="hk-stage hk-stage-{item.place}"{" aria-current=step" if item.place is StagePlace.HERE else ""}>'
        f'<span class="hk-dot"></span><b>{escape(item.name)}</b>'
        f'<span class="hk-note">{escape(item.text)}{" (here now)" if item.place is StagePlace.HERE else ""}</span></li>'
        for item in items
    ]
    return f'<ol class="hk-stages">{"".join(parts)}</ol>'


class StepMark(StrEnum):
    """How a step is drawn. The values are CSS classes and titles."""

    DONE = "done"
    RUNNING = "running"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    WAITING = "waiting"
    PLANNED = "planned"


@dataclass(frozen=True)
class StepLine:
    """A step of a run or of a plan. `facts`: in small."""

    title: str
    kind: str
    state: StepMark
    note: str = ""
    share: float | None = None
    facts: Sequence[str] = ()


_MARKS = {
    StepMark.DONE: "✓",
    StepMark.RUNNING: "●",
    StepMark.BLOCKED: "‖",
    StepMark.STOPPED: "!",
    StepMark.WAITING: "○",
    StepMark.PLANNED: "○",
}


def steps(items: Sequence[StepLine]) -> str:
    """The steps of a run or a plan as HTML."""
    parts = []
    for item in items:
        bar = ""
        if item.share is not None:
            bar = f'<div class="hk-bar"><div style="width:{min(max(item.share, 0.0), 1.0) * 100:.1f}%"></div></div>'
        note = f'<span class="hk-note">{escape(item.note)}</span>' if item.note else ""
        facts = "".join(f"<span>{escape(fact)}</span>" for fact in item.facts)
        if facts:
            bar += f'<div class="hk-facts">{facts}</div>'
        parts.append(
            f'<li class="hk-step hk-step-{item.state}"><span class="hk-mark" title="{item.state}">'
            f'{_MARKS[item.state]}</span><span class="hk-step-text">{escape(item.title)}{note}{bar}</span>'
            f'<span class="hk-kind">{escape(item.kind)}</span></li>'
        )
    return f'<ol class="hk-steps">{"".join(parts)}</ol>'


_CODE = re.compile(r"`([^`]+)`")
SHOWN_LINES = 6
NOT_KNOWN = "not known"


def health_card(name: str, state: str, text: str, advice: str, lines: Sequence[str]) -> str:
    """`state`: healthy, degraded, down or NOT_KNOWN. Where it is healthy, or they are many, `lines` are folded away."""
    mark = {State.HEALTHY: "✓", State.DEGRADED: "!", State.DOWN: "✕", NOT_KNOWN: "?"}[state]
    shown = () if state == State.HEALTHY else lines[:SHOWN_LINES]
    folded = lines[len(shown) :]
    body = "".join(f"<div>{escape(line)}</div>" for line in shown)
    more = f"{len(folded)} more" if shown else "Details"
    if folded:
        rest = "".join(f"<div>{escape(line)}</div>" for line in folded)
        body += f"<details><summary>{more}</summary>{rest}</details>"
    help_ = f'<div class="hk-next">{_with_code(advice)}</div>' if advice else ""
    return (
        f'<div class="hk-health hk-health-{state.replace(" ", "-")}"><div class="hk-health-head"><b>{escape(name)}</b>'
        f'<span class="hk-pill">{mark} {state}</span></div><div>{escape(text)}</div>{help_}'
        f'<div class="hk-note">{body}</div></div>'
    )


def _with_code(text: str) -> str:
    """Escaped; what stands between `backticks` is what is to be typed."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def health(cards: Sequence[str], summary: str) -> str:
    """The cards of all components as HTML."""
    return f'<p class="hk-health-summary">{escape(summary)}</p><div class="hk-healths">{"".join(cards)}</div>'


def log(lines: Sequence[tuple[str, str]]) -> str:
    """Log lines: time and text, the newest at the end."""
    body = "".join(f"<div><time>{escape(at)}</time> {escape(text)}</div>" for at, text in lines)
    return f'<div class="hk-log">{body}</div>'


def file_link(href: str, text: str) -> str:
    """A link that a browser stores as a file, drawn as a button."""
    return f'<a class="hk-file" href="{escape(href)}" target="_self" download>{escape(text)}</a>'


def account(name: str, role: str) -> str:
    """The way to the account's page."""
    return (
        f'<a class="hk-account" href="/auth/account" target="_self" title="Your account">{escape(name)}'
        f'<span class="hk-note"> · {escape(role)}</span></a>'
    )


def two_lists(first: tuple[str, Sequence[str]], second: tuple[str, Sequence[str]]) -> str:
    """Two lists with headings, beside each other where there is room."""
    parts = []
    for heading, items in (first, second):
        lines = "".join(f"<li>{escape(item)}</li>" for item in items)
        parts.append(f"<div><h4>{escape(heading)}</h4><ul>{lines}</ul></div>")
    return f'<div class="hk-after">{"".join(parts)}</div>'
