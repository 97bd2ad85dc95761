-- A fresh v3 database: several portfolios, each with positions of its own.
-- A v1 database migrated by phase 1 and phase 2 has this same catalog; a test holds the two together.

CREATE TABLE public.portfolios (
    id           serial PRIMARY KEY,
    portfolio_id varchar(50) NOT NULL UNIQUE,
    name         varchar(200) NOT NULL,
    description  text,
    created_at   timestamp DEFAULT CURRENT_TIMESTAMP,
    updated_at   timestamp DEFAULT CURRENT_TIMESTAMP,
    strategy     varchar(100),
    copied_from  varchar(50),
    copied_at    timestamp,
    archived_at  timestamp
);

INSERT INTO public.portfolios (portfolio_id, name, description)
VALUES ('DEFAULT', 'Legacy Portfolio', 'The portfolio of the single-portfolio application');

CREATE TABLE public.portfolio_positions (
    id             serial PRIMARY KEY,
    symbol         varchar(10) NOT NULL,
    company_name   varchar(200),
    quantity       integer NOT NULL DEFAULT 0,
    avg_cost       decimal(10,3) NOT NULL DEFAULT 0,
    current_price  decimal(10,3) DEFAULT 0,
    market_value   decimal(12,2) GENERATED ALWAYS AS (quantity * current_price) STORED,
    unrealized_pnl decimal(12,2) GENERATED ALWAYS AS ((current_price - avg_cost) * quantity) STORED,
    sector         varchar(50),
    last_updated   timestamp DEFAULT CURRENT_TIMESTAMP,
    portfolio_id   varchar(50) NOT NULL DEFAULT 'DEFAULT',
    CONSTRAINT portfolio_positions_portfolio_id_symbol_key UNIQUE (portfolio_id, symbol),
    CONSTRAINT portfolio_positions_portfolio_id_fkey
        FOREIGN KEY (portfolio_id) REFERENCES public.portfolios(portfolio_id) ON DELETE CASCADE
);

CREATE TABLE public.trading_signals (
    id              serial PRIMARY KEY,
    symbol          varchar(10) NOT NULL,
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
    created_at      timestamp DEFAULT CURRENT_TIMESTAMP,
    portfolio_id    varchar(50) NOT NULL DEFAULT 'DEFAULT',
    CONSTRAINT trading_signals_portfolio_id_symbol_fkey
        FOREIGN KEY (portfolio_id, symbol)
        REFERENCES public.portfolio_positions(portfolio_id, symbol) ON DELETE CASCADE,
    CONSTRAINT trading_signals_portfolio_id_fkey
        FOREIGN KEY (portfolio_id) REFERENCES public.portfolios(portfolio_id) ON DELETE CASCADE
);

-- Prices belong to the market: no portfolio, and no position needed (an index has prices too).
CREATE TABLE public.price_history (
    id          serial PRIMARY KEY,
    symbol      varchar(10) NOT NULL,
    price       decimal(10,3) NOT NULL,
    volume      integer DEFAULT 0,
    high        decimal(10,3),
    low         decimal(10,3),
    open_price  decimal(10,3),
    close_price decimal(10,3),
    timestamp   timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE public.portfolio_analyses (
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

CREATE TABLE public.portfolio_value_history (
    id               serial PRIMARY KEY,
    analysis_id      integer REFERENCES public.portfolio_analyses(id) ON DELETE CASCADE,
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

CREATE INDEX idx_portfolio_symbol ON public.portfolio_positions(symbol);
CREATE INDEX idx_signals_symbol ON public.trading_signals(symbol);
CREATE INDEX idx_signals_created ON public.trading_signals(created_at DESC);
CREATE INDEX idx_signals_portfolio_symbol ON public.trading_signals(portfolio_id, symbol);
CREATE INDEX idx_signals_portfolio_created ON public.trading_signals(portfolio_id, created_at DESC);
CREATE INDEX idx_price_symbol_time ON public.price_history(symbol, timestamp DESC);
CREATE INDEX idx_analyses_dates ON public.portfolio_analyses(start_date, end_date);
CREATE INDEX idx_value_history_analysis_date ON public.portfolio_value_history(analysis_id, trade_date);
CREATE INDEX idx_value_history_date ON public.portfolio_value_history(trade_date);

-- A price is the market's: an update of one row reaches the same symbol in every portfolio. With the owner's rights,
-- since a client may have the right to set a price, and no other.
CREATE FUNCTION public.hk_share_price() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' AND (NEW.portfolio_id <> 'DEFAULT' OR coalesce(NEW.current_price, 0) = 0) THEN
        RETURN NULL;
    END IF;
    UPDATE public.portfolio_positions
       SET current_price = NEW.current_price, last_updated = NEW.last_updated
     WHERE symbol = NEW.symbol AND id <> NEW.id AND current_price IS DISTINCT FROM NEW.current_price;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION public.hk_share_price() FROM PUBLIC;

CREATE TRIGGER portfolio_positions_share_price
    AFTER INSERT OR UPDATE OF current_price ON public.portfolio_positions
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.hk_share_price();

CREATE FUNCTION public.hk_touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := CURRENT_TIMESTAMP;
    RETURN NEW;
END $$;

CREATE TRIGGER portfolios_updated_at
    BEFORE UPDATE ON public.portfolios
    FOR EACH ROW EXECUTE FUNCTION public.hk_touch_updated_at();

CREATE VIEW public.portfolio_summary AS
SELECT p.portfolio_id, p.name, p.description,
       count(h.id) AS total_positions,
       count(h.id) FILTER (WHERE h.quantity <> 0) AS active_positions,
       coalesce(sum(h.market_value), 0) AS total_market_value,
       coalesce(sum(h.quantity * h.avg_cost), 0) AS total_cost,
       coalesce(sum(h.unrealized_pnl), 0) AS total_unrealized_pnl,
       p.created_at, p.updated_at
  FROM public.portfolios p
  LEFT JOIN public.portfolio_positions h ON h.portfolio_id = p.portfolio_id
 GROUP BY p.portfolio_id, p.name, p.description, p.created_at, p.updated_at;

CREATE FUNCTION public.check_migration_status()
RETURNS TABLE (tbl_name text, has_portfolio_id boolean, null_portfolio_ids bigint, total_rows bigint)
LANGUAGE sql STABLE AS $$
    SELECT 'portfolios', true, count(*) FILTER (WHERE portfolio_id IS NULL), count(*) FROM public.portfolios
    UNION ALL
    SELECT 'portfolio_positions', true, count(*) FILTER (WHERE portfolio_id IS NULL), count(*)
      FROM public.portfolio_positions
    UNION ALL
    SELECT 'trading_signals', true, count(*) FILTER (WHERE portfolio_id IS NULL), count(*)
      FROM public.trading_signals
    UNION ALL
    SELECT 'price_history', false, 0::bigint, count(*) FROM public.price_history
$$;

CREATE VIEW public.portfolio_performance AS
SELECT s.portfolio_id, s.name, s.description, s.total_positions, s.active_positions,
       s.total_market_value, s.total_cost, s.total_unrealized_pnl, s.created_at, s.updated_at,
       round(s.total_unrealized_pnl / nullif(s.total_cost, 0) * 100, 2) AS return_percentage,
       (SELECT count(DISTINCT h.sector) FROM public.portfolio_positions h
         WHERE h.portfolio_id = s.portfolio_id AND h.quantity <> 0) AS sector_count,
       (SELECT count(*) FROM public.trading_signals t
         WHERE t.portfolio_id = s.portfolio_id
           AND t.created_at >= CURRENT_TIMESTAMP - INTERVAL '7 days') AS signals_last_7_days
  FROM public.portfolio_summary s;

CREATE FUNCTION public.validate_portfolio_integrity(check_portfolio_id varchar DEFAULT NULL)
RETURNS TABLE (portfolio_id varchar, issue_type text, issue_count bigint, issue_details text)
LANGUAGE sql STABLE AS $$
    SELECT p.portfolio_id, 'no_price', count(*), string_agg(h.symbol, ', ' ORDER BY h.symbol)
      FROM public.portfolios p JOIN public.portfolio_positions h ON h.portfolio_id = p.portfolio_id
     WHERE h.quantity <> 0 AND coalesce(h.current_price, 0) = 0
       AND (check_portfolio_id IS NULL OR p.portfolio_id = check_portfolio_id)
     GROUP BY p.portfolio_id
    UNION ALL
    SELECT p.portfolio_id, 'no_cost', count(*), string_agg(h.symbol, ', ' ORDER BY h.symbol)
      FROM public.portfolios p JOIN public.portfolio_positions h ON h.portfolio_id = p.portfolio_id
     WHERE h.quantity <> 0 AND h.avg_cost = 0
       AND (check_portfolio_id IS NULL OR p.portfolio_id = check_portfolio_id)
     GROUP BY p.portfolio_id
    UNION ALL
    SELECT h.portfolio_id, 'price_differs', count(*), string_agg(h.symbol, ', ' ORDER BY h.symbol)
      FROM public.portfolio_positions h
     WHERE EXISTS (SELECT FROM public.portfolio_positions o
                    WHERE o.symbol = h.symbol AND o.current_price IS DISTINCT FROM h.current_price)
       AND (check_portfolio_id IS NULL OR h.portfolio_id = check_portfolio_id)
     GROUP BY h.portfolio_id
    UNION ALL
    SELECT h.portfolio_id, 'unknown_portfolio', count(*), string_agg(h.symbol, ', ' ORDER BY h.symbol)
      FROM public.portfolio_positions h
     WHERE NOT EXISTS (SELECT FROM public.portfolios p WHERE p.portfolio_id = h.portfolio_id)
       AND (check_portfolio_id IS NULL OR h.portfolio_id = check_portfolio_id)
     GROUP BY h.portfolio_id
$$;
