-- Every position of the restored archive against the row that is there now.
SELECT 'Restored positions', count(*), count(h.id),
       coalesce(bool_and(h.id IS NOT NULL AND h.quantity = a.quantity AND h.avg_cost = a.avg_cost), true),
       'quantity and average cost of each as archived'
  FROM hk_migration.archived_position a
  LEFT JOIN public.portfolio_positions h ON h.portfolio_id = a.portfolio_id AND h.symbol = a.symbol
 WHERE a.archive_id = (SELECT max(archive_id) FROM hk_migration.archive WHERE restored_at IS NOT NULL)
