"""The tables of a page, read as a trader reads them: by caption, row and column."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from streamlit.testing.v1 import AppTest

from tests.app.conftest import shown


@dataclass
class Table:
    """`rows`: by what stands in a row's first cell, the text of each cell by its column. Small notes apart."""

    caption: str = ""
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self._where: list[str] = []
        self._label = ""
        self._cells: list[tuple[str, list[str], list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._where.append("note" if given.get("class") == "hk-note" else tag)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr":
            self._cells = []
        elif tag == "td":
            self._cells.append((given.get("data-label") or "", [], []))
        elif tag == "a" and self.tables and self._cells:
            self.tables[-1].links[given.get("href") or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        self._where.pop()
        if tag == "tr" and self._cells:
            table, name = self.tables[-1], "".join(self._cells[0][1])
            # The same symbol may stand in several rows.
            while name in table.rows:
                name += "'"
            table.rows[name] = {label: "".join(text) for label, text, _ in self._cells}
            table.notes[name] = {label: "".join(note) for label, _, note in self._cells}

    def handle_data(self, data: str) -> None:
        if "caption" in self._where:
            self.tables[-1].caption += data
        elif self._cells and "td" in self._where:
            self._cells[-1][2 if "note" in self._where else 1].append(data)


def table(app: AppTest, caption: str) -> Table:
    """The one table whose caption begins so."""
    reader = _Reader()
    for part in shown(app).split("\n"):
        if "<table" in part:
            reader.feed(part)
    (found,) = (one for one in reader.tables if one.caption.startswith(caption))
    return found


def figures(app: AppTest) -> dict[str, str]:
    """The headline figures of a page, by label; without units and notes."""
    reader = _Figures()
    for part in shown(app).split("\n"):
        if 'class="hk-figures"' in part:
            reader.feed(part)
    return reader.found


class _Figures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._label = self._at = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if "hk-label" in classes:
            self._at, self._label = "label", ""
        elif "hk-value" in classes:
            self._at = "value"
            self.found[self._label.strip()] = ""
        elif {"hk-unit", "hk-note"} & set(classes) or tag == "p":
            self._at = ""

    def handle_data(self, data: str) -> None:
        if self._at == "label":
            self._label += data
        elif self._at == "value":
            self.found[self._label.strip()] = (self.found[self._label.strip()] + data).strip()
