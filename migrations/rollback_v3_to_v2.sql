-- Rollback from v3 to v2, live: the v1 compatibility layer comes back, no data changes. It also undoes a phase 2 that was
-- interrupted, wherever it stopped. The headings of a step are explained in migration_v1_to_v2.sql.

-- step: columns
-- title: Bring back the column and the triggers that v1 clients need
-- why: What v1's ON CONFLICT (symbol) needs, and the triggers that give rows of v1 clients to DEFAULT.
-- kind: expand
-- mode: transaction
-- locks: portfolio_positions, trading_signals
-- done: SELECT hk_migration.has_trigger('portfolio_positions_sync_legacy') AND hk_migration.has_trigger('trading_signals_default_portfolio')
ALTER TABLE public.portfolio_positions ADD COLUMN IF NOT EXISTS legacy_symbol varchar(10);

-- legacy_symbol is what v1 clients see as symbol: that of DEFAULT's rows, NULL on all others. Clients that insert the
-- same new symbol at once wait for each other here, as they did on v1's one unique index; with two unique indexes
-- they could meet the one that their ON CONFLICT does not name. The limit keeps a bulk load within the lock table. With
-- the owner's rights, since a client may have the right to insert, and not to read.
CREATE OR REPLACE FUNCTION public.hk_sync_legacy_symbol() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    locks_held integer;
BEGIN
    NEW.portfolio_id := coalesce(NEW.portfolio_id, 'DEFAULT');
    IF TG_OP = 'INSERT' THEN
        NEW.symbol := coalesce(NEW.symbol, NEW.legacy_symbol);
    ELSIF NEW.legacy_symbol IS DISTINCT FROM OLD.legacy_symbol AND NEW.symbol = OLD.symbol
          AND NEW.portfolio_id = 'DEFAULT' THEN
        NEW.symbol := NEW.legacy_symbol;
    END IF;
    NEW.legacy_symbol := CASE WHEN NEW.portfolio_id = 'DEFAULT' THEN NEW.symbol END;
    IF TG_OP = 'INSERT' AND NEW.portfolio_id = 'DEFAULT' AND NOT EXISTS (
        SELECT FROM public.portfolio_positions h WHERE h.symbol = NEW.symbol AND h.portfolio_id = 'DEFAULT')
    THEN
        locks_held := coalesce(nullif(current_setting('hk_strategy.new_symbols', true), ''), '0')::integer;
        IF locks_held < 1000 THEN
            PERFORM set_config('hk_strategy.new_symbols', (locks_held + 1)::text, true);
            PERFORM pg_advisory_xact_lock(hashtextextended('hk_strategy:' || NEW.symbol, 0));
        END IF;
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION public.hk_sync_legacy_symbol() FROM PUBLIC;
CREATE OR REPLACE TRIGGER portfolio_positions_sync_legacy
    BEFORE INSERT OR UPDATE OF symbol, legacy_symbol, portfolio_id ON public.portfolio_positions
    FOR EACH ROW EXECUTE FUNCTION public.hk_sync_legacy_symbol();

CREATE OR REPLACE FUNCTION public.hk_default_portfolio() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.portfolio_id := coalesce(NEW.portfolio_id, 'DEFAULT');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER trading_signals_default_portfolio
    BEFORE INSERT OR UPDATE OF portfolio_id ON public.trading_signals
    FOR EACH ROW EXECUTE FUNCTION public.hk_default_portfolio();

-- step: backfill
-- title: Fill legacy_symbol for DEFAULT's rows, a hundred at a time
-- why: The new column is empty for the rows that are there. A hundred rows at a time, so that no client waits long for a row.
-- grows: portfolio_positions
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT' AND legacy_symbol IS DISTINCT FROM symbol)
WITH batch AS (
    SELECT * FROM public.portfolio_positions
     WHERE portfolio_id = 'DEFAULT' AND legacy_symbol IS DISTINCT FROM symbol
     ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
), found AS (
    -- How the run finds the rows, for the proof: what clients changed until now is theirs, not the run's.
    INSERT INTO hk_migration.proof_position (run_id, id, digest, found)
    SELECT r.run_id, b.id, '', hk_migration.position_digest(b.symbol, b.company_name, b.quantity, b.avg_cost,
                                                            b.current_price, b.sector, b.last_updated)
      FROM batch b, (SELECT max(run_id) AS run_id FROM hk_migration.run) r WHERE r.run_id IS NOT NULL
    ON CONFLICT (run_id, id) DO UPDATE SET found = EXCLUDED.found
)
UPDATE public.portfolio_positions h SET legacy_symbol = h.symbol FROM batch WHERE h.id = batch.id;

-- step: index_legacy_symbol
-- title: Build the unique index that v1's ON CONFLICT (symbol) will find
-- why: Each symbol of DEFAULT once, as v1 clients expect. Built while clients go on reading and writing.
-- grows: portfolio_positions
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: portfolio_positions_legacy_symbol_key
CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_legacy_symbol_key
    ON public.portfolio_positions (legacy_symbol);

-- step: views
-- title: Give v1 clients views of DEFAULT, in a schema named like their role
-- why: v1 clients look a table up by its bare name, and find these views first: v1's columns, the rows of DEFAULT.
-- kind: expand
-- mode: transaction
-- lock: ACCESS SHARE
-- done: SELECT hk_migration.v1_views_ready(false)
SELECT hk_migration.create_v1_views();

-- step: repoint_views
-- title: Point the views that an interrupted phase 2 left at DEFAULT again
-- why: A phase 2 that stopped half-way had turned them away from DEFAULT already.
-- kind: switch
-- mode: transaction
-- locks: portfolio_positions, trading_signals
-- when: SELECT EXISTS (SELECT FROM hk_migration.v1_views() WHERE NOT over_legacy)
-- done: SELECT hk_migration.v1_views_ready(true)
SELECT hk_migration.point_v1_views_at_default();

-- step: switch
-- title: Switch: portfolio_id may be left out again
-- why: The rules of v3 go: v1 clients do not name a portfolio when they write. No row is read.
-- kind: switch
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals
-- done: SELECT hk_migration.constraint_valid('trading_signals_portfolio_id_fkey') IS NULL AND to_regclass('public.portfolio_performance') IS NULL
DROP FUNCTION IF EXISTS public.validate_portfolio_integrity(varchar);
DROP VIEW IF EXISTS public.portfolio_performance;
DROP TRIGGER IF EXISTS portfolios_updated_at ON public.portfolios;
DROP FUNCTION IF EXISTS public.hk_touch_updated_at();
ALTER TABLE public.portfolio_positions
    DROP CONSTRAINT IF EXISTS portfolio_positions_portfolio_id_fkey,
    DROP CONSTRAINT IF EXISTS hk_positions_portfolio_id_present,
    ALTER COLUMN portfolio_id DROP NOT NULL;
ALTER TABLE public.trading_signals
    DROP CONSTRAINT IF EXISTS trading_signals_portfolio_id_fkey,
    DROP CONSTRAINT IF EXISTS hk_signals_portfolio_id_present,
    ALTER COLUMN portfolio_id DROP NOT NULL;
SELECT hk_migration.drop_retired_v1_schemas();
SELECT hk_migration.renew_search_paths();

-- step: analyze
-- title: Refresh the planner's statistics
-- why: So that PostgreSQL knows the new column when it decides how to read.
-- grows: portfolio_positions, trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
ANALYZE public.portfolio_positions, public.trading_signals, public.portfolios;
