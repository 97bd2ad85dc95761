"""Nothing done in one portfolio shows in another: random operations held against a model, alone and at once."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from src.database_enhanced import DatabaseManager
from src.domain.edits import Edit, PositionValues
from src.domain.revisions import Revision, SaveConflict
from tests.support.databases import MULTI, Database, ManagerOf, at_once, execute
from tests.support.editing import rows_of

SYMBOLS = ("0005.HK", "0700.HK", "9988.HK", "0857.HK", "1810.HK", "3690.HK")
STATE = (
    "SELECT portfolio_id, symbol, quantity, avg_cost, company_name, sector, current_price "
    "FROM public.portfolio_positions"
)
SIGNALS = "SELECT portfolio_id, symbol, count(*) FROM public.trading_signals GROUP BY 1, 2"


@dataclass
class Model:
    """What the database should hold. A price is the symbol's, as long as somebody holds it."""

    rows: dict[str, dict[str, PositionValues]] = field(default_factory=dict)
    prices: dict[str, Decimal | None] = field(default_factory=dict)
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    gone_signals: dict[tuple[int, str], int] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, url: str) -> "Model":
        made = cls()
        for owner, symbol, *values, price in execute(url, STATE):
            made.rows.setdefault(str(owner), {})[str(symbol)] = PositionValues(*values)  # type: ignore[arg-type]
            made.prices[str(symbol)] = price  # type: ignore[assignment]
        for (owner,) in execute(url, "SELECT portfolio_id FROM public.portfolios"):
            made.rows.setdefault(str(owner), {})
        made.signals = Counter({(str(o), str(s)): int(str(n)) for o, s, n in execute(url, SIGNALS)})
        return made

    def price(self, symbol: str) -> Decimal | None:
        return self.prices.get(symbol) if any(symbol in held for held in self.rows.values()) else None

    def row(self, portfolio_id: str, symbol: str) -> PositionValues | None:
        """As an editor sees it."""
        row = self.rows[portfolio_id].get(symbol)
        return None if row is None else replace(row, price=self.price(symbol))

    def put(self, portfolio_id: str, symbol: str, row: PositionValues | None) -> None:
        if row is None:
            del self.rows[portfolio_id][symbol]
            self.signals.pop((portfolio_id, symbol), None)
        else:
            self.rows[portfolio_id][symbol] = replace(row, price=None)
            self.prices[symbol] = row.price

    def undo_is_possible(self, save: Revision) -> bool:
        """Each position is still as the save left it; of the price, only where it was changed."""
        for one in save.rows:
            now, left = self.row(save.portfolio_id, one.symbol), one.after
            if now is None or left is None:
                if now is not left:
                    return False
            elif one.before is None or one.before.price == left.price:
                if replace(now, price=None) != replace(left, price=None):
                    return False
            elif now != left:
                return False
        return True


class Player:
    """Does random things to the database, and the same to the model."""

    def __init__(self, url: str, manager: DatabaseManager, seed: int) -> None:
        self.url, self.manager, self.dice = url, manager, random.Random(seed)
        self.model = Model.of(url)
        self.revisions: list[Revision] = []

    def step(self) -> str:
        todo = [self.save] * 6 + [self.undo] * 3 + [self.price, self.signal, self.create, self.copy, self.single] * 2
        act = self.dice.choice([*todo, self.delete, self.rename, self.archive])
        act()
        return act.__name__

    def check(self) -> None:
        fresh = Model.of(self.url)
        assert fresh.rows == self.model.rows
        assert fresh.prices == {s: self.model.price(s) for held in self.model.rows.values() for s in held}
        assert fresh.signals == +self.model.signals

    def some(self) -> str:
        return self.dice.choice(sorted(self.model.rows))

    def wanted(self, row: PositionValues | None) -> PositionValues:
        price = self.dice.choice([None, Decimal(self.dice.randrange(1, 90_000)).scaleb(-3)])
        quantity, cost = self.dice.randrange(-500, 5000), Decimal(self.dice.randrange(0, 90_000)).scaleb(-3)
        if row is None:
            return PositionValues(
                quantity, cost, self.dice.choice(["Name", "Other"]), self.dice.choice(["Tech", "REIT"]), price
            )
        return replace(row, quantity=quantity, avg_cost=cost, price=price or row.price)

    def save(self) -> None:
        owner = self.some()
        edits = []
        for symbol in self.dice.sample(SYMBOLS, self.dice.randrange(1, 4)):
            row = self.model.row(owner, symbol)
            removed = row is not None and self.dice.random() < 0.3
            edits.append(Edit(symbol, row, None if removed else self.wanted(row)))
        edits = [edit for edit in edits if edit.before != edit.after]
        known = {symbol: self.model.price(symbol) for symbol in SYMBOLS}
        lost = {edit.symbol: self.model.signals[owner, edit.symbol] for edit in edits if edit.after is None}
        save = self.manager.save_positions(owner, edits)
        for edit in edits:
            after = edit.after
            if after is not None and edit.before is None and after.price is None:
                after = replace(after, price=known[edit.symbol])
            self.model.put(owner, edit.symbol, after)
        self.model.gone_signals |= {(save.revision_id, symbol): number for symbol, number in lost.items()}
        self.revisions.append(save)

    def undo(self) -> None:
        alive = [save for save in self.revisions if save.portfolio_id in self.model.rows]
        alive = [save for save in alive if save.revision_id not in self.model.dead]
        if not alive:
            return
        save = self.dice.choice(alive[-4:])
        if not self.model.undo_is_possible(save):
            with pytest.raises(SaveConflict):
                self.manager.undo_revision(save.revision_id)
            return
        owner = save.portfolio_id
        market = {one.symbol: self.model.price(one.symbol) for one in save.rows}
        lost = {one.symbol: self.model.signals[owner, one.symbol] for one in save.rows if one.before is None}
        undo = self.manager.undo_revision(save.revision_id)
        for one in save.rows:
            back = one.before
            if back is not None and one.after is None and market[one.symbol] is not None:
                back = replace(back, price=market[one.symbol])
            if back is not None and one.after is not None and back.price == one.after.price:
                back = replace(back, price=market[one.symbol])
            self.model.put(owner, one.symbol, back)
            if one.after is None:
                self.model.signals[owner, one.symbol] = self.model.gone_signals[save.revision_id, one.symbol]
        self.model.gone_signals |= {(undo.revision_id, symbol): number for symbol, number in lost.items()}
        self.model.dead.add(save.revision_id)
        self.revisions.append(undo)

    def price(self) -> None:
        symbol, price = self.dice.choice(SYMBOLS), Decimal(self.dice.randrange(1, 90_000)).scaleb(-3)
        if any(symbol in held for held in self.model.rows.values()):
            self.manager.update_position_price(symbol, price)
            self.model.prices[symbol] = price

    def signal(self) -> None:
        owner = self.some()
        if self.model.rows[owner]:
            symbol = self.dice.choice(sorted(self.model.rows[owner]))
            self.manager.insert_trading_signal(symbol, "A", 0.5, 10, portfolio_id=owner)
            self.model.signals[owner, symbol] += 1

    def single(self) -> None:
        owner, symbol = self.some(), self.dice.choice(SYMBOLS)
        row = self.model.row(owner, symbol)
        if row is None:
            self.manager.add_position(owner, symbol, 7, "1.5", "Single", "Tech")
            self.model.put(
                owner, symbol, PositionValues(7, Decimal("1.500"), "Single", "Tech", self.model.price(symbol))
            )
        elif self.dice.random() < 0.7:
            self.manager.change_position(owner, symbol, quantity=row.quantity + 1)
            self.model.put(owner, symbol, replace(row, quantity=row.quantity + 1))
        else:
            self.manager.remove_position(owner, symbol)
            self.model.put(owner, symbol, None)

    def create(self) -> None:
        new = f"N{self.dice.randrange(4)}"
        if new not in self.model.rows:
            self.manager.create_portfolio(new, "New")
            self.model.rows[new] = {}

    def copy(self) -> None:
        owner, new = self.some(), f"C{self.dice.randrange(4)}"
        if new not in self.model.rows:
            assert self.manager.copy_portfolio(owner, new, "Copy") == len(self.model.rows[owner])
            self.model.rows[new] = dict(self.model.rows[owner])

    def delete(self) -> None:
        owner = self.some()
        if owner != "DEFAULT":
            self.manager.delete_portfolio(owner)
            del self.model.rows[owner]
            for key in [key for key in self.model.signals if key[0] == owner]:
                del self.model.signals[key]
            self.model.dead |= {save.revision_id for save in self.revisions if save.portfolio_id == owner}

    def rename(self) -> None:
        self.manager.rename_portfolio(self.some(), "Renamed", strategy="Other")

    def archive(self) -> None:
        owner = self.some()
        if owner != "DEFAULT":
            self.manager.archive_portfolio(owner)
            self.manager.restore_portfolio(owner)


@pytest.mark.parametrize("schema", MULTI)
@pytest.mark.parametrize("seed", range(4))
def test_random_operations_do_what_the_model_does(
    database: Database, manager_of: ManagerOf, schema: str, seed: int
) -> None:
    url = database(schema, 18)
    execute(url, "DELETE FROM public.price_history")
    player = Player(url, manager_of(url), seed)
    done: Counter[str] = Counter()
    for _ in range(70):
        done[player.step()] += 1
        player.check()
    assert len(done) >= 8, f"the dice were dull: {done}"


def replay(revisions: tuple[Revision, ...], start: dict[str, PositionValues]) -> dict[str, PositionValues]:
    """What the audit says that a portfolio holds; prices, which the market moves, aside."""
    held = {symbol: replace(row, price=None) for symbol, row in start.items()}
    for save in reversed(revisions):
        for row in save.rows:
            before = None if row.before is None else replace(row.before, price=None)
            assert held.pop(row.symbol, None) == before, f"save {save.revision_id} does not follow on those before it"
            if row.after is not None:
                held[row.symbol] = replace(row.after, price=None)
    return held


class Editor:
    """Edits one portfolio, and knows what it should hold then; prices, which others set, aside."""

    def __init__(self, manager: DatabaseManager, owner: str, start: dict[str, PositionValues]) -> None:
        self.manager, self.owner, self.mine = manager, owner, dict(start)
        self.dice, self.revisions = random.Random(owner), list[Revision]()

    def work(self) -> None:
        for _ in range(25):
            if self.revisions and self.dice.random() < 0.3:
                self.undo()
            else:
                self.save()

    def save(self) -> None:
        symbol = self.dice.choice(SYMBOLS)
        row = self.mine.get(symbol)
        after = None
        if row is None or self.dice.random() < 0.7:
            after = PositionValues(
                self.dice.randrange(1, 999), Decimal(self.dice.randrange(1, 99)), self.owner, self.owner
            )
        self.revisions.append(self.manager.save_positions(self.owner, [Edit(symbol, row, after)]))
        self.put(symbol, after)

    def undo(self) -> None:
        last = self.revisions.pop()
        self.manager.undo_revision(last.revision_id)
        for one in last.rows:
            self.put(one.symbol, None if one.before is None else replace(one.before, price=None))

    def put(self, symbol: str, row: PositionValues | None) -> None:
        self.mine.pop(symbol, None)
        if row is not None:
            self.mine[symbol] = row


@pytest.mark.parametrize(("schema", "version"), [("v2", 16), ("v2", 18), ("v3", 18)])
def test_editors_at_once_in_portfolios_of_their_own(
    database: Database, manager_of: ManagerOf, schema: str, version: int
) -> None:
    """Four editors, each in one portfolio, with the same symbols; one more who sets prices."""
    url = database(schema, version)
    manager = manager_of(url)
    owners = [f"E{number}" for number in range(4)]
    for owner in owners:
        manager.copy_portfolio("DEFAULT", owner, owner)
    start = Model.of(url).rows
    editors = [Editor(manager, owner, start[owner]) for owner in owners]

    def set_prices() -> None:
        for number in range(60):
            manager.update_position_price(SYMBOLS[number % 4], Decimal(100 + number))

    assert at_once(set_prices, *(editor.work for editor in editors)) == []
    after = Model.of(url).rows
    assert after["DEFAULT"] == start["DEFAULT"]
    for editor in editors:
        assert after[editor.owner] == editor.mine
        assert replay(manager.revisions(editor.owner, limit=1000)[:-1], start[editor.owner]) == editor.mine
    differing = "SELECT symbol FROM public.portfolio_positions GROUP BY symbol HAVING count(DISTINCT current_price) > 1"
    assert execute(url, differing) == []


@pytest.mark.parametrize(("schema", "version"), [("v1", 16), ("v1", 18), ("v2", 18), ("v3", 18)])
def test_editors_of_the_same_position_lose_nothing(
    database: Database, manager_of: ManagerOf, schema: str, version: int
) -> None:
    """Each adds one share at a time, and reads again when another was first: every share is there at the end."""
    url = database(schema, version)
    start = rows_of(manager_of(url))

    def editor(number: int) -> Callable[[], None]:
        manager = manager_of(url)

        def work() -> None:
            added = 0
            while added < 15:
                row = rows_of(manager)["0700.HK"]
                edit = Edit("0700.HK", row, replace(row, quantity=row.quantity + 1))
                with contextlib.suppress(SaveConflict):
                    manager.save_positions("DEFAULT", [edit], by=f"editor {number}")
                    added += 1

        return work

    assert at_once(*map(editor, range(4))) == []
    assert execute(url, "SELECT quantity FROM public.portfolio_positions WHERE symbol = '0700.HK'") == [(3160,)]
    revisions = manager_of(url).revisions("DEFAULT", limit=1000)
    assert Counter(save.by for save in revisions) == {f"editor {number}": 15 for number in range(4)}
    assert replay(revisions, start)["0700.HK"].quantity == 3160
