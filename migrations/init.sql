-- A fresh v1 database: one portfolio, whose positions are unique by symbol.
-- Safe to run again: what is there already stays as it is.

CREATE TABLE IF NOT EXISTS portfolio_positions (
    id             serial PRIMARY KEY,
    symbol         varchar(10) NOT NULL UNIQUE,
    company_name   varchar(200),
    quantity       integer NOT NULL DEFAULT 0,
    avg_cost       decimal(10,3) NOT NULL DEFAULT 0,
    current_price  decimal(10,3) DEFAULT 0,
    market_value   decimal(12,2) GENERATED ALWAYS AS (quantity * current_price) STORED,
    unrealized_pnl decimal(12,2) GENERATED ALWAYS AS ((current_price - avg_cost) * quantity) STORED,
    sector         varchar(50),
    last_updated   timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS trading_signals (
    id              serial PRIMARY KEY,
    symbol          varchar(10) NOT NULL REFERENCES portfolio_positions(symbol) ON DELETE CASCADE,
    signal_type     varchar(1) NOT NULL CHECK (signal_type IN ('A', 'B', 'C', 'D')),
    signal_strength decimal(3,2) NOT NULL DEFAULT 0.5,
    price           decimal(10,3) NOT NULL,
    volume          integer DEFAULT 0,
    rsi             decimal(5,2),
    ma_5            decimal(10,3),
    ma_20           decimal(10,3),
    ma_50           decimal(10,3),
    bollinger_upper decimal(10,3),
    bollinger_lower decimal(10,3),
    created_at      timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS price_history (
    id          serial PRIMARY KEY,
    symbol      varchar(10) NOT NULL REFERENCES portfolio_positions(symbol) ON DELETE CASCADE,
    price       decimal(10,3) NOT NULL,
    volume      integer DEFAULT 0,
    high        decimal(10,3),
    low         decimal(10,3),
    open_price  decimal(10,3),
    close_price decimal(10,3),
    timestamp   timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS portfolio_analyses (
    id           serial PRIMARY KEY,
    name         varchar(200) NOT NULL,
    start_date   date NOT NULL,
    end_date     date NOT NULL,
    created_at   timestamp DEFAULT CURRENT_TIMESTAMP,
    user_notes   text,
    start_pv     decimal(15,2),
    end_pv       decimal(15,2),
    total_return decimal(10,4),
    max_drawdown decimal(10,4),
    volatility   decimal(10,4),
    CONSTRAINT portfolio_analyses_dates_check CHECK (end_date >= start_date),
    CONSTRAINT portfolio_analyses_period_check CHECK (end_date <= start_date + INTERVAL '18 months')
);

CREATE TABLE IF NOT EXISTS portfolio_value_history (
    id               serial PRIMARY KEY,
    analysis_id      integer REFERENCES portfolio_analyses(id) ON DELETE CASCADE,
    trade_date       date NOT NULL,
    portfolio_value  decimal(15,2),
    cash_value       decimal(15,2),
    total_value      decimal(15,2),
    daily_change     decimal(15,2),
    daily_return     decimal(10,6),
    top_contributors jsonb,
    created_at       timestamp DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (analysis_id, trade_date)
);

CREATE INDEX IF NOT EXISTS idx_portfolio_symbol ON portfolio_positions(symbol);
CREATE INDEX IF NOT EXISTS idx_signals_symbol ON trading_signals(symbol);
CREATE INDEX IF NOT EXISTS idx_signals_created ON trading_signals(created_at DESC);
CREATE INDEX IF NOT EXISTS idx_price_symbol_time ON price_history(symbol, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_analyses_dates ON portfolio_analyses(start_date, end_date);
CREATE INDEX IF NOT EXISTS idx_value_history_analysis_date ON portfolio_value_history(analysis_id, trade_date);
CREATE INDEX IF NOT EXISTS idx_value_history_date ON portfolio_value_history(trade_date);
