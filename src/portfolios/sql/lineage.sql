-- What copies were taken from: see own.sql for the tables.

-- == keep_base: the copy as the portfolio that it is now; `save_id` NULL: it was taken when it was copied.
INSERT INTO hk_migration.lineage_base (portfolio_id, parent_id, copied_at, taken_at, save_id)
SELECT portfolio_id, copied_from, coalesce(copied_at, created_at),
       CASE WHEN %(save_id)s::bigint IS NULL THEN copied_at::timestamptz ELSE clock_timestamp() END, %(save_id)s
  FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s
RETURNING base_id

-- == keep_positions: of a base.
INSERT INTO hk_migration.lineage_position (base_id, symbol, company_name, quantity, avg_cost, price, sector)
SELECT %(base_id)s, symbol, nullif(company_name, ''), quantity, avg_cost, nullif(current_price, 0), nullif(sector, '')
  FROM public.portfolio_positions WHERE portfolio_id = %(source)s

-- == parent: of a portfolio that is a copy.
SELECT CASE WHEN coalesce(copied_at, created_at) IS NOT NULL THEN copied_from END,
       coalesce(copied_at, created_at)::timestamptz
  FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s

-- == bases: of the portfolio that has this name now, the newest first.
SELECT b.base_id, b.taken_at, b.save_id
  FROM hk_migration.lineage_base b
  JOIN public.portfolios p
    ON p.portfolio_id = b.portfolio_id AND p.copied_from = b.parent_id
   AND coalesce(p.copied_at, p.created_at) = b.copied_at
 WHERE b.portfolio_id = %(portfolio_id)s
 ORDER BY b.base_id DESC

-- == positions: of a base.
SELECT symbol, quantity, avg_cost, price, company_name, sector FROM hk_migration.lineage_position
 WHERE base_id = %(base_id)s
 ORDER BY symbol

-- == source: what a portfolio holds, as `changes.lock` has it.
SELECT symbol, quantity, avg_cost, nullif(company_name, ''), nullif(sector, ''), nullif(current_price, 0)
  FROM public.portfolio_positions WHERE portfolio_id = %(source)s
 ORDER BY symbol
