-- What the rows say, where the catalogs are not enough. Each reads one user's table (ACCESS SHARE).

-- == count: rows of a small table
SELECT count(*) FROM {table}

-- == portfolio_ids: the values of portfolio_id, and how many rows have them
SELECT portfolio_id::text, count(*) FROM {table} GROUP BY 1 ORDER BY 1 NULLS FIRST LIMIT 50

-- == orphan_portfolio_ids: portfolio ids that no portfolio has (NULL: rows without one), by hopping along an index
WITH RECURSIVE hop AS (
    (SELECT t.portfolio_id FROM {table} t WHERE t.portfolio_id IS NOT NULL ORDER BY t.portfolio_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.portfolio_id FROM {table} t WHERE t.portfolio_id > hop.portfolio_id ORDER BY t.portfolio_id LIMIT 1)
      FROM hop WHERE hop.portfolio_id IS NOT NULL
)
SELECT h.portfolio_id::text, (SELECT count(*) FROM {table} t WHERE t.portfolio_id = h.portfolio_id)
  FROM hop h
 WHERE h.portfolio_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM public.portfolios p WHERE p.portfolio_id = h.portfolio_id)
UNION ALL
SELECT NULL, n.rows FROM (SELECT count(*) AS rows FROM {table} t WHERE t.portfolio_id IS NULL) n WHERE n.rows > 0
 ORDER BY 1 NULLS FIRST

-- == orphan_signals: symbols of signals that are no position
SELECT t.symbol::text, count(*)
  FROM public.trading_signals t
 WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.symbol = t.symbol)
 GROUP BY 1 ORDER BY 1

-- == bad_portfolio_ids: portfolio ids of a hand-made portfolios table that cannot stay
SELECT p.portfolio_id::text,
       CASE WHEN p.portfolio_id IS NULL THEN 'NULL' WHEN btrim(p.portfolio_id::text) = '' THEN 'blank'
            WHEN length(p.portfolio_id::text) > 50 THEN 'longer than 50 characters' ELSE 'there twice' END
  FROM public.portfolios p
 GROUP BY p.portfolio_id
HAVING p.portfolio_id IS NULL OR btrim(p.portfolio_id::text) = '' OR length(p.portfolio_id::text) > 50 OR count(*) > 1
 ORDER BY 1 NULLS FIRST

-- == has_default: whether portfolios has DEFAULT
SELECT EXISTS (SELECT FROM public.portfolios WHERE portfolio_id::text = 'DEFAULT')

-- == unnamed_portfolios: portfolios without a name
SELECT portfolio_id::text FROM public.portfolios WHERE name IS NULL ORDER BY 1

-- == holdings: rows and portfolios of the side table
SELECT count(*), coalesce(array_agg(DISTINCT portfolio_id::text ORDER BY portfolio_id::text), '{}')
  FROM public.portfolio_holdings

-- == bad_holdings: rows of the side table that positions cannot hold, and why
WITH holding AS (
    SELECT s.portfolio_id::text AS portfolio_id, s.symbol::text AS symbol, s.quantity::numeric AS quantity,
           s.avg_cost::numeric AS avg_cost, s.company_name::text AS company_name, s.sector::text AS sector,
           count(*) OVER (PARTITION BY s.portfolio_id::text, s.symbol::text) AS times,
           (SELECT h.current_price FROM public.portfolio_positions h
             WHERE h.symbol = s.symbol AND h.current_price <> 0 LIMIT 1) AS price
      FROM public.portfolio_holdings s
)
SELECT r.portfolio_id, r.symbol, f.fault
  FROM holding r,
       LATERAL (VALUES
           (CASE WHEN r.portfolio_id IS NULL OR btrim(r.portfolio_id) = '' THEN 'no portfolio' END),
           (CASE WHEN length(r.portfolio_id) > 50 THEN 'portfolio_id longer than 50 characters' END),
           (CASE WHEN r.symbol IS NULL OR btrim(r.symbol) = '' THEN 'no symbol' END),
           (CASE WHEN length(r.symbol) > 10 THEN 'symbol longer than 10 characters' END),
           (CASE WHEN r.times > 1 THEN 'there ' || r.times || ' times' END),
           (CASE WHEN length(r.company_name) > 200 THEN 'company_name longer than 200 characters' END),
           (CASE WHEN length(r.sector) > 50 THEN 'sector longer than 50 characters' END),
           (CASE WHEN r.quantity IN ('NaN', 'Infinity', '-Infinity') OR r.quantity <> trunc(r.quantity)
                 THEN 'quantity ' || r.quantity || ' is no whole number' END),
           (CASE WHEN abs(r.quantity) > 2147483647 THEN 'quantity ' || r.quantity || ' is too large' END),
           (CASE WHEN abs(round(r.avg_cost, 3)) >= 10000000 OR r.avg_cost = 'NaN'
                 THEN 'avg_cost ' || r.avg_cost || ' is too large' END),
           (CASE WHEN abs(round(r.quantity * r.price, 2)) >= 10000000000
                      OR abs(round((r.price - coalesce(r.avg_cost, 0)) * r.quantity, 2)) >= 10000000000
                 THEN 'its value is too large' END)
       ) f(fault)
 WHERE f.fault IS NOT NULL
 ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3
 LIMIT 200

-- == unclear_holdings: rows of the side table with something missing that will be imported as 0
SELECT s.portfolio_id::text, s.symbol::text, s.quantity IS NULL, s.avg_cost IS NULL AND coalesce(s.quantity, 0) <> 0
  FROM public.portfolio_holdings s
 WHERE s.quantity IS NULL OR (s.avg_cost IS NULL AND coalesce(s.quantity, 0) <> 0)
 ORDER BY 1, 2

-- == default_holdings: rows of the side table that belong to DEFAULT, beside DEFAULT's positions
SELECT s.symbol::text, s.quantity::text, s.avg_cost::text, h.id IS NOT NULL, h.quantity::text, h.avg_cost::text
  FROM public.portfolio_holdings s
  LEFT JOIN public.portfolio_positions h ON h.symbol = s.symbol
 WHERE s.portfolio_id::text = 'DEFAULT'
   AND (h.id IS NULL OR h.quantity IS DISTINCT FROM s.quantity OR h.avg_cost IS DISTINCT FROM s.avg_cost)
 ORDER BY 1

-- == copies: portfolios that were made as copies of another
SELECT portfolio_id::text, copied_from::text FROM public.portfolios WHERE copied_from IS NOT NULL ORDER BY 1

-- == foreign_references: rows of another table that refer, by id, to rows which the rollback takes away
SELECT count(*)
  FROM {child} c JOIN {parent} p ON p.{target} = c.{column}
 WHERE p.portfolio_id <> 'DEFAULT'

-- == cancelled: symbols whose long and short quantities cancel out, with the cost basis that v1 cannot show
SELECT h.symbol::text, round(sum(h.quantity * h.avg_cost), 2)
  FROM public.portfolio_positions h
 GROUP BY h.symbol
HAVING sum(h.quantity) = 0 AND bool_or(h.quantity <> 0) AND count(*) > 1
   AND bool_or(h.portfolio_id <> 'DEFAULT')
 ORDER BY 1

-- == archived_portfolios: portfolios in the newest archive that was not restored yet
SELECT a.portfolio_id::text
  FROM hk_migration.archived_portfolio a
 WHERE a.portfolio_id <> 'DEFAULT'
   AND a.archive_id = (SELECT max(x.archive_id) FROM hk_migration.archive x
                        WHERE x.closed_at IS NOT NULL AND x.restored_at IS NULL)
 ORDER BY 1

-- == marks: notes that the project left in this database
SELECT name FROM hk_migration.mark
