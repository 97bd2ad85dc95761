-- == list_v1: newest first. `portfolio_id` as in portfolios.list_v1.
SELECT id, symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50,
       bollinger_upper, bollinger_lower, created_at, 'DEFAULT'::varchar AS portfolio_id
  FROM (VALUES ('DEFAULT'::varchar)) one(portfolio_id)
 CROSS JOIN LATERAL (SELECT t.*, portfolio_id AS owner FROM public.trading_signals t) s
 WHERE coalesce(s.owner, 'DEFAULT') = 'DEFAULT'
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s

-- == list_all: of every portfolio, newest first.
SELECT id, symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50,
       bollinger_upper, bollinger_lower, created_at, portfolio_id
  FROM public.trading_signals
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s

-- == list: of one portfolio, newest first.
SELECT id, symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50,
       bollinger_upper, bollinger_lower, created_at, portfolio_id
  FROM public.trading_signals
 WHERE portfolio_id = %(portfolio_id)s
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s

-- == insert_v1: only for a symbol that has a position.
INSERT INTO public.trading_signals
       (symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50, bollinger_upper, bollinger_lower)
SELECT symbol, %(signal_type)s, %(strength)s, %(price)s, %(volume)s, %(rsi)s, %(ma_5)s, %(ma_20)s, %(ma_50)s,
       %(bollinger_upper)s, %(bollinger_lower)s
  FROM public.portfolio_positions
 WHERE symbol = ANY (%(symbols)s)
 ORDER BY symbol = %(preferred)s DESC
 LIMIT 1
RETURNING id

-- == insert: only for a symbol that the portfolio holds or watches.
INSERT INTO public.trading_signals
       (symbol, signal_type, signal_strength, price, volume, rsi, ma_5, ma_20, ma_50, bollinger_upper, bollinger_lower,
        portfolio_id)
SELECT symbol, %(signal_type)s, %(strength)s, %(price)s, %(volume)s, %(rsi)s, %(ma_5)s, %(ma_20)s, %(ma_50)s,
       %(bollinger_upper)s, %(bollinger_lower)s, portfolio_id
  FROM public.portfolio_positions
 WHERE portfolio_id = %(portfolio_id)s AND symbol = ANY (%(symbols)s)
 ORDER BY symbol = %(preferred)s DESC
 LIMIT 1
RETURNING id
