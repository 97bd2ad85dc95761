-- What a rollback to v1 makes of the symbols that portfolios other than DEFAULT hold, with the formulas of
-- hk_migration.merged_cost and hk_migration.merge_symbol in migrations/rollback_v2_to_v1.sql.

-- == preview: one row per symbol, before and after
WITH known AS (
    SELECT h.*, nullif(h.current_price, 0) AS price
      FROM public.portfolio_positions h
     WHERE h.symbol IN (SELECT o.symbol FROM public.portfolio_positions o WHERE o.portfolio_id <> 'DEFAULT')
), held AS (
    -- Not counted: an empty row that an interrupted rollback gave DEFAULT, so that signals can move to it.
    SELECT k.* FROM known k
     WHERE NOT (k.portfolio_id = 'DEFAULT' AND k.quantity = 0 AND k.symbol::text = ANY (%(placeholders)s))
), total AS (
    SELECT h.symbol,
           array_agg(h.portfolio_id::text ORDER BY h.portfolio_id <> 'DEFAULT', h.portfolio_id) AS portfolios,
           sum(h.quantity::numeric) AS shares, sum(h.quantity * h.avg_cost) AS cost,
           sum(abs(h.quantity::numeric)) AS sizes, sum(abs(h.quantity::numeric) * h.avg_cost) AS cost_by_size,
           avg(h.avg_cost) AS mean_cost,
           CASE WHEN bool_and(h.quantity = 0 OR h.price IS NOT NULL)
                THEN coalesce(sum(h.quantity * h.price), 0) END AS value
      FROM held h GROUP BY h.symbol
), merged AS (
    SELECT t.*,
           round(CASE WHEN t.shares <> 0 AND t.cost / t.shares >= 0 AND t.cost / t.shares < 9999999
                      THEN t.cost / t.shares
                      WHEN t.sizes <> 0 THEN t.cost_by_size / t.sizes
                      ELSE t.mean_cost END, 3) AS avg_cost,
           (SELECT k.price FROM known k WHERE k.symbol = t.symbol AND k.price IS NOT NULL
             ORDER BY k.portfolio_id <> 'DEFAULT', k.last_updated DESC NULLS LAST LIMIT 1) AS price
      FROM total t
)
SELECT m.symbol::text, m.portfolios, m.shares, m.avg_cost, round(m.cost, 2), round(m.shares * m.avg_cost, 2),
       round(m.value, 2), round(m.shares * CASE WHEN m.shares = 0 THEN coalesce(m.price, 0) ELSE m.price END, 2)
  FROM merged m
 ORDER BY m.symbol

-- == others: portfolios that v1 cannot hold
SELECT p.portfolio_id::text FROM public.portfolios p WHERE p.portfolio_id <> 'DEFAULT' ORDER BY 1

-- == placeholders: rows that an interrupted rollback gave DEFAULT
SELECT m.symbol::text
  FROM hk_migration.archived_merge m
 WHERE m.default_row IS NULL AND m.merged_quantity IS NULL
   AND m.archive_id = (SELECT max(a.archive_id) FROM hk_migration.archive a WHERE a.closed_at IS NULL)

-- == has_archive: whether the project's own tables are there, and may be read
SELECT count(*) = 2 FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('hk_migration') AND c.relname IN ('archive', 'archived_merge')
   AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
