-- Phase 2: from the transitional schema (v2) to the complete one (v3), live. v1 clients end here: the run is refused
-- while any are connected. The headings of a step are explained in migration_v1_to_v2.sql.

-- step: constraints
-- title: Declare that every row has a portfolio, for new rows (old ones are checked in the next steps)
-- why: From here on no row can be written without a portfolio that exists. Old rows are not looked at yet: that takes no time.
-- kind: expand
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals
-- done: SELECT hk_migration.constraint_valid('trading_signals_portfolio_id_fkey') IS NOT NULL
ALTER TABLE public.portfolio_positions
    ADD CONSTRAINT hk_positions_portfolio_id_present CHECK (portfolio_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT portfolio_positions_portfolio_id_fkey FOREIGN KEY (portfolio_id)
        REFERENCES public.portfolios(portfolio_id) ON DELETE CASCADE NOT VALID;
ALTER TABLE public.trading_signals
    ADD CONSTRAINT hk_signals_portfolio_id_present CHECK (portfolio_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT trading_signals_portfolio_id_fkey FOREIGN KEY (portfolio_id)
        REFERENCES public.portfolios(portfolio_id) ON DELETE CASCADE NOT VALID;

-- step: validate_positions
-- title: Check that every position belongs to a portfolio
-- why: The rule of the step before, for the rows that were there. It reads the table once, and nobody is held up.
-- grows: portfolio_positions
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
-- done: SELECT coalesce(hk_migration.constraint_valid('portfolio_positions_portfolio_id_fkey'), false) AND coalesce(hk_migration.constraint_valid('hk_positions_portfolio_id_present'), true)
ALTER TABLE public.portfolio_positions
    VALIDATE CONSTRAINT hk_positions_portfolio_id_present,
    VALIDATE CONSTRAINT portfolio_positions_portfolio_id_fkey;

-- step: validate_signals
-- title: Check that every signal belongs to a portfolio
-- why: The rule of the first step, for the signals that were there. It reads the table once, and nobody is held up.
-- grows: trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
-- done: SELECT coalesce(hk_migration.constraint_valid('trading_signals_portfolio_id_fkey'), false) AND coalesce(hk_migration.constraint_valid('hk_signals_portfolio_id_present'), true)
ALTER TABLE public.trading_signals
    VALIDATE CONSTRAINT hk_signals_portfolio_id_present,
    VALIDATE CONSTRAINT trading_signals_portfolio_id_fkey;

-- step: views_and_functions
-- title: Create portfolio_performance and validate_portfolio_integrity()
-- why: Performance per portfolio, and a function that looks for what is odd in one.
-- kind: expand
-- mode: transaction
-- lock: ACCESS SHARE
-- done: SELECT to_regprocedure('public.validate_portfolio_integrity(varchar)') IS NOT NULL
CREATE OR REPLACE VIEW public.portfolio_performance AS
SELECT s.portfolio_id, s.name, s.description, s.total_positions, s.active_positions,
       s.total_market_value, s.total_cost, s.total_unrealized_pnl, s.created_at, s.updated_at,
       round(s.total_unrealized_pnl / nullif(s.total_cost, 0) * 100, 2) AS return_percentage,
       (SELECT count(DISTINCT h.sector) FROM public.portfolio_positions h
         WHERE h.portfolio_id = s.portfolio_id AND h.quantity <> 0) AS sector_count,
       (SELECT count(*) FROM public.trading_signals t
         WHERE t.portfolio_id = s.portfolio_id
           AND t.created_at >= CURRENT_TIMESTAMP - INTERVAL '7 days') AS signals_last_7_days
  FROM public.portfolio_summary s;

CREATE OR REPLACE FUNCTION public.validate_portfolio_integrity(check_portfolio_id varchar DEFAULT NULL)
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

CREATE OR REPLACE FUNCTION public.hk_touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := CURRENT_TIMESTAMP;
    RETURN NEW;
END $$;

-- step: contract
-- title: Make portfolio_id obligatory and take the v1 compatibility layer away
-- why: What only v1 clients needed goes: from here on they cannot work. The run stops before it while any of them is connected, unless you insist. No row is read.
-- kind: contract
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals
-- before: refuse v1 clients
-- done: SELECT NOT hk_migration.has_column('portfolio_positions', 'legacy_symbol')
SELECT hk_migration.point_v1_views_at_tables(true);
ALTER TABLE public.portfolio_positions
    ALTER COLUMN portfolio_id SET NOT NULL,
    DROP CONSTRAINT IF EXISTS hk_positions_portfolio_id_present;
ALTER TABLE public.trading_signals
    ALTER COLUMN portfolio_id SET NOT NULL,
    DROP CONSTRAINT IF EXISTS hk_signals_portfolio_id_present;
DROP TRIGGER IF EXISTS portfolio_positions_sync_legacy ON public.portfolio_positions;
DROP TRIGGER IF EXISTS trading_signals_default_portfolio ON public.trading_signals;
DROP FUNCTION IF EXISTS public.hk_sync_legacy_symbol();
DROP FUNCTION IF EXISTS public.hk_default_portfolio();
ALTER TABLE public.portfolio_positions DROP COLUMN IF EXISTS legacy_symbol;
SELECT hk_migration.retire_v1_schemas();
CREATE OR REPLACE TRIGGER portfolios_updated_at
    BEFORE UPDATE ON public.portfolios
    FOR EACH ROW EXECUTE FUNCTION public.hk_touch_updated_at();

-- step: tidy
-- title: Drop what is left of the compatibility views, and their schemas
-- why: No client finds these views any more. What was under way when they went out of sight has ended.
-- kind: contract
-- mode: transaction
-- locks: portfolio_positions, trading_signals, price_history, portfolio_analyses, portfolio_value_history
-- before: wait for transactions
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.v1_views())
SELECT hk_migration.drop_v1_schemas();

-- step: analyze
-- title: Refresh the planner's statistics
-- why: So that PostgreSQL decides how to read by what is there now.
-- grows: portfolio_positions, trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
ANALYZE public.portfolio_positions, public.trading_signals, public.portfolios;
