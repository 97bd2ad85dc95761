SELECT count(*)
  FROM (SELECT id, hk_migration.position_digest(symbol, company_name, quantity, avg_cost,
           current_price, sector, last_updated) AS digest FROM public.portfolio_positions h) n
  FULL JOIN (SELECT id, digest FROM hk_migration.proof_position WHERE run_id = %(run_id)s) b USING (id)
 WHERE n.digest IS DISTINCT FROM b.digest
