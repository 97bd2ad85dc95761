-- What the market knows of symbols. Times in the tables are in the server's own zone; a day is Hong Kong's.

-- == quotes: price, when it was right, and the last price recorded before the day of its session. As in prices.ages:
-- where the price history ends with that very price, its time counts; else the newest of the positions' rows. A symbol
-- that nobody has a position in (an index) has the price that its history ends with.
WITH newest AS (
    SELECT symbol, max(last_updated) FILTER (WHERE coalesce(current_price, 0) <> 0) AS at
      FROM public.portfolio_positions
     WHERE %(symbols)s::varchar[] IS NULL OR symbol = ANY (%(symbols)s)
     GROUP BY symbol
), wanted AS (
    SELECT n.symbol, true AS held, h.current_price AS price, n.at
      FROM newest n
      LEFT JOIN LATERAL (
           SELECT p.current_price FROM public.portfolio_positions p
            WHERE p.symbol = n.symbol AND coalesce(p.current_price, 0) <> 0
              AND p.last_updated IS NOT DISTINCT FROM n.at
            LIMIT 1) h ON true
    UNION ALL
    SELECT DISTINCT s.symbol, false, NULL::numeric, NULL::timestamp
      FROM unnest(%(symbols)s::varchar[]) s(symbol)
     WHERE NOT EXISTS (SELECT FROM newest n WHERE n.symbol = s.symbol)
), priced AS (
    SELECT w.symbol, CASE WHEN w.held THEN w.price ELSE l.price END AS price,
           CASE WHEN NOT w.held OR l.price = w.price THEN l."timestamp" ELSE w.at END AS as_of
      FROM wanted w
      LEFT JOIN LATERAL (
           SELECT p.price, p."timestamp" FROM public.price_history p
            WHERE p.symbol = w.symbol AND p."timestamp" IS NOT NULL AND p.price <> 0
            ORDER BY p."timestamp" DESC LIMIT 1) l ON true
)
SELECT q.symbol, q.price, CASE WHEN q.price IS NOT NULL THEN q.as_of::timestamptz END, b.price,
       b."timestamp"::timestamptz
  FROM priced q
  LEFT JOIN LATERAL (
       SELECT p.price, p."timestamp" FROM public.price_history p
        WHERE q.price IS NOT NULL AND p.symbol = q.symbol AND p.price <> 0
          AND p."timestamp" < (least(date_trunc('day', q.as_of::timestamptz AT TIME ZONE 'Asia/Hong_Kong'),
                                     date_trunc('day', %(latest_opens)s::timestamptz AT TIME ZONE 'Asia/Hong_Kong'))
                               AT TIME ZONE 'Asia/Hong_Kong')::timestamp
        ORDER BY p."timestamp" DESC LIMIT 1) b ON true
 ORDER BY q.symbol

-- == closes: the last price of each day from `since` on, and the last one before. Per symbol the days since `since`
-- (below
-- 0: before it) and their prices: as rows they would take far longer to read than to find.
SELECT s.symbol, array_agg(c.day - %(since)s::date), array_agg(c.price::float8)
  FROM (SELECT DISTINCT symbol FROM unnest(%(symbols)s::varchar[]) u(symbol)) s
 CROSS JOIN LATERAL (
       (SELECT DISTINCT ON (1) (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date AS day, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0 AND p."timestamp" IS NOT NULL
           AND p."timestamp" >= (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY 1, p."timestamp" DESC, p.id DESC)
       UNION ALL
       (SELECT (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0
           AND p."timestamp" < (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY p."timestamp" DESC, p.id DESC LIMIT 1)) c
 GROUP BY s.symbol

-- == curves: what portfolios hold, and the closes of all that: rows of a portfolio with a quantity, then per symbol the
-- days since `since` (below 0: the last close before it) and the closes of these days.
WITH held AS MATERIALIZED (
    SELECT portfolio_id, symbol, quantity FROM public.portfolio_positions
     WHERE portfolio_id = ANY (%(portfolio_ids)s) AND quantity <> 0
)
SELECT portfolio_id, symbol, quantity, NULL::int[], NULL::float8[] FROM held
UNION ALL
SELECT NULL, s.symbol, NULL, array_agg(c.day - %(since)s::date), array_agg(c.price::float8)
  FROM (SELECT DISTINCT symbol FROM held) s
 CROSS JOIN LATERAL (
       (SELECT DISTINCT ON (1) (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date AS day, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0 AND p."timestamp" IS NOT NULL
           AND p."timestamp" >= (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY 1, p."timestamp" DESC, p.id DESC)
       UNION ALL
       (SELECT (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0
           AND p."timestamp" < (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY p."timestamp" DESC, p.id DESC LIMIT 1)) c
 GROUP BY s.symbol

-- == curves_v1: the same of the one portfolio there is; as in overview_v1.
WITH held AS MATERIALIZED (
    SELECT 'DEFAULT'::varchar AS portfolio_id, h.symbol, h.quantity
      FROM (VALUES ('DEFAULT'::varchar)) one(portfolio_id)
     CROSS JOIN LATERAL (SELECT p.symbol, p.quantity, portfolio_id AS owner FROM public.portfolio_positions p) h
     WHERE h.quantity <> 0 AND coalesce(h.owner, 'DEFAULT') = 'DEFAULT'
)
SELECT portfolio_id, symbol, quantity, NULL::int[], NULL::float8[] FROM held
UNION ALL
SELECT NULL, s.symbol, NULL, array_agg(c.day - %(since)s::date), array_agg(c.price::float8)
  FROM (SELECT DISTINCT symbol FROM held) s
 CROSS JOIN LATERAL (
       (SELECT DISTINCT ON (1) (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date AS day, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0 AND p."timestamp" IS NOT NULL
           AND p."timestamp" >= (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY 1, p."timestamp" DESC, p.id DESC)
       UNION ALL
       (SELECT (p."timestamp"::timestamptz AT TIME ZONE 'Asia/Hong_Kong')::date, p.price
          FROM public.price_history p
         WHERE p.symbol = s.symbol AND p.price <> 0
           AND p."timestamp" < (%(since)s::timestamp AT TIME ZONE 'Asia/Hong_Kong')::timestamp
         ORDER BY p."timestamp" DESC, p.id DESC LIMIT 1)) c
 GROUP BY s.symbol
