"""What version 1's clients know of their database: the columns, and the statements they send."""

from pathlib import Path

INIT_SQL = Path(__file__).resolve().parents[3] / "migrations" / "init.sql"

INT4, TEXT, DATE, TIMESTAMP, NUMERIC, VARCHAR, JSONB = 23, 25, 1082, 1114, 1700, 1043, 3802

# Per column: name, type OID, precision and scale (None where the type has none).
Column = tuple[str, int, int | None, int | None]


def _int(name: str) -> Column:
    return (name, INT4, None, None)


def _num(name: str, precision: int, scale: int) -> Column:
    return (name, NUMERIC, precision, scale)


def _other(name: str, oid: int) -> Column:
    return (name, oid, None, None)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "portfolio_positions": (
        _int("id"),
        _other("symbol", VARCHAR),
        _other("company_name", VARCHAR),
        _int("quantity"),
        _num("avg_cost", 10, 3),
        _num("current_price", 10, 3),
        _num("market_value", 12, 2),
        _num("unrealized_pnl", 12, 2),
        _other("sector", VARCHAR),
        _other("last_updated", TIMESTAMP),
    ),
    "trading_signals": (
        _int("id"),
        _other("symbol", VARCHAR),
        _other("signal_type", VARCHAR),
        _num("signal_strength", 3, 2),
        _num("price", 10, 3),
        _int("volume"),
        _num("rsi", 5, 2),
        _num("ma_5", 10, 3),
        _num("ma_20", 10, 3),
        _num("ma_50", 10, 3),
        _num("bollinger_upper", 10, 3),
        _num("bollinger_lower", 10, 3),
        _other("created_at", TIMESTAMP),
    ),
    "price_history": (
        _int("id"),
        _other("symbol", VARCHAR),
        _num("price", 10, 3),
        _int("volume"),
        _num("high", 10, 3),
        _num("low", 10, 3),
        _num("open_price", 10, 3),
        _num("close_price", 10, 3),
        _other("timestamp", TIMESTAMP),
    ),
    "portfolio_analyses": (
        _int("id"),
        _other("name", VARCHAR),
        _other("start_date", DATE),
        _other("end_date", DATE),
        _other("created_at", TIMESTAMP),
        _other("user_notes", TEXT),
        _num("start_pv", 15, 2),
        _num("end_pv", 15, 2),
        _num("total_return", 10, 4),
        _num("max_drawdown", 10, 4),
        _num("volatility", 10, 4),
    ),
    "portfolio_value_history": (
        _int("id"),
        _int("analysis_id"),
        _other("trade_date", DATE),
        _num("portfolio_value", 15, 2),
        _num("cash_value", 15, 2),
        _num("total_value", 15, 2),
        _num("daily_change", 15, 2),
        _num("daily_return", 10, 6),
        _other("top_contributors", JSONB),
        _other("created_at", TIMESTAMP),
    ),
}

# A row of another portfolio carries one of these marks, so that a v1 client notices that it sees what it must not.
FOREIGN_PREFIX = "90"  # of symbols that exist nowhere else: 90000.HK to 90999.HK
FOREIGN_NUMBER = 777_777

# Tokens: the application puts a number of its own into `volume` of every row it adds, and finds the row by it.
FIRST_TOKEN = 100_000_000

ALL_POSITIONS = "SELECT * FROM portfolio_positions ORDER BY market_value DESC"
ONE_POSITION = "SELECT * FROM portfolio_positions WHERE symbol = %s"
OWN_POSITION = "SELECT symbol, id, quantity, avg_cost, current_price FROM portfolio_positions WHERE symbol = %s"
OWN_POSITIONS = (
    "SELECT symbol, id, quantity, avg_cost, current_price FROM portfolio_positions WHERE symbol = ANY(%s) ORDER BY id"
)
TOTALS = "SELECT count(*), sum(market_value), sum(unrealized_pnl) FROM portfolio_positions"
LATEST_SIGNALS = "SELECT * FROM trading_signals ORDER BY created_at DESC LIMIT 50"
SYMBOL_SIGNALS = "SELECT * FROM trading_signals WHERE symbol = %s ORDER BY created_at DESC LIMIT 20"
SYMBOL_PRICES = "SELECT * FROM price_history WHERE symbol = %s ORDER BY timestamp DESC LIMIT 30"
JOINED = (
    "SELECT p.symbol, p.company_name, p.quantity * p.current_price, s.signal_type, s.signal_strength"
    " FROM portfolio_positions p JOIN trading_signals s ON s.symbol = p.symbol WHERE p.symbol = %s"
)
ANALYSES = "SELECT * FROM portfolio_analyses ORDER BY created_at DESC LIMIT 5"
VALUES = "SELECT * FROM portfolio_value_history WHERE analysis_id = %s ORDER BY trade_date"
LAST_PRICE = "SELECT price FROM price_history WHERE symbol = %s ORDER BY timestamp DESC LIMIT 1"
UPDATE_PRICE = "UPDATE portfolio_positions SET current_price = %s, last_updated = CURRENT_TIMESTAMP WHERE symbol = %s"
UPDATE_HOLDING = "UPDATE portfolio_positions SET quantity = %s, avg_cost = %s WHERE symbol = %s"
INSERT_SIGNAL = (
    "INSERT INTO trading_signals (symbol, signal_type, signal_strength, price, volume, rsi, ma_5)"
    " VALUES (%s, %s, 0.75, %s, %s, 55.5, 10.125)"
)
INSERT_PRICE = (
    "INSERT INTO price_history (symbol, price, volume, high, low, open_price, close_price)"
    " VALUES (%s, %s, %s, 2, 1, 1.5, 1.75)"
)
UPSERT_NOTHING = (
    "INSERT INTO portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector)"
    " VALUES (%s, %s, %s, %s, %s, 'Other') ON CONFLICT (symbol) DO NOTHING"
)
UPSERT_UPDATE = (
    "INSERT INTO portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector)"
    " VALUES (%s, %s, %s, %s, %s, 'Other') ON CONFLICT (symbol) DO UPDATE SET company_name = EXCLUDED.company_name,"
    " quantity = EXCLUDED.quantity, avg_cost = EXCLUDED.avg_cost, current_price = EXCLUDED.current_price,"
    " last_updated = CURRENT_TIMESTAMP RETURNING id"
)
DELETE_POSITION = "DELETE FROM portfolio_positions WHERE symbol = %s"
INSERT_ANALYSIS = (
    "INSERT INTO portfolio_analyses (name, start_date, end_date, user_notes, start_pv, end_pv)"
    " VALUES (%s, '2026-01-02', '2026-06-30', 'old application', 100, 110) RETURNING id"
)
INSERT_VALUE = (
    "INSERT INTO portfolio_value_history (analysis_id, trade_date, portfolio_value, cash_value, total_value)"
    " VALUES (%s, '2026-01-02', 90, 10, 100) ON CONFLICT (analysis_id, trade_date) DO NOTHING"
)
SAMPLE_ROWS = (
    "INSERT INTO portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector) VALUES"
    " ('0005.HK', 'HSBC', 13428, 38.50, 39.75, 'Financials'), ('0700.HK', 'Tencent', 3100, 320.50, 315.20, 'Tech'),"
    " ('0857.HK', 'PetroChina', 0, 7.50, 7.80, 'Energy'), ('9988.HK', 'Alibaba', 2000, 115.00, 118.75, 'Tech')"
    " ON CONFLICT (symbol) DO NOTHING"
)


def create_tables() -> tuple[str, ...]:
    """The CREATE TABLE IF NOT EXISTS statements of init.sql, in order."""
    parts = [statement.partition("CREATE TABLE IF NOT EXISTS") for statement in INIT_SQL.read_text().split(";")]
    return tuple(verb + rest for _, verb, rest in parts if verb)
