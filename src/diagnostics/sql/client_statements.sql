-- Statements of v1 clients: names without a schema, looked up along the search_path that the role has.

-- == v1_upsert: a new position
INSERT INTO portfolio_positions (id, symbol, company_name, quantity, avg_cost, current_price, sector)
VALUES (%(id)s, %(symbol)s, 'Diagnostics', 100, 10, 12, 'Other')
    ON CONFLICT (symbol) DO UPDATE SET quantity = EXCLUDED.quantity
RETURNING id = %(id)s

-- == v1_insert_or_nothing: a position that is there
INSERT INTO portfolio_positions (id, symbol, quantity, avg_cost)
VALUES (%(other)s, %(symbol)s, 1, 1)
    ON CONFLICT (symbol) DO NOTHING

-- == v1_upsert_again: a position that is there, changed
INSERT INTO portfolio_positions (id, symbol, quantity, avg_cost)
VALUES (%(other)s, %(symbol)s, 200, 10)
    ON CONFLICT (symbol) DO UPDATE SET quantity = EXCLUDED.quantity, avg_cost = EXCLUDED.avg_cost
RETURNING id = %(id)s

-- == v1_update: a price
UPDATE portfolio_positions SET current_price = 13, last_updated = now() WHERE symbol = %(symbol)s

-- == v1_select: columns, with computed ones
SELECT symbol = %(symbol)s, quantity, market_value, unrealized_pnl FROM portfolio_positions WHERE symbol = %(symbol)s

-- == v1_insert_signal: a signal
INSERT INTO trading_signals (id, symbol, signal_type, signal_strength, price)
VALUES (%(id)s, %(symbol)s, 'A', 0.9, 13)

-- == v1_insert_price: a price in the history
INSERT INTO price_history (id, symbol, price, volume) VALUES (%(id)s, %(symbol)s, 13, 1000)

-- == v1_join: signals with their positions
SELECT count(*)
  FROM trading_signals s JOIN portfolio_positions p ON p.symbol = s.symbol
 WHERE s.symbol = %(symbol)s

-- == v1_delete: a position
DELETE FROM portfolio_positions WHERE symbol = %(symbol)s

-- == v1_count_signals: what is left of its signals
SELECT count(*) FROM trading_signals WHERE symbol = %(symbol)s

-- == v1_schemas: schemas with views of that comment that our role may use
SELECT DISTINCT n.nspname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'v' AND pg_catalog.obj_description(c.oid, 'pg_class') = %s
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
 ORDER BY 1

-- == has_portfolio_ids: whether portfolios have an id beside their portfolio_id (an adopted table need not)
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
                WHERE attrelid = 'public.portfolios'::regclass AND attname = 'id' AND NOT attisdropped)

-- == insert_portfolio: with an id of ours
INSERT INTO public.portfolios (id, portfolio_id, name) VALUES (%(id)s, %(portfolio)s, 'Diagnostics')

-- == insert_portfolio_without_id: where the table has no such column
INSERT INTO public.portfolios (portfolio_id, name) VALUES (%(portfolio)s, 'Diagnostics')

-- == insert_positions: one symbol in two portfolios
INSERT INTO public.portfolio_positions (id, portfolio_id, symbol, quantity, avg_cost, current_price)
VALUES (%(id)s, 'DEFAULT', %(symbol)s, 100, 10, 12), (%(other)s, %(portfolio)s, %(symbol)s, 50, 11, 12)

-- == insert_signals: one for each of the two
INSERT INTO public.trading_signals (id, portfolio_id, symbol, signal_type, price)
VALUES (%(id)s, 'DEFAULT', %(symbol)s, 'B', 12), (%(other)s, %(portfolio)s, %(symbol)s, 'B', 12)

-- == change_quantity: of one of the two
UPDATE public.portfolio_positions SET quantity = 7 WHERE portfolio_id = %(portfolio)s AND symbol = %(symbol)s

-- == quantity: of a position
SELECT quantity FROM public.portfolio_positions WHERE id = %s

-- == change_price: of one of the two
UPDATE public.portfolio_positions SET current_price = 15 WHERE id = %(id)s

-- == price: of a position
SELECT current_price FROM public.portfolio_positions WHERE id = %s

-- == delete_position: one of the two
DELETE FROM public.portfolio_positions WHERE id = %(id)s

-- == signals: of a symbol
SELECT id FROM public.trading_signals WHERE symbol = %s
