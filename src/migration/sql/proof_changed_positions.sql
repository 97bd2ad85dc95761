-- Positions that are not as they were when the run began, and who changed them. The row's xmin tells: a row's last writer
-- was a transaction of this run, or somebody else. Of rows that are gone, the run took those that are in an archive which
-- it filled or restored, and those that its step restore_done deleted (these leave only their number behind).
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
