-- Positions that are not as they were when the run began, and who changed them. The row's xmin tells: a row's last writer
-- was a transaction of this run, or somebody else. Of rows that are gone, those in the archive were taken by the run.
SELECT count(*) FILTER (WHERE NOT own AND NOT archived OR own AND as_found) AS by_clients,
       count(*) FILTER (WHERE own AND brought OR archived) AS by_the_run,
       count(*) FILTER (WHERE own AND NOT as_found AND NOT brought AND NOT merged) AS wrongly
  FROM (SELECT coalesce(n.xmin IN (SELECT xid FROM hk_migration.own_write WHERE run_id = %(run_id)s
                                    AND tbl = 'portfolio_positions'), false) AS own,
               b.id IS NULL AS brought,
               coalesce(n.digest = b.found, false) AS as_found,
               n.id IS NULL AND EXISTS (SELECT FROM hk_migration.archived_position a
                                         WHERE a.archive_id = (SELECT max(archive_id) FROM hk_migration.archive)
                                           AND a.id = b.id) AS archived,
               EXISTS (SELECT FROM hk_migration.archived_merge m WHERE m.symbol = n.symbol) AS merged
          FROM (SELECT id, symbol, xmin::text::bigint AS xmin,
                       hk_migration.position_digest(symbol, company_name, quantity, avg_cost, current_price, sector,
                                                    last_updated) AS digest
                  FROM public.portfolio_positions) n
          FULL JOIN (SELECT id, digest, found FROM hk_migration.proof_position WHERE run_id = %(run_id)s) b USING (id)
         WHERE n.digest IS DISTINCT FROM b.digest) difference
