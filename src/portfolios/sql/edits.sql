-- Edits of a portfolio's positions, many at once.

-- == lock_new_symbols: the lock that v2's trigger takes when a v1 client inserts a symbol that DEFAULT does not have.
-- So either we see that client's price, or its trigger sees our row and shares the price with it. At most as many as
-- the trigger takes: the server's lock table is finite.
SELECT pg_advisory_xact_lock(hashtextextended('hk_strategy:' || n.symbol, 0))
  FROM (SELECT s.symbol FROM unnest(%(symbols)s::varchar[]) s(symbol)
         WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h
                            WHERE h.symbol = s.symbol AND h.portfolio_id = 'DEFAULT')
         ORDER BY 1 LIMIT 1000) n

-- == lock: the portfolio's rows of `here`, and the rows of `everywhere` in all portfolios; at once or not at all.
SELECT id, portfolio_id, symbol, quantity, avg_cost, nullif(company_name, ''), nullif(sector, ''),
       nullif(current_price, 0), last_updated
  FROM public.portfolio_positions
 WHERE (portfolio_id = %(portfolio_id)s AND symbol = ANY (%(here)s)) OR symbol = ANY (%(everywhere)s)
 ORDER BY id
   FOR NO KEY UPDATE NOWAIT

-- == lock_v1: the same where there is one portfolio. By way of JSON, since v1 has no portfolio_id, and a phase may
-- bring one between detecting the schema and this statement: even then only DEFAULT's rows are taken for its own.
SELECT id, coalesce(to_jsonb(h)->>'portfolio_id', 'DEFAULT'), symbol, quantity, avg_cost, nullif(company_name, ''),
       nullif(sector, ''), nullif(current_price, 0), last_updated
  FROM public.portfolio_positions h
 WHERE symbol = ANY (%(here)s::varchar[] || %(everywhere)s::varchar[])
 ORDER BY id
   FOR NO KEY UPDATE NOWAIT

-- == read: the same rows as `lock` finds for `here`, as they are.
SELECT id, portfolio_id, symbol, quantity, avg_cost, nullif(company_name, ''), nullif(sector, ''),
       nullif(current_price, 0), last_updated
  FROM public.portfolio_positions
 WHERE portfolio_id = %(portfolio_id)s AND symbol = ANY (%(here)s)

-- == lock_for_removal: no signal may come in any more.
SELECT id FROM public.portfolio_positions WHERE id = ANY (%(ids)s) ORDER BY id FOR UPDATE NOWAIT

-- == newest_prices: the last recorded price per symbol.
SELECT s.symbol, p.price, p."timestamp"
  FROM unnest(%(symbols)s::varchar[]) s(symbol)
 CROSS JOIN LATERAL (
       SELECT h.price, h."timestamp" FROM public.price_history h
        WHERE h.symbol = s.symbol AND h."timestamp" IS NOT NULL AND h.price <> 0
        ORDER BY h."timestamp" DESC LIMIT 1) p

-- == known_names: what other portfolios say about these symbols, DEFAULT first.
SELECT DISTINCT ON (symbol) symbol, nullif(company_name, ''), nullif(sector, '') FROM public.portfolio_positions
 WHERE symbol = ANY (%(symbols)s)
 ORDER BY symbol, portfolio_id <> 'DEFAULT', id

-- == signals: those that go with these positions, whole rows.
SELECT symbol, jsonb_agg(to_jsonb(t) ORDER BY id)::text FROM public.trading_signals t
 WHERE portfolio_id = %(portfolio_id)s AND symbol = ANY (%(symbols)s)
 GROUP BY symbol

-- == update: last_updated is the price's time, and stays.
UPDATE public.portfolio_positions h
   SET quantity = e.quantity, avg_cost = e.avg_cost, company_name = e.company_name, sector = e.sector
  FROM unnest(%(ids)s::int[], %(quantities)s::int[], %(costs)s::numeric[], %(names)s::text[], %(sectors)s::text[])
       AS e(id, quantity, avg_cost, company_name, sector)
 WHERE h.id = e.id

-- == price: rows that `lock` locked. No time given: now.
UPDATE public.portfolio_positions h
   SET current_price = e.price, last_updated = coalesce(e.as_of, LOCALTIMESTAMP)
  FROM unnest(%(ids)s::int[], %(prices)s::numeric[], %(times)s::timestamp[]) AS e(id, price, as_of)
 WHERE h.id = e.id
   AND (h.current_price IS DISTINCT FROM e.price OR h.last_updated IS DISTINCT FROM coalesce(e.as_of, LOCALTIMESTAMP))

-- == insert: what someone else inserted first does not come back.
INSERT INTO public.portfolio_positions
       (portfolio_id, symbol, company_name, quantity, avg_cost, current_price, sector, last_updated)
SELECT %(portfolio_id)s, e.symbol, e.company_name, e.quantity, e.avg_cost, e.price, e.sector,
       CASE WHEN e.now THEN LOCALTIMESTAMP ELSE e.as_of END
  FROM unnest(%(symbols)s::varchar[], %(names)s::text[], %(quantities)s::int[], %(costs)s::numeric[],
              %(prices)s::numeric[], %(sectors)s::text[], %(times)s::timestamp[], %(now)s::boolean[])
       AS e(symbol, company_name, quantity, avg_cost, price, sector, as_of, now)
 ORDER BY e.symbol
ON CONFLICT (portfolio_id, symbol) DO NOTHING
RETURNING symbol

-- == remove: their signals follow.
DELETE FROM public.portfolio_positions WHERE id = ANY (%(ids)s)

-- == insert_signals: rows that `signals` kept, under their old numbers where those are free.
INSERT INTO public.trading_signals
       (id, symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50, bollinger_upper,
        bollinger_lower, created_at, portfolio_id)
SELECT CASE WHEN EXISTS (SELECT FROM public.trading_signals t WHERE t.id = s.id)
            THEN nextval(pg_get_serial_sequence('public.trading_signals', 'id')) ELSE s.id END,
       symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50, bollinger_upper,
       bollinger_lower, created_at, portfolio_id
  FROM unnest(%(signals)s::text[]) kept(signals)
 CROSS JOIN jsonb_populate_recordset(NULL::public.trading_signals, kept.signals::jsonb) s
