"""One connection of the old application: what it does all day, what it checks, and what it remembers."""

import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from threading import Barrier, BrokenBarrierError, Event

from tests.support.load import v1
from tests.support.load.ledger import Holding, Ledger
from tests.support.load.session import Answer, Session, StatementFailed, Style

TOKENS_PER_CONNECTION = 50_000_000
TOKENS_PER_LOAD = 2_000_000
MAX_TRANSIENT = 40


class V1Client:
    """Owns some of the symbols: no other connection writes to them, so what they must hold is decidable.

    `number` of `of` connections; `load` numbers the loads on one database, so that tokens do not meet.
    """

    def __init__(self, number: int, load: int, style: Style, url: str, kinds: list[str]) -> None:
        self.session = Session(style, url, kinds)
        self.ledger = Ledger()
        self.merged = Event()
        self._prefix = f"N{load}{number}"
        self._race_prefix = f"R{load}"
        self._random = random.Random(1000 * load + number)
        self._token = v1.FIRST_TOKEN + number * TOKENS_PER_CONNECTION + load * TOKENS_PER_LOAD
        self._made = 0
        self._symbols: list[str] = []
        self._transient: list[str] = []
        self._deleted: list[str] = []
        self._signals_of: dict[str, list[int]] = {}
        self._prices_of: dict[str, list[int]] = {}
        self._last_slot = 0
        self._actions: list[tuple[Callable[[], None], int]] = [
            (self.read_own, 14),
            (self.read_star, 8),
            (self.read_joined, 5),
            (self.read_latest, 4),
            (self.read_totals, 2),
            (self.read_all, 1),
            (self.update_price, 20),
            (self.insert_signal, 10),
            (self.insert_price, 12),
            (self.upsert_known, 8),
            (self.upsert_new, 6),
            (self.delete_transient, 4),
            (self.price_in_transaction, 8),
            (self.race_for_new_symbol, 4),
            (self.run_init_again, 1),
            (self.record_analysis, 1),
        ]

    # -- life of the connection

    def take(self, symbols: Sequence[str]) -> None:
        """Read the positions that this connection owns from now on."""
        answer = self.session.run("read own positions", v1.OWN_POSITIONS, [list(symbols)])
        for symbol, number, quantity, avg_cost, price in answer.rows:
            self.ledger.holdings[symbol] = Holding(
                number, quantity, str(avg_cost), None if price is None else str(price)
            )
            self._symbols.append(symbol)

    def one(self) -> None:
        """One action, at random; a failed statement is on record, and the application goes on."""
        actions = [action for action, _ in self._actions]
        weights = [weight for _, weight in self._actions]
        action = self._random.choices(actions, weights)[0]
        try:
            action()
        except StatementFailed:
            return

    def wrong(self, text: str) -> None:
        if len(self.session.record.wrong) < 1000:
            self.session.record.wrong.append(f"{self.session.style.name}: {text}")

    # -- reading

    def _check_columns(self, table: str, answer: Answer) -> None:
        if answer.columns != v1.COLUMNS[table]:
            self.wrong(f"SELECT * FROM {table} has columns {answer.columns}")

    def _check_own_only(self, table: str, answer: Answer) -> None:
        if self.merged.is_set():
            return
        for row in answer.rows:
            if row[1].startswith(v1.FOREIGN_PREFIX) or v1.FOREIGN_NUMBER in (row[3], row[5]):
                self.wrong(f"SELECT * FROM {table} shows another portfolio's row {row}")

    def _check_holding(self, row: tuple[str, int, int, Decimal, Decimal | None]) -> None:
        symbol, number, quantity, avg_cost, price = row
        known = self.ledger.holdings.get(symbol)
        if known is None or symbol in self.ledger.unsure:
            return
        expected: list[tuple[object, object]] = [(known.id, number)]
        if known.price is not None:
            expected.append((Decimal(known.price), price))
        if not self.merged.is_set():
            expected.append((known.quantity, quantity))
            expected.append((None if known.avg_cost is None else Decimal(known.avg_cost), avg_cost))
        if any(wanted is not None and wanted != actual for wanted, actual in expected):
            self.wrong(f"read {row} back where {known} was acknowledged")

    def read_own(self) -> None:
        symbol = self._random.choice(self._symbols)
        answer = self.session.run("select columns", v1.OWN_POSITION, [symbol])
        if len(answer.rows) != 1:
            self.wrong(f"own position {symbol} has {len(answer.rows)} rows")
        for row in answer.rows:
            self._check_holding((row[0], row[1], row[2], row[3], row[4]))

    def read_star(self) -> None:
        symbol = self._random.choice(self._symbols)
        answer = self.session.run("select * position", v1.ONE_POSITION, [symbol])
        self._check_columns("portfolio_positions", answer)
        self._check_own_only("portfolio_positions", answer)
        if len(answer.rows) != 1:
            self.wrong(f"SELECT * of own position {symbol} has {len(answer.rows)} rows")
        self._check_columns("price_history", self.session.run("select * prices", v1.SYMBOL_PRICES, [symbol]))

    def read_joined(self) -> None:
        self.session.run("select join", v1.JOINED, [self._random.choice(self._symbols)])

    def read_latest(self) -> None:
        answer = self.session.run("select * signals", v1.LATEST_SIGNALS)
        self._check_columns("trading_signals", answer)
        self._check_own_only("trading_signals", answer)
        symbol = self._random.choice(self._symbols)
        self._check_columns("trading_signals", self.session.run("select * signals", v1.SYMBOL_SIGNALS, [symbol]))

    def read_totals(self) -> None:
        self.session.run("select totals", v1.TOTALS)

    def read_all(self) -> None:
        answer = self.session.run("select * positions", v1.ALL_POSITIONS)
        self._check_columns("portfolio_positions", answer)
        self._check_own_only("portfolio_positions", answer)
        if len({row[1] for row in answer.rows}) != len(answer.rows):
            self.wrong("SELECT * FROM portfolio_positions shows a symbol twice")

    # -- writing

    def _price(self) -> str:
        return f"{self._random.randint(1, 9_999)}.{self._random.randint(0, 999):03d}"

    def _next_token(self) -> int:
        self._token += 1
        return self._token

    def _write(self, symbol: str, kind: str, sql: str, params: Sequence[object]) -> Answer:
        try:
            return self.session.run(kind, sql, params)
        except StatementFailed as failed:
            if failed.unsure:
                self.ledger.unsure[symbol] = None
            raise

    def _expect(self, answer: Answer, count: int, what: str) -> None:
        if answer.count != count and not self.merged.is_set():
            self.wrong(f"{what} changed {answer.count} rows, not {count}")

    def update_price(self) -> None:
        symbol, price = self._random.choice(self._symbols + self._transient), self._price()
        answer = self._write(symbol, "update price", v1.UPDATE_PRICE, [Decimal(price), symbol])
        self._expect(answer, 1, f"UPDATE of the price of {symbol}")
        self._remember(symbol, price=price)

    def _remember(self, symbol: str, **values: object) -> None:
        holding = self.ledger.holdings[symbol]
        assert holding is not None, symbol
        for name, value in values.items():
            setattr(holding, name, value)

    def insert_signal(self) -> None:
        symbol, price, token = self._random.choice(self._symbols + self._transient), self._price(), self._next_token()
        letter = self._random.choice("ABCD")
        self._write(symbol, "insert signal", v1.INSERT_SIGNAL, [symbol, letter, Decimal(price), token])
        self.ledger.signals[token] = (symbol, price)
        self._signals_of.setdefault(symbol, []).append(token)

    def insert_price(self) -> None:
        symbol, price, token = self._random.choice(self._symbols + self._transient), self._price(), self._next_token()
        self._write(symbol, "insert price", v1.INSERT_PRICE, [symbol, Decimal(price), token])
        self.ledger.prices[token] = (symbol, price)
        self._prices_of.setdefault(symbol, []).append(token)

    def _holding(self) -> tuple[int, str, str]:
        return self._random.randint(0, 5_000), self._price(), self._price()

    def upsert_known(self) -> None:
        """Half of them DO NOTHING, on a symbol that is there; half DO UPDATE, whose id must be the one it had."""
        symbol = self._random.choice(self._symbols)
        quantity, cost, price = self._holding()
        params = [symbol, f"Company {symbol}", quantity, Decimal(cost), Decimal(price)]
        if self._random.random() < 0.5:
            answer = self._write(symbol, "upsert do nothing", v1.UPSERT_NOTHING, params)
            self._expect(answer, 0, f"upsert DO NOTHING of {symbol}, which is there,")
            return
        answer = self._write(symbol, "upsert do update", v1.UPSERT_UPDATE, params)
        known = self.ledger.holdings[symbol]
        if known is not None and known.id not in (None, answer.rows[0][0]):
            self.wrong(f"upsert of {symbol} returned id {answer.rows[0][0]}, the row had {known.id}")
        self._remember(symbol, id=answer.rows[0][0], quantity=quantity, avg_cost=cost, price=price)

    def upsert_new(self) -> None:
        """A brand-new symbol, or one that this connection deleted a while ago; a signal and a price with it."""
        if len(self._transient) >= MAX_TRANSIENT:
            return self.delete_transient()
        if self._deleted and self._random.random() < 0.3:
            symbol = self._deleted.pop()
        else:
            self._made += 1
            symbol = f"{self._prefix}{self._made:06d}"
        quantity, cost, price = self._holding()
        params = [symbol, f"Company {symbol}", quantity, Decimal(cost), Decimal(price)]
        if self._random.random() < 0.5:
            answer = self._write(symbol, "upsert do nothing", v1.UPSERT_NOTHING, params)
            self._expect(answer, 1, f"upsert DO NOTHING of {symbol}, which is not there,")
            # A merge may have brought the symbol back meanwhile: then the row is as the other portfolio had it.
            known = Holding(None, quantity, cost, price) if answer.count == 1 else Holding(None, None, None, None)
        else:
            number = self._write(symbol, "upsert do update", v1.UPSERT_UPDATE, params).rows[0][0]
            known = Holding(number, quantity, cost, price)
        self.ledger.holdings[symbol] = known
        self._transient.append(symbol)
        token = self._next_token()
        self._write(symbol, "insert signal", v1.INSERT_SIGNAL, [symbol, "A", Decimal(price), token])
        self.ledger.signals[token] = (symbol, price)
        self._signals_of.setdefault(symbol, []).append(token)
        return None

    def delete_transient(self) -> None:
        if not self._transient:
            return
        symbol = self._transient[self._random.randrange(len(self._transient))]
        answer = self._write(symbol, "delete position", v1.DELETE_POSITION, [symbol])
        self._expect(answer, 1, f"DELETE of {symbol}")
        self._transient.remove(symbol)
        self._deleted.append(symbol)
        self.ledger.holdings[symbol] = None
        for token in self._signals_of.pop(symbol, []):
            self.ledger.signals.pop(token, None)
            self.ledger.gone[token] = symbol
        # Version 1 deletes the prices too, later versions keep them: either is right.
        for token in self._prices_of.pop(symbol, []):
            self.ledger.prices.pop(token, None)

    def price_in_transaction(self) -> None:
        """Reads prices, thinks for a moment, then updates two positions: the pattern that deadlocks migrations."""
        symbols = sorted(self._random.sample(self._symbols, 2))
        price, quantity, cost = self._price(), self._random.randint(0, 5_000), self._price()
        token = self._next_token()
        try:
            self.session.begin()
            self.session.run("transaction: read", v1.LAST_PRICE, [symbols[0]])
            self.session.run("transaction: read", v1.OWN_POSITION, [symbols[1]])
            time.sleep(self._random.random() * 0.004)
            for sql, values in (
                (v1.UPDATE_PRICE, [Decimal(price), symbols[0]]),
                (v1.UPDATE_HOLDING, [quantity, Decimal(cost), symbols[1]]),
            ):
                answer = self.session.run("transaction: update", sql, values)
                self._expect(answer, 1, f"UPDATE in a transaction on {symbols}")
            self.session.run("transaction: insert", v1.INSERT_PRICE, [symbols[0], Decimal(price), token])
            self.session.commit()
        except StatementFailed as failed:
            if failed.unsure:
                self.ledger.unsure |= dict.fromkeys(symbols)
            raise
        self._remember(symbols[0], price=price)
        self._remember(symbols[1], quantity=quantity, avg_cost=cost)
        self.ledger.prices[token] = (symbols[0], price)

    def race_for_new_symbol(self) -> None:
        """All connections meet at one brand-new symbol per 50 ms, whatever the migration is doing meanwhile."""
        slot = int(time.monotonic() * 20) + 1
        if slot <= self._last_slot:
            return
        self._last_slot = slot
        time.sleep(max(0.0, slot / 20 - time.monotonic()))
        self.upsert_shared(f"{self._race_prefix}{slot % 10_000_000:07d}", "race")

    def upsert_shared(self, symbol: str, kind: str) -> None:
        params = [symbol, "Raced", 10, Decimal("1.5"), Decimal("2.5")]
        if self._random.random() < 0.5:
            self.session.run(f"{kind} do nothing", v1.UPSERT_NOTHING, params)
        else:
            self.session.run(f"{kind} do update", v1.UPSERT_UPDATE, params)
        self.ledger.shared[symbol] = None

    def burst(self, rounds: int, number: int, barrier: Barrier) -> None:
        """Upsert `rounds` brand-new symbols, each at the same instant as all other connections."""
        for turn in range(rounds):
            try:
                barrier.wait(timeout=60)
                self.upsert_shared(f"B{number % 1000}{turn:06d}", "burst")
            except (StatementFailed, BrokenBarrierError):
                continue

    # -- now and then

    def run_init_again(self) -> None:
        for statement in v1.create_tables():
            self.session.run("create table if not exists", statement)
        self.session.run("insert sample rows", v1.SAMPLE_ROWS)

    def record_analysis(self) -> None:
        name = f"Review {self._next_token()}"
        number = self.session.run("insert analysis", v1.INSERT_ANALYSIS, [name]).rows[0][0]
        self.ledger.analyses[number] = name
        self.session.run("insert value", v1.INSERT_VALUE, [number])
        self._check_columns("portfolio_analyses", self.session.run("select * analyses", v1.ANALYSES))
        self._check_columns("portfolio_value_history", self.session.run("select * values", v1.VALUES, [number]))
