-- Every position of the restored archive against the row that is there now. A row that someone else has written since, or
-- deleted where the run is known to have inserted them all, is the client's: no failure, and said.
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
