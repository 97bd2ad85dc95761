-- == list_v1: price 0 is v1's way of saying that no price is known.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END AS market_value,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN unrealized_pnl END AS unrealized_pnl,
       sector, last_updated
  FROM public.portfolio_positions
 ORDER BY 6 DESC NULLS LAST, symbol

-- == list: of one portfolio, or of all.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END AS market_value,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN unrealized_pnl END AS unrealized_pnl,
       sector, last_updated, portfolio_id
  FROM public.portfolio_positions
 WHERE %(portfolio_id)s::varchar IS NULL OR portfolio_id = %(portfolio_id)s
 ORDER BY 6 DESC NULLS LAST, symbol, portfolio_id

-- == list_several: of these portfolios, from one snapshot.
SELECT symbol, company_name, quantity, avg_cost, nullif(current_price, 0) AS current_price,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN market_value END AS market_value,
       CASE WHEN coalesce(current_price, 0) <> 0 THEN unrealized_pnl END AS unrealized_pnl,
       sector, last_updated, portfolio_id
  FROM public.portfolio_positions
 WHERE portfolio_id = ANY (%(portfolio_ids)s)
 ORDER BY 6 DESC NULLS LAST, symbol, portfolio_id

-- == lock_symbols: all rows of these symbols in every portfolio, at once or not at all.
SELECT id FROM public.portfolio_positions
 WHERE symbol = ANY (%(symbols)s)
 ORDER BY id
   FOR NO KEY UPDATE NOWAIT

-- == lock_new_symbol: the lock that v2's trigger takes when a v1 client inserts a symbol that DEFAULT does not have. So
-- either we see that client's price, or its trigger sees our row and shares the price with it.
SELECT pg_advisory_xact_lock(hashtextextended('hk_strategy:' || %(symbol)s, 0))

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
SELECT id, symbol, quantity, avg_cost, company_name, sector FROM public.portfolio_positions
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

-- == known_price: the market's last known price of a symbol, of another portfolio's row or of the price history.
SELECT current_price, last_updated FROM (
    SELECT current_price, last_updated, 1 AS preference FROM public.portfolio_positions
     WHERE symbol = %(symbol)s AND coalesce(current_price, 0) <> 0
    UNION ALL
    (SELECT price, "timestamp", 2 FROM public.price_history
      WHERE symbol = %(symbol)s AND "timestamp" IS NOT NULL AND price <> 0
      ORDER BY "timestamp" DESC LIMIT 1)
) known
 ORDER BY preference, last_updated DESC NULLS LAST
 LIMIT 1

-- == known_names: what another portfolio says about the symbol.
SELECT company_name, sector FROM public.portfolio_positions
 WHERE symbol = %(symbol)s
 ORDER BY portfolio_id <> 'DEFAULT', id
 LIMIT 1

-- == insert: nothing comes back when the portfolio has the symbol.
INSERT INTO public.portfolio_positions
       (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
VALUES (%(portfolio_id)s, %(symbol)s, %(company_name)s, %(quantity)s, %(avg_cost)s, %(current_price)s, %(sector)s,
        coalesce(%(last_updated)s, CURRENT_TIMESTAMP))
ON CONFLICT (portfolio_id, symbol) DO NOTHING
RETURNING id

-- == change: last_updated is the price's time, and stays.
UPDATE public.portfolio_positions
   SET quantity = %(quantity)s, avg_cost = %(avg_cost)s, company_name = %(company_name)s, sector = %(sector)s
 WHERE id = %(id)s

-- == remove: its signals follow.
DELETE FROM public.portfolio_positions WHERE id = %(id)s

-- == update_price: the rows that lock_symbols locked.
UPDATE public.portfolio_positions
   SET current_price = %(price)s, last_updated = CURRENT_TIMESTAMP
 WHERE id = ANY (%(ids)s)
