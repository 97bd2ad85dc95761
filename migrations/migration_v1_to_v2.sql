-- Phase 1: from the single-portfolio schema (v1) to the transitional one (v2), live.
--
-- run_migration.py executes this file step by step. A line "-- step:" begins a step; its headings say what it is:
--   title  what it does, in plain words
--   why    what it is for, for whoever has never seen this
--   grows  tables: the larger they are, the longer it takes
--   kind   expand, backfill, build, switch, validate, contract
--   mode   transaction: one transaction; autocommit: a statement that refuses to run in one;
--          batch: repeated, each time in a short transaction, until "done" is true
--   locks  tables taken ACCESS EXCLUSIVE (with the compatibility views over them): tried for, never queued for
--   lock   without "locks": the strongest lock that it takes on a table of clients
--   before "refuse v1 clients": it does not begin while a v1 client is connected;
--          "wait for transactions": it begins when those have ended that were open, or a second later
--   repeat a query; the steps with this heading run again, as a group, while it is true
--   when   a query; the step belongs to the plan only if it is true
--   done   a query that is true once the step's effect is there, so that an interrupted run goes on behind it
-- Helpers named hk_migration.* are in src/schema/sql/own_schema.sql.

-- step: views
-- title: Give v1 clients views of their tables, in a schema named like their role
-- why: v1 clients look a table up by its bare name, and find these views first. From here on the tables behind them can change without v1 clients noticing.
-- kind: expand
-- mode: transaction
-- lock: ACCESS SHARE
-- done: SELECT hk_migration.v1_views_ready(false)
SELECT hk_migration.create_v1_views();

-- step: portfolios
-- title: Create the portfolios table with DEFAULT in it
-- why: The list of portfolios. All that is there now becomes the portfolio DEFAULT.
-- kind: expand
-- mode: transaction
-- locks: portfolios
-- done: SELECT hk_migration.has_column('portfolios', 'archived_at')
-- A portfolios table that someone made by hand is adopted: its rows stay, what it lacks is added, and a rollback knows
-- by the mark what had been there.
DO $$
BEGIN
    IF to_regclass('public.portfolios') IS NOT NULL THEN
        INSERT INTO hk_migration.mark (name, value)
        SELECT 'portfolios_adopted', jsonb_build_object(
            'columns', (SELECT jsonb_agg(attname) FROM pg_catalog.pg_attribute
                         WHERE attrelid = 'public.portfolios'::regclass AND attnum > 0 AND NOT attisdropped),
            'constraints', (SELECT coalesce(jsonb_agg(conname), '[]') FROM pg_catalog.pg_constraint
                             WHERE conrelid = 'public.portfolios'::regclass),
            'portfolio_ids', (SELECT coalesce(jsonb_agg(portfolio_id), '[]') FROM public.portfolios))
        ON CONFLICT DO NOTHING;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS public.portfolios (
    id           serial PRIMARY KEY,
    portfolio_id varchar(50) NOT NULL UNIQUE,
    name         varchar(200) NOT NULL,
    description  text,
    created_at   timestamp DEFAULT CURRENT_TIMESTAMP,
    updated_at   timestamp DEFAULT CURRENT_TIMESTAMP
);
DO $$
BEGIN
    IF NOT hk_migration.has_column('portfolios', 'name') THEN
        ALTER TABLE public.portfolios ADD COLUMN name varchar(200);
        UPDATE public.portfolios SET name = portfolio_id;
        ALTER TABLE public.portfolios ALTER COLUMN name SET NOT NULL;
    END IF;
    ALTER TABLE public.portfolios
        ADD COLUMN IF NOT EXISTS description text,
        ADD COLUMN IF NOT EXISTS created_at  timestamp DEFAULT CURRENT_TIMESTAMP,
        ADD COLUMN IF NOT EXISTS updated_at  timestamp DEFAULT CURRENT_TIMESTAMP,
        ADD COLUMN IF NOT EXISTS strategy    varchar(100),
        ADD COLUMN IF NOT EXISTS copied_from varchar(50),
        ADD COLUMN IF NOT EXISTS copied_at   timestamp,
        ADD COLUMN IF NOT EXISTS archived_at timestamp;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = 'public.portfolios'::regclass AND i.indisunique AND i.indnkeyatts = 1
                      AND i.indpred IS NULL AND a.attname = 'portfolio_id') THEN
        ALTER TABLE public.portfolios ADD CONSTRAINT portfolios_portfolio_id_key UNIQUE (portfolio_id);
    END IF;
END $$;
INSERT INTO public.portfolios (portfolio_id, name, description)
VALUES ('DEFAULT', 'Legacy Portfolio', 'The portfolio of the single-portfolio application')
ON CONFLICT (portfolio_id) DO NOTHING;

-- step: columns
-- title: Add portfolio_id (every row belongs to DEFAULT, no row is rewritten) and the triggers that keep it
-- why: Which portfolio a row belongs to. The constant default costs nothing, however many rows there are; triggers keep rows that v1 clients write in order.
-- kind: expand
-- mode: transaction
-- locks: portfolio_positions, trading_signals
-- before: wait for transactions
-- done: SELECT hk_migration.has_trigger('portfolio_positions_share_price') AND hk_migration.has_trigger('trading_signals_default_portfolio')
SELECT hk_migration.renew_search_paths();
ALTER TABLE public.portfolio_positions
    ADD COLUMN IF NOT EXISTS portfolio_id varchar(50) DEFAULT 'DEFAULT',
    ADD COLUMN IF NOT EXISTS legacy_symbol varchar(10);
ALTER TABLE public.portfolio_positions ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT';
ALTER TABLE public.trading_signals ADD COLUMN IF NOT EXISTS portfolio_id varchar(50) DEFAULT 'DEFAULT';
ALTER TABLE public.trading_signals ALTER COLUMN portfolio_id SET DEFAULT 'DEFAULT';

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

-- A price is the market's: an update of one row reaches the same symbol in every portfolio. With the owner's rights,
-- since a client may have the right to set a price, and no other.
CREATE OR REPLACE FUNCTION public.hk_share_price() RETURNS trigger
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
CREATE OR REPLACE TRIGGER portfolio_positions_share_price
    AFTER INSERT OR UPDATE OF current_price ON public.portfolio_positions
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.hk_share_price();

-- step: backfill
-- title: Fill legacy_symbol for the rows that were there, a hundred at a time
-- why: v1's ON CONFLICT (symbol) will need a column of its own with DEFAULT's symbols. A hundred rows at a time, so that no client waits long for a row.
-- grows: portfolio_positions
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- done: SELECT NOT EXISTS (SELECT FROM public.portfolio_positions WHERE portfolio_id IS NULL OR (portfolio_id = 'DEFAULT' AND legacy_symbol IS DISTINCT FROM symbol))
WITH batch AS (
    SELECT * FROM public.portfolio_positions
     WHERE portfolio_id IS NULL OR (portfolio_id = 'DEFAULT' AND legacy_symbol IS DISTINCT FROM symbol)
     ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
), found AS (
    -- How the run finds the rows, for the proof: what clients changed until now is theirs, not the run's.
    INSERT INTO hk_migration.proof_position (run_id, id, digest, found)
    SELECT r.run_id, b.id, '', hk_migration.position_digest(b.symbol, b.company_name, b.quantity, b.avg_cost,
                                                            b.current_price, b.sector, b.last_updated)
      FROM batch b, (SELECT max(run_id) AS run_id FROM hk_migration.run) r WHERE r.run_id IS NOT NULL
    ON CONFLICT (run_id, id) DO UPDATE SET found = EXCLUDED.found
)
UPDATE public.portfolio_positions h
   SET legacy_symbol = h.symbol, portfolio_id = 'DEFAULT'
  FROM batch WHERE h.id = batch.id;

-- step: backfill_signals
-- title: Give signals without a portfolio (left by an earlier attempt at this migration) to DEFAULT
-- why: A signal without a portfolio would be in no list. Only where an earlier attempt by other means left such rows.
-- grows: trading_signals
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- done: SELECT NOT EXISTS (SELECT FROM public.trading_signals WHERE portfolio_id IS NULL)
WITH batch AS (
    SELECT id FROM public.trading_signals WHERE portfolio_id IS NULL ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED
)
UPDATE public.trading_signals t SET portfolio_id = 'DEFAULT' FROM batch WHERE t.id = batch.id;

-- step: index_portfolio_symbol
-- title: Build the unique index on (portfolio_id, symbol)
-- why: The same symbol may stand in several portfolios, but in each of them once. Built while clients go on reading and writing.
-- grows: portfolio_positions
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: portfolio_positions_portfolio_id_symbol_key
CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_portfolio_id_symbol_key
    ON public.portfolio_positions (portfolio_id, symbol);

-- step: index_legacy_symbol
-- title: Build the unique index that v1's ON CONFLICT (symbol) will find
-- why: What v1's ON CONFLICT (symbol) looks for: each symbol of DEFAULT once. Built while clients go on reading and writing.
-- grows: portfolio_positions
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: portfolio_positions_legacy_symbol_key
CREATE UNIQUE INDEX CONCURRENTLY portfolio_positions_legacy_symbol_key
    ON public.portfolio_positions (legacy_symbol);

-- step: index_signals_symbol
-- title: Build the index on signals by portfolio and symbol
-- why: So that the signals of one portfolio are found without reading all of them. Built while clients go on reading and writing.
-- grows: trading_signals
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: idx_signals_portfolio_symbol
CREATE INDEX CONCURRENTLY idx_signals_portfolio_symbol ON public.trading_signals (portfolio_id, symbol);

-- step: index_signals_created
-- title: Build the index on signals by portfolio and time
-- why: So that the newest signals of one portfolio are found at once. Built while clients go on reading and writing.
-- grows: trading_signals
-- kind: build
-- mode: autocommit
-- lock: SHARE UPDATE EXCLUSIVE
-- index: idx_signals_portfolio_created
CREATE INDEX CONCURRENTLY idx_signals_portfolio_created ON public.trading_signals (portfolio_id, created_at DESC);

-- step: switch
-- title: Switch: several portfolios may hold a symbol, v1 clients see DEFAULT alone
-- why: The one moment that matters: v1's rule that a symbol is there once goes, the new one comes, and v1 clients' views show DEFAULT alone. Changes of the catalog only: no row is read.
-- kind: switch
-- mode: transaction
-- locks: portfolio_positions, trading_signals, price_history
-- done: SELECT hk_migration.constraint_valid('portfolio_positions_symbol_key') IS NULL AND hk_migration.constraint_valid('trading_signals_portfolio_id_symbol_fkey') IS NOT NULL AND hk_migration.v1_views_ready(true)
ALTER TABLE public.trading_signals DROP CONSTRAINT IF EXISTS trading_signals_symbol_fkey;
ALTER TABLE public.price_history DROP CONSTRAINT IF EXISTS price_history_symbol_fkey;
ALTER TABLE public.portfolio_positions DROP CONSTRAINT IF EXISTS portfolio_positions_symbol_key;
DO $$
BEGIN
    IF hk_migration.constraint_valid('portfolio_positions_portfolio_id_symbol_key') IS NULL THEN
        ALTER TABLE public.portfolio_positions ADD CONSTRAINT portfolio_positions_portfolio_id_symbol_key
            UNIQUE USING INDEX portfolio_positions_portfolio_id_symbol_key;
    END IF;
    IF hk_migration.constraint_valid('trading_signals_portfolio_id_symbol_fkey') IS NULL THEN
        ALTER TABLE public.trading_signals ADD CONSTRAINT trading_signals_portfolio_id_symbol_fkey
            FOREIGN KEY (portfolio_id, symbol)
            REFERENCES public.portfolio_positions(portfolio_id, symbol) ON DELETE CASCADE NOT VALID;
    END IF;
END $$;
SELECT hk_migration.point_v1_views_at_default();
SELECT hk_migration.drop_retired_v1_schemas();
SELECT hk_migration.renew_search_paths();

-- step: validate_signals
-- title: Check every signal against its position
-- why: The switch declared that every signal has a position for new rows only. Now the old ones are checked, and nobody is held up.
-- grows: trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
-- done: SELECT coalesce(hk_migration.constraint_valid('trading_signals_portfolio_id_symbol_fkey'), false)
ALTER TABLE public.trading_signals VALIDATE CONSTRAINT trading_signals_portfolio_id_symbol_fkey;

-- step: views_and_functions
-- title: Create portfolio_summary and check_migration_status()
-- why: What the dashboard, and people in psql, ask for the sums of a portfolio and for the state of the migration.
-- kind: expand
-- mode: transaction
-- lock: ACCESS SHARE
-- done: SELECT to_regprocedure('public.check_migration_status()') IS NOT NULL AND to_regclass('public.portfolio_summary') IS NOT NULL
CREATE OR REPLACE VIEW public.portfolio_summary AS
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

CREATE OR REPLACE FUNCTION public.check_migration_status()
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

-- step: unfence
-- title: Take back a rollback that was interrupted: what it archived can be restored, other portfolios can be changed again
-- why: A rollback that stopped half-way holds portfolios other than DEFAULT still. This phase takes it back.
-- kind: expand
-- mode: transaction
-- locks: portfolios, portfolio_positions, trading_signals
-- when: SELECT hk_migration.filling_archive() IS NOT NULL OR to_regprocedure('public.hk_rollback_fence()') IS NOT NULL
-- done: SELECT hk_migration.filling_archive() IS NULL AND to_regprocedure('public.hk_rollback_fence()') IS NULL
DROP FUNCTION IF EXISTS public.hk_rollback_fence() CASCADE;
DROP INDEX IF EXISTS public.portfolio_positions_symbol_key;
UPDATE hk_migration.archive SET closed_at = clock_timestamp() WHERE closed_at IS NULL;

-- step: restore_prices
-- title: Bring back prices that v1 could not hold (an index, say, which is no position)
-- why: A rollback put the prices of symbols that are no position aside, since v1 cannot hold them. Here they can be again.
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- repeat: SELECT hk_migration.restore_wanted()
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.archived_price)
WITH batch AS (
    DELETE FROM hk_migration.archived_price
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM hk_migration.archived_price LIMIT 5000))
    RETURNING *
)
INSERT INTO public.price_history (id, symbol, price, volume, high, low, open_price, close_price, timestamp)
SELECT coalesce(id, nextval(pg_get_serial_sequence('public.price_history', 'id'))),
       symbol, price, volume, high, low, open_price, close_price, timestamp
  FROM batch;

-- step: import_holdings
-- title: Import the side table portfolio_holdings as positions of its portfolios
-- why: An early dashboard kept portfolios in a table of its own. Its rows become positions; the table itself stays as it is.
-- kind: backfill
-- mode: transaction
-- lock: ROW EXCLUSIVE
-- when: SELECT to_regclass('public.portfolio_holdings') IS NOT NULL
-- done: SELECT EXISTS (SELECT FROM hk_migration.mark WHERE name = 'holdings_imported')
INSERT INTO public.portfolios (portfolio_id, name, description)
SELECT DISTINCT portfolio_id, portfolio_id, 'Imported from portfolio_holdings' FROM public.portfolio_holdings
ON CONFLICT (portfolio_id) DO NOTHING;
INSERT INTO public.portfolio_positions
       (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
SELECT s.portfolio_id, s.symbol, s.company_name, coalesce(s.quantity, 0), coalesce(s.avg_cost, 0), p.current_price,
       s.sector, p.last_updated
  FROM public.portfolio_holdings s
  LEFT JOIN LATERAL (SELECT h.current_price, h.last_updated FROM public.portfolio_positions h
                      WHERE h.symbol = s.symbol AND h.current_price <> 0 LIMIT 1) p ON true
ON CONFLICT (portfolio_id, symbol) DO NOTHING;
INSERT INTO hk_migration.mark (name, value)
SELECT 'holdings_imported', jsonb_build_object('rows', count(*)) FROM public.portfolio_holdings;

-- step: restore_portfolios
-- title: Restore the archived portfolios
-- why: A rollback put them aside, since v1 cannot hold them. They come back with their names, strategies and dates.
-- kind: backfill
-- mode: transaction
-- lock: ROW EXCLUSIVE
-- repeat: SELECT hk_migration.restore_wanted()
-- when: SELECT hk_migration.restore_wanted()
DO $$
DECLARE
    archived record;
BEGIN
    FOR archived IN SELECT a.row FROM hk_migration.archived_portfolio a
                     WHERE a.archive_id = hk_migration.open_archive() AND a.portfolio_id <> 'DEFAULT'
                     ORDER BY (a.row->>'id')::bigint LOOP
        PERFORM hk_migration.insert_row('public.portfolios', archived.row - 'id');
    END LOOP;
END $$;
UPDATE public.portfolios p
   SET name = r.name, description = r.description, strategy = r.strategy, created_at = r.created_at,
       updated_at = r.updated_at
  FROM hk_migration.archived_portfolio a, jsonb_populate_record(NULL::public.portfolios, a.row) AS r
 WHERE a.archive_id = hk_migration.open_archive() AND a.portfolio_id = 'DEFAULT' AND p.portfolio_id = 'DEFAULT';

-- Give one symbol back: the other portfolios' rows as they were, and to DEFAULT what it had, plus what v1 clients
-- changed since the merge. False: a client holds the row just now; come back later.
CREATE OR REPLACE FUNCTION hk_migration.restore_symbol(archive bigint, sym varchar) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    now_row  public.portfolio_positions;
    old_row  public.portfolio_positions;
    merge    hk_migration.archived_merge;
    shares   integer;
    cost     numeric;
    archived record;
BEGIN
    SELECT * INTO now_row FROM public.portfolio_positions h
     WHERE h.symbol = sym AND h.portfolio_id = 'DEFAULT' FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM public.portfolio_positions h
                              WHERE h.symbol = sym AND h.portfolio_id = 'DEFAULT') THEN
        RETURN false;
    END IF;
    SELECT * INTO merge FROM hk_migration.archived_merge m WHERE m.archive_id = archive AND m.symbol = sym;
    IF merge.merged_quantity IS NOT NULL AND NOT merge.restored AND now_row.id IS NOT NULL THEN
        SELECT * INTO old_row FROM jsonb_populate_record(NULL::public.portfolio_positions, merge.default_row);
        shares := coalesce(old_row.quantity, 0) + now_row.quantity - merge.merged_quantity;
        IF now_row.avg_cost = merge.merged_avg_cost THEN
            cost := coalesce(old_row.avg_cost, now_row.avg_cost);
        ELSIF shares > 0 THEN
            cost := (coalesce(old_row.quantity * old_row.avg_cost, 0) + now_row.quantity * now_row.avg_cost
                     - merge.merged_quantity * merge.merged_avg_cost) / shares;
        END IF;
        UPDATE public.portfolio_positions
           SET quantity = shares,
               avg_cost = CASE WHEN cost >= 0 AND cost < 9999999 THEN cost ELSE now_row.avg_cost END,
               company_name = CASE WHEN merge.default_row IS NULL THEN company_name ELSE old_row.company_name END,
               sector = CASE WHEN merge.default_row IS NULL THEN sector ELSE old_row.sector END
         WHERE id = now_row.id;
    END IF;
    UPDATE hk_migration.archived_merge m SET restored = true WHERE m.archive_id = archive AND m.symbol = sym;
    FOR archived IN SELECT a.row FROM hk_migration.archived_position a
                     WHERE a.archive_id = archive AND a.symbol = sym AND NOT a.restored LOOP
        PERFORM hk_migration.insert_row('public.portfolio_positions', archived.row || CASE
            WHEN now_row.id IS NULL OR now_row.current_price IS NOT DISTINCT FROM (archived.row->>'current_price')::numeric
            THEN '{}' ELSE jsonb_build_object('current_price', now_row.current_price,
                                              'last_updated', now_row.last_updated) END);
    END LOOP;
    UPDATE hk_migration.archived_position a SET restored = true WHERE a.archive_id = archive AND a.symbol = sym;
    RETURN true;
END $$;

-- Signals that the merge kept go back to their portfolio; those that v1 could not keep are inserted again.
CREATE OR REPLACE FUNCTION hk_migration.restore_signals(batch_size integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    archive  bigint := hk_migration.open_archive();
    restored bigint := 0;
    archived record;
BEGIN
    FOR archived IN SELECT a.id, a.portfolio_id, a.row FROM hk_migration.archived_signal a
                     WHERE a.archive_id = archive AND NOT a.restored ORDER BY a.id LIMIT batch_size LOOP
        UPDATE public.trading_signals t SET portfolio_id = archived.portfolio_id WHERE t.id = archived.id;
        IF NOT FOUND THEN
            PERFORM hk_migration.insert_row('public.trading_signals', archived.row);
        END IF;
        UPDATE hk_migration.archived_signal a SET restored = true WHERE a.archive_id = archive AND a.id = archived.id;
        restored := restored + 1;
    END LOOP;
    RETURN restored;
END $$;

-- step: restore_positions
-- title: Give the archived portfolios their positions back, symbol by symbol
-- why: Each symbol at once: the other portfolios get theirs back as they were, and DEFAULT what it had, with what v1 clients have changed since.
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- repeat: SELECT hk_migration.restore_wanted()
-- when: SELECT hk_migration.restore_wanted()
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.archived_position WHERE archive_id = hk_migration.open_archive() AND NOT restored)
SELECT count(*) FILTER (WHERE hk_migration.restore_symbol(hk_migration.open_archive(), symbol))
  FROM (SELECT DISTINCT symbol FROM hk_migration.archived_position
         WHERE archive_id = hk_migration.open_archive() AND NOT restored LIMIT 5) batch;

-- step: restore_signals
-- title: Give the archived portfolios their signals back
-- why: Signals go back to the portfolio that they came from.
-- kind: backfill
-- mode: batch
-- lock: ROW EXCLUSIVE
-- repeat: SELECT hk_migration.restore_wanted()
-- when: SELECT hk_migration.restore_wanted()
-- done: SELECT NOT EXISTS (SELECT FROM hk_migration.archived_signal WHERE archive_id = hk_migration.open_archive() AND NOT restored)
SELECT hk_migration.restore_signals(1000);

-- step: restore_done
-- title: Remove rows that DEFAULT held only because of the merge, and close the archive
-- why: Rows that only the merge needed are gone when nothing refers to them. What came back is marked, so that it does not come back twice.
-- kind: backfill
-- mode: transaction
-- lock: ROW EXCLUSIVE
-- repeat: SELECT hk_migration.restore_wanted()
-- when: SELECT hk_migration.restore_wanted()
-- done: SELECT hk_migration.open_archive() IS NULL
DELETE FROM public.portfolio_positions h
 USING hk_migration.archived_merge m
 WHERE m.archive_id = hk_migration.open_archive() AND m.default_row IS NULL AND m.restored
   AND h.portfolio_id = 'DEFAULT' AND h.symbol = m.symbol AND h.quantity = 0
   AND NOT EXISTS (SELECT FROM public.trading_signals t WHERE t.portfolio_id = 'DEFAULT' AND t.symbol = h.symbol);
UPDATE hk_migration.archive SET restored_at = clock_timestamp() WHERE archive_id = hk_migration.open_archive();

-- step: analyze
-- title: Refresh the planner's statistics
-- why: So that PostgreSQL knows the new columns when it decides how to read.
-- grows: portfolio_positions, trading_signals
-- kind: validate
-- mode: transaction
-- lock: SHARE UPDATE EXCLUSIVE
ANALYZE public.portfolio_positions, public.trading_signals, public.portfolios;
