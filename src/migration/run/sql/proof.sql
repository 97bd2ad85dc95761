-- == tables: v1's columns only, so that the figures mean the same in every version. Digests are sums of 60 bits of MD5
-- over the rows, in any order; price_history, which no phase rewrites, is held to its count and the exact sum of its
-- prices.
SELECT 'portfolio_positions', count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', id, symbol,
           coalesce(company_name, '\N'), quantity, avg_cost, coalesce(current_price::text, '\N'),
           coalesce(sector, '\N'), coalesce(last_updated::text, '\N'))), 1, 15))::bit(60)::bigint::numeric), 0)::text
  FROM public.portfolio_positions
UNION ALL
SELECT 'trading_signals', count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', id, symbol, signal_type,
           signal_strength, price, coalesce(volume::text, '\N'), coalesce(rsi::text, '\N'),
           coalesce(ma_5::text, '\N'), coalesce(ma_20::text, '\N'), coalesce(ma_50::text, '\N'),
           coalesce(bollinger_upper::text, '\N'), coalesce(bollinger_lower::text, '\N'),
           coalesce(created_at::text, '\N'))), 1, 15))::bit(60)::bigint::numeric), 0)::text
  FROM public.trading_signals
UNION ALL
SELECT 'price_history', count(*), coalesce(sum(price), 0)::text
  FROM public.price_history

-- == portfolios: 
SELECT coalesce({portfolio}, 'DEFAULT'), count(*), coalesce(sum(quantity * avg_cost), 0),
       coalesce(sum(market_value), 0), coalesce(sum(unrealized_pnl), 0)
  FROM public.portfolio_positions
 GROUP BY 1

-- == note_positions: 
INSERT INTO hk_migration.proof_position (run_id, id, digest)
SELECT %(run_id)s, id, hk_migration.position_digest(symbol, company_name, quantity, avg_cost,
           current_price, sector, last_updated) FROM public.portfolio_positions h
ON CONFLICT DO NOTHING

-- == changed_positions: Positions that are not as they were when the run began, and who changed them. The row's xmin
-- shows: a row's last writer was a transaction of this run, or somebody else. Of rows that are gone, the run took those
-- that are in an archive which it filled or restored, and those that its step restore_done deleted (these leave only
-- their number behind).
WITH archives AS (
    SELECT a.archive_id
      FROM hk_migration.archive a
      JOIN hk_migration.run r ON a.closed_at >= r.started_at OR a.restored_at >= r.started_at
     WHERE r.run_id = %(run_id)s
), difference AS (
    SELECT coalesce(n.xmin IN (SELECT xid FROM hk_migration.own_write WHERE run_id = %(run_id)s
                                AND tbl = 'portfolio_positions'), false) AS own,
           n.id IS NULL AS gone,
           b.id IS NULL AS brought,
           coalesce(n.digest = b.found, false) AS as_found,
           n.id IS NULL AND EXISTS (SELECT FROM hk_migration.archived_position a JOIN archives USING (archive_id)
                                     WHERE a.id = b.id) AS archived,
           EXISTS (SELECT FROM hk_migration.archived_merge m JOIN archives USING (archive_id)
                    WHERE m.symbol = n.symbol) AS merged
      FROM (SELECT id, symbol, xmin::text::bigint AS xmin,
                   hk_migration.position_digest(symbol, company_name, quantity, avg_cost, current_price, sector,
                                                last_updated) AS digest
              FROM public.portfolio_positions) n
      FULL JOIN (SELECT id, digest, found FROM hk_migration.proof_position WHERE run_id = %(run_id)s) b USING (id)
     WHERE n.digest IS DISTINCT FROM b.digest
), tidied AS (
    SELECT coalesce(sum(deleted), 0) AS rows
      FROM hk_migration.own_write
     WHERE run_id = %(run_id)s AND step = 'restore_done' AND tbl = 'portfolio_positions'
)
SELECT count(*) FILTER (WHERE NOT gone AND NOT own OR own AND as_found)
           + greatest(count(*) FILTER (WHERE gone AND NOT archived) - max(tidied.rows), 0) AS by_clients,
       count(*) FILTER (WHERE own AND brought OR archived) + max(tidied.rows) AS by_the_run,
       count(*) FILTER (WHERE own AND NOT as_found AND NOT brought AND NOT merged) AS wrongly
  FROM tidied LEFT JOIN difference ON true

-- == own_writes: Rows that the steps of a run wrote, per step and table: those that the step is there to write, and
-- others.
WITH meant (step, tbl, may_insert, may_update, may_delete) AS (VALUES
    ('backfill',           'portfolio_positions', false, true,  false),
    ('import_holdings',    'portfolio_positions', true,  false, false),
    ('restore_positions',  'portfolio_positions', true,  true,  false),
    ('restore_done',       'portfolio_positions', false, false, true),
    ('placeholders',       'portfolio_positions', true,  false, false),
    ('merge_positions',    'portfolio_positions', true,  true,  true),
    ('drop_others',        'portfolio_positions', false, false, true),
    ('backfill_signals',   'trading_signals',     false, true,  false),
    ('restore_signals',    'trading_signals',     true,  true,  false),
    ('merge_signals',      'trading_signals',     false, true,  false),
    ('merge_positions',    'trading_signals',     false, true,  false),
    ('drop_others',        'trading_signals',     false, false, true),
    ('restore_prices',     'price_history',       true,  false, false),
    ('archive_prices',     'price_history',       false, false, true)
)
SELECT w.step, w.tbl,
       sum(CASE WHEN m.may_insert THEN 0 ELSE inserted END + CASE WHEN m.may_update THEN 0 ELSE updated END
           + CASE WHEN m.may_delete THEN 0 ELSE deleted END)::bigint AS wrong,
       sum(inserted - deleted)::bigint AS added
  FROM hk_migration.own_write w
  LEFT JOIN meant m USING (step, tbl)
 WHERE w.run_id = %(run_id)s
 GROUP BY w.step, w.tbl
 ORDER BY w.step, w.tbl

-- == merge: Every merged symbol: shares of the archived rows and DEFAULT's own, against those of the merged row.
WITH newest AS (
    SELECT max(archive_id) AS archive_id FROM hk_migration.archive
), parts AS (
    SELECT m.symbol, m.merged_quantity, m.merged_avg_cost,
           coalesce((m.default_row->>'quantity')::numeric, 0) + coalesce(a.shares, 0) AS shares,
           coalesce((m.default_row->>'quantity')::numeric * (m.default_row->>'avg_cost')::numeric, 0)
               + coalesce(a.cost, 0) AS cost,
           (coalesce((m.default_row->>'quantity')::numeric, 0) < 0 OR a.short)
               AND (coalesce((m.default_row->>'quantity')::numeric, 0) > 0 OR a.long) AS mixed
      FROM hk_migration.archived_merge m
      JOIN newest USING (archive_id)
      LEFT JOIN LATERAL (SELECT sum(p.quantity) AS shares, sum(p.quantity * p.avg_cost) AS cost,
                                bool_or(p.quantity < 0) AS short, bool_or(p.quantity > 0) AS long
                           FROM hk_migration.archived_position p
                          WHERE p.archive_id = m.archive_id AND p.symbol = m.symbol) a ON true
     WHERE m.merged_quantity IS NOT NULL
)
SELECT 'Merged symbols, shares', coalesce(sum(shares), 0)::bigint, coalesce(sum(merged_quantity), 0)::bigint,
       coalesce(bool_and(shares = merged_quantity), true), count(*) || ' symbols, each compared'
  FROM parts
UNION ALL
SELECT 'Merged symbols, cost, HKD', round(coalesce(sum(cost), 0), 2),
       round(coalesce(sum(merged_quantity * merged_avg_cost), 0), 2),
       CASE WHEN bool_and(near) IS NOT FALSE THEN true WHEN bool_and(near OR mixed) THEN NULL ELSE false END,
       'average cost holds three decimals: at most 0.0005 a share'
       || CASE WHEN bool_and(near) THEN ''
               ELSE '; ' || count(*) FILTER (WHERE NOT near AND mixed) || ' long in one portfolio and short in another: '
                    || 'their cost basis is in the archive alone' END
  FROM (SELECT *, abs(cost - merged_quantity * merged_avg_cost) <= abs(merged_quantity) * 0.0005 AS near FROM parts) p

-- == restore: Every position of the restored archive against the row that is there now. A row that someone else has
-- written since, or deleted where the run is known to have inserted them all, is the client's: no failure, and said.
WITH found AS (
    SELECT h.id IS NOT NULL AS there,
           h.id IS NOT NULL AND h.quantity = a.quantity AND h.avg_cost = a.avg_cost AS equal,
           h.xmin::text::bigint NOT IN (SELECT xid FROM hk_migration.own_write
                                         WHERE run_id = %(run_id)s AND tbl = 'portfolio_positions') AS by_clients
      FROM hk_migration.archived_position a
      LEFT JOIN public.portfolio_positions h ON h.portfolio_id = a.portfolio_id AND h.symbol = a.symbol
     WHERE a.archive_id = (SELECT max(archive_id) FROM hk_migration.archive WHERE restored_at IS NOT NULL)
), inserted AS (
    SELECT coalesce(sum(inserted), 0) AS rows
      FROM hk_migration.own_write
     WHERE run_id = %(run_id)s AND step = 'restore_positions' AND tbl = 'portfolio_positions'
), counted AS (
    SELECT count(*) AS archived, count(*) FILTER (WHERE there) AS there,
           count(*) FILTER (WHERE there AND NOT equal AND by_clients) AS changed,
           count(*) FILTER (WHERE there AND NOT equal AND NOT by_clients) AS wrong,
           count(*) FILTER (WHERE NOT there) AS gone
      FROM found
)
SELECT 'Restored positions', archived, there,
       CASE WHEN wrong > 0 OR (gone > 0 AND inserted.rows < archived) THEN false
            WHEN changed + gone > 0 THEN NULL
            ELSE true END,
       'quantity and average cost of each as archived'
       || CASE WHEN changed + gone > 0 THEN '; clients changed ' || changed || ' and deleted ' || gone ELSE '' END
  FROM counted, inserted

-- == seen_by_v1: totals of the positions that a v1 client sees, HKD
SELECT count(*), coalesce(sum(quantity * avg_cost), 0), coalesce(sum(market_value), 0),
       coalesce(sum(unrealized_pnl), 0)
  FROM {view}

-- == summary_of_default: the same totals of DEFAULT, as the view portfolio_summary has them
SELECT total_positions, total_cost, total_market_value, total_unrealized_pnl
  FROM public.portfolio_summary
 WHERE portfolio_id = 'DEFAULT'

-- == has_portfolio_id: whether positions have a portfolio
SELECT EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = 'public.portfolio_positions'::regclass AND attname = 'portfolio_id'
                  AND NOT attisdropped)
