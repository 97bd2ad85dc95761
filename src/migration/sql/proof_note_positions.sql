INSERT INTO hk_migration.proof_position (run_id, id, digest)
SELECT %(run_id)s, id, hk_migration.position_digest(symbol, company_name, quantity, avg_cost,
           current_price, sector, last_updated) FROM public.portfolio_positions h
ON CONFLICT DO NOTHING
