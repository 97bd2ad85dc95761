-- Rollback from v2 to v1, live: back to the single-portfolio schema, nothing lost.
--
-- What v1 cannot hold goes into the archive first (schema hk_migration), and a later phase 1 brings it back. With
-- hk_migration.keep = 'merge' the portfolios are added up into DEFAULT; with 'default' only DEFAULT stays. v1 clients
-- go on working throughout. It also undoes a phase 1 that was interrupted, wherever it stopped.
-- The headings of a step are explained in migration_v1_to_v2.sql.

-- step: helpers
-- title: Prepare the rollback's helpers
-- why: Functions in this project's own schema, for the steps that follow. Nothing else changes.
-- kind: expand
-- mode: transaction
-- lock: ACCESS SHARE
-- A portfolios table that was there before phase 1 stays, as it was; ours goes.
CREATE OR REPLACE FUNCTION hk_migration.drop_portfolios() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    adopted jsonb := (SELECT value FROM hk_migration.mark WHERE name = 'portfolios_adopted');
    col     text;
BEGIN
    IF adopted IS NULL THEN
        DROP TABLE IF EXISTS public.portfolios;
        RETURN;
    END IF;
    DELETE FROM public.portfolios WHERE NOT adopted->'portfolio_ids' ? portfolio_id;
    IF NOT coalesce(adopted->'constraints' ? 'portfolios_portfolio_id_key', true) THEN
        ALTER TABLE public.portfolios DROP CONSTRAINT IF EXISTS portfolios_portfolio_id_key;
    END IF;
    FOR col IN SELECT attname FROM pg_catalog.pg_attribute
                WHERE attrelid = 'public.portfolios'::regclass AND attnum > 0 AND NOT attisdropped
                  AND NOT adopted->'columns' ? attname LOOP
        EXECUTE format('ALTER TABLE public.portfolios DROP COLUMN %I', col);
    END LOOP;
    DROP TRIGGER IF EXISTS hk_rollback_fence_insert ON public.portfolios;
    DROP TRIGGER IF EXISTS hk_rollback_fence_update ON public.portfolios;
    DROP TRIGGER IF EXISTS hk_rollback_fence_delete ON public.portfolios;
    DELETE FROM hk_migration.mark WHERE name = 'portfolios_adopted';
END $$;

-- step: fence
-- title: Open an archive, and hold the portfolios other than DEFAULT still (DEFAULT goes on as it was)
-- why: What is archived must not change while it is. DEFAULT, and with it every v1 client, is not concerned.
-- kind: expand
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals
-- when: SELECT hk_migration.several_possible()
-- done: SELECT hk_migration.filling_archive() IS NOT NULL AND hk_migration.has_trigger('hk_rollback_fence_delete')
INSERT INTO hk_migration.archive (keep)
SELECT coalesce(nullif(current_setting('hk_migration.keep', true), ''), 'merge')
 WHERE hk_migration.filling_archive() IS NULL;

CREATE OR REPLACE FUNCTION public.hk_rollback_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('hk_migration.active', true), '') <> 'on' THEN
        RAISE EXCEPTION USING ERRCODE = 'HK001', MESSAGE =
            'A rollback to the single-portfolio schema is in progress: only DEFAULT can be changed until it is finished.';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['portfolios', 'portfolio_positions', 'trading_signals'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER hk_rollback_fence_insert BEFORE INSERT ON public.%I FOR EACH ROW
            WHEN (NEW.portfolio_id <> ''DEFAULT'') EXECUTE FUNCTION public.hk_rollback_fence()', tbl);
        EXECUTE format('CREATE OR REPLACE TRIGGER hk_rollback_fence_update BEFORE UPDATE ON public.%I FOR EACH ROW
            WHEN ((OLD.portfolio_id <> ''DEFAULT'' OR NEW.portfolio_id <> ''DEFAULT'') AND pg_trigger_depth() = 0)
            EXECUTE FUNCTION public.hk_rollback_fence()', tbl);
        EXECUTE format('CREATE OR REPLACE TRIGGER hk_rollback_fence_delete BEFORE DELETE ON public.%I FOR EACH ROW
            WHEN (OLD.portfolio_id <> ''DEFAULT'') EXECUTE FUNCTION public.hk_rollback_fence()', tbl);
    END LOOP;
END $$;

-- step: archive_portfolios
-- title: Archive the portfolios and their positions
-- why: v1 knows one portfolio. The others are kept in this project's own schema, and a later phase 1 brings them back as they were.
-- grows: portfolio_positions
-- kind: backfill
-- mode: transaction
-- lock: ACCESS SHARE
-- when: SELECT hk_migration.several_possible()
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolios p WHERE NOT EXISTS (SELECT FROM hk_migration.archived_portfolio a WHERE a.archive_id = hk_migration.filling_archive() AND a.portfolio_id = p.portfolio_id))
INSERT INTO hk_migration.archived_portfolio (archive_id, portfolio_id, row)
SELECT hk_migration.filling_archive(), p.portfolio_id, to_jsonb(p) FROM public.portfolios p
ON CONFLICT DO NOTHING;
INSERT INTO hk_migration.archived_position (archive_id, id, portfolio_id, symbol, quantity, avg_cost, row)
SELECT hk_migration.filling_archive(), h.id, h.portfolio_id, h.symbol, h.quantity, h.avg_cost, to_jsonb(h)
  FROM public.portfolio_positions h WHERE h.portfolio_id <> 'DEFAULT'
ON CONFLICT DO NOTHING;

-- How several portfolios' holdings of one symbol become one row of v1: quantities summed, average cost weighted by
-- quantity (all zero: the plain mean). Where long and short cancel out there is no quantity to carry the cost basis:
-- the mean weighted by size stands in, and the archive keeps the rows.
CREATE OR REPLACE FUNCTION hk_migration.merged_cost(total_shares numeric, total_cost numeric, sizes numeric,
                                                    cost_by_size numeric, mean_cost numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT round(CASE WHEN total_shares <> 0 AND total_cost / total_shares >= 0
                           AND total_cost / total_shares < 9999999 THEN total_cost / total_shares
                      WHEN sizes <> 0 THEN cost_by_size / sizes
                      ELSE mean_cost END, 3)
$$;

-- Merge one symbol into DEFAULT, in one go: no one sees it twice, or not at all. False: a client holds the row now.
CREATE OR REPLACE FUNCTION hk_migration.merge_symbol(archive bigint, sym varchar) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    now_row public.portfolio_positions;
    best    public.portfolio_positions;
    total   record;
BEGIN
    SELECT * INTO now_row FROM public.portfolio_positions h
     WHERE h.symbol = sym AND h.portfolio_id = 'DEFAULT' FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM public.portfolio_positions h
                              WHERE h.symbol = sym AND h.portfolio_id = 'DEFAULT') THEN
        RETURN false;
    ELSIF now_row.id IS NULL AND NOT pg_try_advisory_xact_lock(hashtextextended('hk_strategy:' || sym, 0)) THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM public.portfolio_positions h WHERE h.symbol = sym AND h.portfolio_id <> 'DEFAULT' FOR UPDATE;
    SELECT sum(h.quantity) AS shares,
           hk_migration.merged_cost(sum(h.quantity), sum(h.quantity * h.avg_cost), sum(abs(h.quantity)),
                                    sum(abs(h.quantity) * h.avg_cost), avg(h.avg_cost)) AS cost
      INTO total
      FROM public.portfolio_positions h
     WHERE h.symbol = sym
       AND NOT (h.id = coalesce(now_row.id, 0) AND EXISTS (
                SELECT FROM hk_migration.archived_merge m
                 WHERE m.archive_id = archive AND m.symbol = sym AND m.default_row IS NULL AND h.quantity = 0));
    SELECT * INTO best FROM public.portfolio_positions h WHERE h.symbol = sym
     ORDER BY h.portfolio_id <> 'DEFAULT', h.last_updated DESC NULLS LAST LIMIT 1;
    INSERT INTO hk_migration.archived_merge AS m (archive_id, symbol, default_row, merged_quantity, merged_avg_cost)
    VALUES (archive, sym, CASE WHEN now_row.id IS NOT NULL THEN to_jsonb(now_row) END, total.shares, total.cost)
    ON CONFLICT (archive_id, symbol) DO UPDATE
       SET default_row = coalesce(m.default_row, CASE WHEN now_row.quantity <> 0 THEN to_jsonb(now_row) END),
           merged_quantity = EXCLUDED.merged_quantity, merged_avg_cost = EXCLUDED.merged_avg_cost;
    IF now_row.id IS NULL THEN
        INSERT INTO public.portfolio_positions (portfolio_id, symbol, company_name, quantity, avg_cost, current_price,
                                                sector, last_updated)
        VALUES ('DEFAULT', sym, best.company_name, total.shares, total.cost, best.current_price, best.sector,
                best.last_updated);
    ELSE
        UPDATE public.portfolio_positions h
           SET quantity = total.shares, avg_cost = total.cost,
               -- A price is the market's: one that only another portfolio's row knows is kept.
               current_price = CASE WHEN coalesce(h.current_price, 0) <> 0 THEN h.current_price
                                    ELSE coalesce((SELECT o.current_price FROM public.portfolio_positions o
                                                    WHERE o.symbol = sym AND coalesce(o.current_price, 0) <> 0
                                                    ORDER BY o.last_updated DESC NULLS LAST LIMIT 1), h.current_price) END,
               company_name = coalesce(h.company_name, (SELECT jsonb_path_query_first(jsonb_agg(a.row),
                    '$[*].company_name ? (@ != null)') #>> '{}' FROM hk_migration.archived_position a
                    WHERE a.archive_id = archive AND a.symbol = sym)),
               sector = coalesce(h.sector, (SELECT jsonb_path_query_first(jsonb_agg(a.row),
                    '$[*].sector ? (@ != null)') #>> '{}' FROM hk_migration.archived_position a
                    WHERE a.archive_id = archive AND a.symbol = sym))
         WHERE h.id = now_row.id;
    END IF;
    UPDATE public.trading_signals t SET portfolio_id = 'DEFAULT' WHERE t.symbol = sym AND t.portfolio_id <> 'DEFAULT';
    DELETE FROM public.portfolio_positions h WHERE h.symbol = sym AND h.portfolio_id <> 'DEFAULT';
    RETURN true;
END $$;

-- step: archive_signals
-- title: Archive the signals of the portfolios other than DEFAULT
-- why: So that each finds its way back to its portfolio. A thousand at a time.
-- grows: trading_signals
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- when: SELECT hk_migration.several_possible()
-- done: SELECT NOT EXISTS (SELECT FROM public.trading_signals t WHERE t.portfolio_id <> 'DEFAULT' AND NOT EXISTS (SELECT FROM hk_migration.archived_signal a WHERE a.archive_id = hk_migration.filling_archive() AND a.id = t.id))
INSERT INTO hk_migration.archived_signal (archive_id, id, portfolio_id, row)
SELECT hk_migration.filling_archive(), t.id, t.portfolio_id, to_jsonb(t)
  FROM public.trading_signals t
 WHERE t.portfolio_id <> 'DEFAULT'
   AND t.id > coalesce((SELECT max(a.id) FROM hk_migration.archived_signal a
                         WHERE a.archive_id = hk_migration.filling_archive()), 0)
 ORDER BY t.id LIMIT 5000;

-- step: placeholders
-- title: Give DEFAULT an empty row for each symbol that only others hold, so that signals can move to it
-- why: A signal of v1 needs a position of its symbol. The empty rows are filled by the merge.
-- grows: portfolio_positions
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- when: SELECT hk_migration.several_possible() AND hk_migration.filling_keep() = 'merge'
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolio_positions o WHERE o.portfolio_id <> 'DEFAULT' AND NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.portfolio_id = 'DEFAULT' AND h.symbol = o.symbol))
WITH missing AS (
    SELECT DISTINCT ON (o.symbol) o.* FROM public.portfolio_positions o
     WHERE o.portfolio_id <> 'DEFAULT'
       AND NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.portfolio_id = 'DEFAULT' AND h.symbol = o.symbol)
     ORDER BY o.symbol, coalesce(o.current_price, 0) = 0, o.last_updated DESC NULLS LAST LIMIT 200
), free AS MATERIALIZED (
    -- The lock that a client holds while it inserts this very symbol: never waited for.
    SELECT * FROM missing WHERE pg_try_advisory_xact_lock(hashtextextended('hk_strategy:' || symbol, 0))
), noted AS (
    INSERT INTO hk_migration.archived_merge (archive_id, symbol)
    SELECT hk_migration.filling_archive(), symbol FROM free ON CONFLICT DO NOTHING
)
INSERT INTO public.portfolio_positions (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector,
                                        last_updated)
SELECT 'DEFAULT', symbol, company_name, 0, 0, current_price, sector, last_updated FROM free
ON CONFLICT DO NOTHING;

-- step: merge_signals
-- title: Keep every portfolio's signals under their symbol
-- why: v1 tells signals apart by symbol, not by portfolio: all of them stay.
-- grows: trading_signals
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- when: SELECT hk_migration.several_possible() AND hk_migration.filling_keep() = 'merge'
-- done: SELECT NOT EXISTS (SELECT FROM public.trading_signals t JOIN public.portfolio_positions h ON h.portfolio_id = 'DEFAULT' AND h.symbol = t.symbol WHERE t.portfolio_id <> 'DEFAULT')
WITH batch AS (
    SELECT t.id FROM public.trading_signals t
      JOIN public.portfolio_positions h ON h.portfolio_id = 'DEFAULT' AND h.symbol = t.symbol
     WHERE t.portfolio_id <> 'DEFAULT' LIMIT 1000 FOR KEY SHARE OF h SKIP LOCKED
)
UPDATE public.trading_signals t SET portfolio_id = 'DEFAULT' FROM batch WHERE t.id = batch.id;

-- step: merge_positions
-- title: Merge the positions into DEFAULT, symbol by symbol
-- why: Quantities are summed, costs averaged by quantity. Each symbol in one go: nobody sees it twice, or not at all.
-- grows: portfolio_positions
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- when: SELECT hk_migration.several_possible() AND hk_migration.filling_keep() = 'merge'
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT')
SELECT count(*) FILTER (WHERE hk_migration.merge_symbol(hk_migration.filling_archive(), symbol))
  FROM (SELECT DISTINCT symbol FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT' LIMIT 5) batch;

-- step: drop_others
-- title: Take the archived portfolios out of the live tables
-- why: They are in the archive. Only DEFAULT's rows stay, as you chose.
-- grows: portfolio_positions, trading_signals
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- when: SELECT hk_migration.several_possible() AND hk_migration.filling_keep() = 'default'
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT') AND NOT EXISTS (SELECT FROM public.trading_signals WHERE portfolio_id <> 'DEFAULT')
WITH signals AS (
    DELETE FROM public.trading_signals
     WHERE id = ANY (ARRAY(SELECT id FROM public.trading_signals WHERE portfolio_id <> 'DEFAULT' LIMIT 5000))
    RETURNING id
)
DELETE FROM public.portfolio_positions h
 WHERE h.id = ANY (ARRAY(SELECT o.id FROM public.portfolio_positions o
                          WHERE o.portfolio_id <> 'DEFAULT'
                            AND NOT EXISTS (SELECT FROM public.trading_signals t
                                             WHERE t.portfolio_id = o.portfolio_id AND t.symbol = o.symbol)
                          LIMIT 1000));

-- step: index_symbol
-- title: Build v1's unique index on symbol
-- why: v1's rule that a symbol is there once. Built while clients go on reading and writing.
-- grows: portfolio_positions
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: portfolio_positions_symbol_key
CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_symbol_key ON public.portfolio_positions (symbol);

-- step: switch
-- title: Switch: v1's tables and constraints as they were
-- why: The one moment that matters: the columns, triggers and rules of v2 go, v1's come back, and v1 clients find the tables themselves again. What clients made in their views' schemas moves to public. Changes of the catalog only: no row is read.
-- kind: switch
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals, price_history
-- done: SELECT NOT hk_migration.has_column('portfolio_positions', 'legacy_symbol') AND NOT hk_migration.has_column('portfolio_positions', 'portfolio_id') AND hk_migration.v1_schemas_retired()
DO $$
BEGIN
    IF hk_migration.has_column('portfolio_positions', 'portfolio_id') THEN
        IF EXISTS (SELECT FROM public.portfolio_positions WHERE portfolio_id <> 'DEFAULT') THEN
            RAISE EXCEPTION 'A portfolio other than DEFAULT still has positions: run the rollback again.';
        END IF;
    END IF;
END $$;
DROP VIEW IF EXISTS public.portfolio_summary;
SELECT hk_migration.point_v1_views_at_tables(false);
DROP TRIGGER IF EXISTS portfolio_positions_sync_legacy ON public.portfolio_positions;
DROP TRIGGER IF EXISTS portfolio_positions_share_price ON public.portfolio_positions;
DROP TRIGGER IF EXISTS hk_rollback_fence_insert ON public.portfolio_positions;
DROP TRIGGER IF EXISTS hk_rollback_fence_update ON public.portfolio_positions;
DROP TRIGGER IF EXISTS hk_rollback_fence_delete ON public.portfolio_positions;
DROP TRIGGER IF EXISTS trading_signals_default_portfolio ON public.trading_signals;
DROP TRIGGER IF EXISTS hk_rollback_fence_insert ON public.trading_signals;
DROP TRIGGER IF EXISTS hk_rollback_fence_update ON public.trading_signals;
DROP TRIGGER IF EXISTS hk_rollback_fence_delete ON public.trading_signals;
ALTER TABLE public.trading_signals DROP CONSTRAINT IF EXISTS trading_signals_portfolio_id_symbol_fkey;
ALTER TABLE public.trading_signals DROP COLUMN IF EXISTS portfolio_id;
ALTER TABLE public.portfolio_positions
    DROP CONSTRAINT IF EXISTS portfolio_positions_portfolio_id_symbol_key,
    DROP COLUMN IF EXISTS portfolio_id,
    DROP COLUMN IF EXISTS legacy_symbol;
DO $$
BEGIN
    IF hk_migration.constraint_valid('portfolio_positions_symbol_key') IS NULL THEN
        ALTER TABLE public.portfolio_positions ADD CONSTRAINT portfolio_positions_symbol_key
            UNIQUE USING INDEX portfolio_positions_symbol_key;
    END IF;
    IF hk_migration.constraint_valid('trading_signals_symbol_fkey') IS NULL THEN
        ALTER TABLE public.trading_signals ADD CONSTRAINT trading_signals_symbol_fkey FOREIGN KEY (symbol)
            REFERENCES public.portfolio_positions(symbol) ON DELETE CASCADE NOT VALID;
    END IF;
    IF hk_migration.constraint_valid('price_history_symbol_fkey') IS NULL THEN
        ALTER TABLE public.price_history ADD CONSTRAINT price_history_symbol_fkey FOREIGN KEY (symbol)
            REFERENCES public.portfolio_positions(symbol) ON DELETE CASCADE NOT VALID;
    END IF;
END $$;
SELECT hk_migration.retire_v1_schemas();
UPDATE hk_migration.archive SET closed_at = clock_timestamp() WHERE closed_at IS NULL;

-- step: tidy
-- title: Drop what is left: the portfolios table, compatibility views and their schemas, functions
-- why: No client finds these views any more. What was under way when they went out of sight has ended.
-- kind: contract
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals, price_history, portfolio_analyses, portfolio_value_history
-- before: wait for transactions
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.v1_views()) AND NOT hk_migration.has_column('portfolios', 'archived_at') AND to_regprocedure('public.hk_share_price()') IS NULL
SELECT hk_migration.drop_portfolios();
SELECT hk_migration.drop_v1_schemas();
DROP FUNCTION IF EXISTS public.check_migration_status();
DROP FUNCTION IF EXISTS public.hk_sync_legacy_symbol();
DROP FUNCTION IF EXISTS public.hk_share_price();
DROP FUNCTION IF EXISTS public.hk_default_portfolio();
DROP FUNCTION IF EXISTS public.hk_rollback_fence();

-- step: archive_prices
-- title: Archive prices of symbols that are no position (v1 cannot hold them)
-- why: v1 lets no price stand without a position, so an index such as ^HSI cannot stay. It is kept, and a later phase 1 brings it back.
-- grows: price_history
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.priced_symbols() s WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.symbol = s))
WITH gone AS (
    DELETE FROM public.price_history
     WHERE id = ANY (ARRAY(
           SELECT p.id FROM public.price_history p
            WHERE p.symbol = (SELECT s FROM hk_migration.priced_symbols() s
                               WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.symbol = s) LIMIT 1)
            LIMIT 5000))
    RETURNING *
)
INSERT INTO hk_migration.archived_price
       (archive_id, id, symbol, price, volume, high, low, open_price, close_price, timestamp)
SELECT (SELECT max(archive_id) FROM hk_migration.archive), id, symbol, price, volume, high, low, open_price,
       close_price, timestamp
  FROM gone;

-- step: validate_signals
-- title: Check every signal against its position
-- why: v1's rule holds for new rows since the switch. Now the old ones are checked, and nobody is held up.
-- grows: trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
-- done: SELECT coalesce(hk_migration.constraint_valid('trading_signals_symbol_fkey'), false)
ALTER TABLE public.trading_signals VALIDATE CONSTRAINT trading_signals_symbol_fkey;

-- step: validate_prices
-- title: Check every price against its position
-- why: v1's rule holds for new rows since the switch. Now the old ones are checked, and nobody is held up.
-- grows: price_history
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
-- done: SELECT coalesce(hk_migration.constraint_valid('price_history_symbol_fkey'), false)
ALTER TABLE public.price_history VALIDATE CONSTRAINT price_history_symbol_fkey;

-- step: analyze
-- title: Refresh the planner's statistics
-- why: So that PostgreSQL decides how to read by what is there now.
-- grows: portfolio_positions, trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
ANALYZE public.portfolio_positions, public.trading_signals;
