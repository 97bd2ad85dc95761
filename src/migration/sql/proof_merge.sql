-- Every merged symbol: shares of the archived rows and DEFAULT's own, against those of the merged row.
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
