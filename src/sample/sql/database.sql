-- Sample data: loading it, and taking away exactly what was loaded.

-- == contents: what keeps a database from being empty; the project's own schema and extensions do not count
SELECT format('%s %s.%s', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END,
              n.nspname, c.relname)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'hk_migration')
   AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
UNION ALL
SELECT format('function %s.%s', n.nspname, p.proname)
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'hk_migration')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1

-- == marked: whether there is sample data, in a database that may lack the project's own schema
SELECT to_regclass('hk_migration.mark') IS NOT NULL

-- == mark: what was loaded
SELECT value FROM hk_migration.mark WHERE name = 'sample'

-- == set_mark: remember what was loaded
INSERT INTO hk_migration.mark (name, value) VALUES ('sample', %(value)s)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = clock_timestamp()

-- == clear_mark: the sample is gone
DELETE FROM hk_migration.mark WHERE name = 'sample'

-- == positions: the sample's positions; they go to DEFAULT, which is the column's default where there is one
INSERT INTO public.portfolio_positions (symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
VALUES %s

-- == signals: their portfolio is DEFAULT, by the column's default where there is one
INSERT INTO public.trading_signals (symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50,
                                    bollinger_upper, bollinger_lower, created_at)
VALUES %s

-- == prices: rows of price_history
INSERT INTO public.price_history (symbol, price, volume, high, low, open_price, close_price, timestamp)
VALUES %s

-- == archived_prices: prices of what v1 cannot hold, from where phase 1 brings them into price_history
INSERT INTO hk_migration.archived_price (symbol, price, volume, high, low, open_price, close_price, timestamp)
VALUES %s

-- == has_portfolios: whether positions belong to portfolios
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
                WHERE attrelid = 'public.portfolio_positions'::regclass AND attname = 'portfolio_id' AND NOT attisdropped)

-- == lock_tables: that nobody locks as a whole; as every writer does, so it is in nobody's way
LOCK TABLE public.portfolio_positions, public.trading_signals, public.price_history IN ROW EXCLUSIVE MODE

-- == writers: who else has locked the sample's tables, or rows of them: the process (0: a prepared transaction), its role, its
-- application
SELECT DISTINCT coalesce(l.pid, 0), coalesce(a.usename, '')::text, coalesce(a.application_name, '')
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
   AND l.relation IN ('public.portfolio_positions'::regclass, 'public.trading_signals'::regclass,
                      'public.price_history'::regclass)
 ORDER BY 1

-- == lock: every row that a removal touches, before it waits for none of them
SELECT id FROM public.portfolio_positions WHERE symbol = ANY (%(symbols)s) ORDER BY id FOR UPDATE NOWAIT

-- == expect: the sample's rows as they were loaded, to compare with
CREATE TEMPORARY TABLE hk_sample_row (
    kind text, symbol text, price numeric, volume bigint, quantity integer, avg_cost numeric, signal_type text
) ON COMMIT DROP

-- == expected: fill it
INSERT INTO pg_temp.hk_sample_row (kind, symbol, price, volume, quantity, avg_cost, signal_type) VALUES %s

-- == remove_signals: generated ones
DELETE FROM public.trading_signals t USING pg_temp.hk_sample_row e
 WHERE e.kind = 'signal' AND t.symbol = e.symbol AND t.signal_type = e.signal_type AND t.price = e.price
   AND t.volume = e.volume AND t.created_at <= %(until)s::timestamptz + INTERVAL '1 day'

-- == remove_prices: generated ones; a trader's own prices of the same symbols stay
DELETE FROM public.price_history p USING pg_temp.hk_sample_row e
 WHERE e.kind = 'price' AND p.symbol = e.symbol AND p.price = e.price AND p.volume = e.volume
   AND p.timestamp BETWEEN %(since)s::timestamptz - INTERVAL '1 day' AND %(until)s::timestamptz + INTERVAL '1 day'

-- == remove_archived_prices: those that phase 1 has not brought in, or a rollback has put back
DELETE FROM hk_migration.archived_price p USING pg_temp.hk_sample_row e
 WHERE e.kind = 'price' AND p.symbol = e.symbol AND p.price = e.price AND p.volume = e.volume
   AND p.timestamp BETWEEN %(since)s::timestamptz - INTERVAL '1 day' AND %(until)s::timestamptz + INTERVAL '1 day'

-- == remove_positions_v1: those that nobody changed
DELETE FROM public.portfolio_positions h USING pg_temp.hk_sample_row e
 WHERE e.kind = 'position' AND h.symbol = e.symbol AND h.quantity = e.quantity AND h.avg_cost = e.avg_cost

-- == remove_positions: those of DEFAULT that nobody changed
DELETE FROM public.portfolio_positions h USING pg_temp.hk_sample_row e
 WHERE e.kind = 'position' AND h.symbol = e.symbol AND h.quantity = e.quantity AND h.avg_cost = e.avg_cost
   AND h.portfolio_id = 'DEFAULT'

-- == forget_prices: positions that stay have no price, rather than a made-up one
UPDATE public.portfolio_positions h SET current_price = NULL
  FROM pg_temp.hk_sample_row e
 WHERE e.kind = 'position' AND h.symbol = e.symbol AND h.current_price = e.price

-- == analyze: so that the first plans are good ones
ANALYZE
