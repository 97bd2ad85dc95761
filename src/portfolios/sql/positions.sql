-- == list_v1: price 0 is v1's way of saying that no price is known. `portfolio_id` as in portfolios.list_v1.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price, sector, last_updated,
       'DEFAULT'::varchar AS portfolio_id
  FROM (VALUES ('DEFAULT'::varchar)) one(portfolio_id)
 CROSS JOIN LATERAL (SELECT p.symbol, p.company_name, p.quantity, p.avg_cost, p.current_price, p.market_value,
                            p.sector, p.last_updated, portfolio_id AS owner
                       FROM public.portfolio_positions p) h
 WHERE coalesce(h.owner, 'DEFAULT') = 'DEFAULT'
 ORDER BY CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END DESC NULLS LAST, symbol

-- == list: of one portfolio, or of all.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price, sector, last_updated,
       portfolio_id
  FROM public.portfolio_positions
 WHERE %(portfolio_id)s::varchar IS NULL OR portfolio_id = %(portfolio_id)s
 ORDER BY CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END DESC NULLS LAST, symbol, portfolio_id

-- == list_several: of these portfolios, from one snapshot.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price, sector, last_updated,
       portfolio_id
  FROM public.portfolio_positions
 WHERE portfolio_id = ANY (%(portfolio_ids)s)
 ORDER BY CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END DESC NULLS LAST, symbol, portfolio_id

-- == lock_symbols: all rows of these symbols in every portfolio, at once or not at all. By way of JSON, since v1 has no
-- portfolio_id.
SELECT id, coalesce(to_jsonb(h)->>'portfolio_id', 'DEFAULT'), symbol FROM public.portfolio_positions h
 WHERE symbol = ANY (%(symbols)s)
 ORDER BY id
   FOR NO KEY UPDATE NOWAIT

-- == lock_for_copy: the source's rows, and the rows of their symbols elsewhere, since a price update touches all.
SELECT id, portfolio_id FROM public.portfolio_positions
 WHERE symbol IN (SELECT s.symbol FROM public.portfolio_positions s WHERE s.portfolio_id = %(source)s)
 ORDER BY id
   FOR NO KEY UPDATE NOWAIT

-- == lock_portfolio: all rows of a portfolio, for deletion.
SELECT id FROM public.portfolio_positions
 WHERE portfolio_id = %(portfolio_id)s
 ORDER BY id
   FOR UPDATE NOWAIT

-- == find: one position, locked. Nothing waits for it.
SELECT symbol, quantity, avg_cost, nullif(company_name, ''), nullif(sector, ''), nullif(current_price, 0)
  FROM public.portfolio_positions
 WHERE portfolio_id = %(portfolio_id)s AND symbol = ANY (%(symbols)s)
 ORDER BY symbol = %(preferred)s DESC
 LIMIT 1
   FOR NO KEY UPDATE NOWAIT

-- == symbols: what a portfolio holds, for messages.
SELECT symbol FROM public.portfolio_positions
 WHERE portfolio_id = %(portfolio_id)s
 ORDER BY symbol

-- == copy: the rows that lock_for_copy locked.
INSERT INTO public.portfolio_positions
       (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
SELECT %(portfolio_id)s, symbol, company_name, quantity, avg_cost, current_price, sector, last_updated
  FROM public.portfolio_positions
 WHERE id = ANY (%(ids)s) AND portfolio_id = %(source)s
 ORDER BY symbol

-- == count: of one portfolio.
SELECT count(*) FROM public.portfolio_positions WHERE portfolio_id = %(portfolio_id)s
