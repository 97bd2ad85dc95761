-- == ages: when the price of each symbol was right. Where the price history ends with that very price, its time counts;
-- else the time of the position's row.
SELECT h.symbol, h.current_price AS price,
       CASE WHEN l.price = h.current_price THEN l."timestamp" ELSE h.last_updated END AS as_of,
       LOCALTIMESTAMP - CASE WHEN l.price = h.current_price THEN l."timestamp" ELSE h.last_updated END AS age,
       l.price AS history_price, l."timestamp" AS history_as_of
  FROM (SELECT DISTINCT ON (symbol) symbol, nullif(current_price, 0) AS current_price,
               CASE WHEN coalesce(current_price, 0) <> 0 THEN last_updated END AS last_updated
          FROM public.portfolio_positions
         ORDER BY symbol, nullif(current_price, 0) IS NULL, last_updated DESC NULLS LAST) h
  LEFT JOIN LATERAL (
       SELECT p.price, p."timestamp" FROM public.price_history p
        WHERE p.symbol = h.symbol AND p."timestamp" IS NOT NULL
        ORDER BY p."timestamp" DESC LIMIT 1) l ON true
 ORDER BY h.symbol

-- == history: the recorded prices of one symbol, oldest first.
SELECT "timestamp", price, volume, high, low, open_price, close_price FROM public.price_history
 WHERE symbol = ANY (%(symbols)s) AND "timestamp" >= coalesce(%(since)s, '-infinity'::timestamp)
 ORDER BY "timestamp", id
