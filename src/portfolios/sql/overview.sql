-- Every portfolio with its figures, in one pass over the positions. The same rules as in quotes.sql: what is per symbol
-- (`market`) is looked up once, however many portfolios hold it.

-- == overview: portfolios.list, and the day.
WITH market AS MATERIALIZED (
    SELECT h.symbol, h.at, l.price AS newest, l."timestamp" AS newest_at, b.price AS before,
           b."timestamp"::timestamptz >= %(previous_opens)s::timestamptz AS before_is_previous
      FROM (SELECT symbol, max(last_updated) FILTER (WHERE coalesce(current_price, 0) <> 0) AS at
              FROM public.portfolio_positions GROUP BY symbol) h
      LEFT JOIN LATERAL (
           SELECT p.price, p."timestamp" FROM public.price_history p
            WHERE p.symbol = h.symbol AND p."timestamp" IS NOT NULL AND p.price <> 0
            ORDER BY p."timestamp" DESC LIMIT 1) l ON true
      LEFT JOIN LATERAL (
           SELECT p.price, p."timestamp" FROM public.price_history p
            WHERE p.symbol = h.symbol AND p.price <> 0
              AND p."timestamp" < (date_trunc('day', %(latest_opens)s::timestamptz AT TIME ZONE 'Asia/Hong_Kong')
                                   AT TIME ZONE 'Asia/Hong_Kong')::timestamp
            ORDER BY p."timestamp" DESC LIMIT 1) b ON true
), valued AS (
    SELECT p.*,
           CASE WHEN p.priced THEN CASE WHEN m.newest = p.current_price THEN m.newest_at ELSE m.at END END AS as_of,
           CASE WHEN m.before_is_previous THEN round((p.current_price - m.before) * p.quantity, 2) END AS change
      FROM (SELECT portfolio_id AS portfolio_id, symbol, quantity, avg_cost, current_price, market_value,
                   unrealized_pnl, last_updated, quantity <> 0 AS active,
                   quantity <> 0 AND coalesce(current_price, 0) <> 0 AS priced
              FROM public.portfolio_positions) p
      JOIN market m ON m.symbol = p.symbol
), aged AS (
    SELECT v.*, coalesce(v.as_of >= %(latest_opens)s::timestamptz::timestamp, false) AS fresh FROM valued v
    OFFSET 0  -- so that it is worked out once per row, and not again in each sum
), totals AS (
    SELECT portfolio_id, max(last_updated) AS updated_at, count(*) AS positions,
           count(*) FILTER (WHERE active) AS active, count(*) FILTER (WHERE priced) AS priced,
           coalesce(sum(market_value) FILTER (WHERE priced), 0) AS market_value,
           coalesce(sum(unrealized_pnl) FILTER (WHERE priced), 0) AS unrealized_pnl,
           sum(quantity * avg_cost) AS cost, sum(abs(quantity * avg_cost)) AS cost_size,
           coalesce(sum(quantity * avg_cost) FILTER (WHERE priced), 0) AS priced_cost,
           coalesce(sum(abs(quantity * avg_cost)) FILTER (WHERE priced), 0) AS priced_size,
           sum(change) FILTER (WHERE fresh) AS day_change,
           sum(market_value) FILTER (WHERE fresh AND change IS NOT NULL) AS day_change_value,
           sum(abs(market_value)) FILTER (WHERE fresh AND change IS NOT NULL) AS day_change_size,
           sum(market_value) FILTER (WHERE fresh) AS fresh_value,
           sum(abs(market_value)) FILTER (WHERE priced) AS value_size,
           sum(abs(market_value)) FILTER (WHERE fresh) AS fresh_size,
           min(as_of) AS oldest_price_at
      FROM aged
     GROUP BY portfolio_id
)
SELECT p.portfolio_id, p.name, p.description, p.created_at, p.updated_at,
       coalesce(t.positions, 0) AS total_positions, coalesce(t.active, 0) AS active_positions,
       CASE WHEN t.active > 0 AND t.priced = 0 THEN NULL ELSE coalesce(t.market_value, 0) END AS total_market_value,
       coalesce(t.cost, 0) AS total_cost,
       CASE WHEN t.active > 0 AND t.priced = 0 THEN NULL ELSE coalesce(t.unrealized_pnl, 0) END
           AS total_unrealized_pnl,
       coalesce(t.priced, 0) AS priced_positions, coalesce(t.priced_cost, 0) AS priced_cost,
       coalesce(t.cost_size, 0) AS cost_size, coalesce(t.priced_size, 0) AS priced_size,
       p.strategy, p.copied_from, p.copied_at, p.archived_at,
       t.day_change, coalesce(t.day_change_value, 0), coalesce(t.day_change_size, 0), coalesce(t.fresh_value, 0),
       coalesce(t.value_size, 0), coalesce(t.fresh_size, 0), t.oldest_price_at::timestamptz
  FROM public.portfolios p
  LEFT JOIN totals t ON t.portfolio_id = p.portfolio_id
 ORDER BY p.portfolio_id <> 'DEFAULT', p.portfolio_id

-- == overview_v1: the same of the one portfolio there is. Read as v1, a database may be v2 since a moment:
-- see portfolios.list_v1.
WITH only_default AS (
    SELECT h.* FROM (VALUES ('DEFAULT'::varchar)) one(portfolio_id)
     CROSS JOIN LATERAL (SELECT p.symbol, p.quantity, p.avg_cost, p.current_price, p.market_value, p.unrealized_pnl,
                                p.last_updated, portfolio_id AS owner FROM public.portfolio_positions p) h
     WHERE coalesce(h.owner, 'DEFAULT') = 'DEFAULT'
), market AS MATERIALIZED (
    SELECT h.symbol, h.at, l.price AS newest, l."timestamp" AS newest_at, b.price AS before,
           b."timestamp"::timestamptz >= %(previous_opens)s::timestamptz AS before_is_previous
      FROM (SELECT symbol, max(last_updated) FILTER (WHERE coalesce(current_price, 0) <> 0) AS at
              FROM only_default GROUP BY symbol) h
      LEFT JOIN LATERAL (
           SELECT p.price, p."timestamp" FROM public.price_history p
            WHERE p.symbol = h.symbol AND p."timestamp" IS NOT NULL AND p.price <> 0
            ORDER BY p."timestamp" DESC LIMIT 1) l ON true
      LEFT JOIN LATERAL (
           SELECT p.price, p."timestamp" FROM public.price_history p
            WHERE p.symbol = h.symbol AND p.price <> 0
              AND p."timestamp" < (date_trunc('day', %(latest_opens)s::timestamptz AT TIME ZONE 'Asia/Hong_Kong')
                                   AT TIME ZONE 'Asia/Hong_Kong')::timestamp
            ORDER BY p."timestamp" DESC LIMIT 1) b ON true
), valued AS (
    SELECT p.*,
           CASE WHEN p.priced THEN CASE WHEN m.newest = p.current_price THEN m.newest_at ELSE m.at END END AS as_of,
           CASE WHEN m.before_is_previous THEN round((p.current_price - m.before) * p.quantity, 2) END AS change
      FROM (SELECT 'DEFAULT'::varchar AS portfolio_id, symbol, quantity, avg_cost, current_price, market_value,
                   unrealized_pnl, last_updated, quantity <> 0 AS active,
                   quantity <> 0 AND coalesce(current_price, 0) <> 0 AS priced
              FROM only_default) p
      JOIN market m ON m.symbol = p.symbol
), aged AS (
    SELECT v.*, coalesce(v.as_of >= %(latest_opens)s::timestamptz::timestamp, false) AS fresh FROM valued v
    OFFSET 0  -- so that it is worked out once per row, and not again in each sum
), totals AS (
    SELECT 'DEFAULT'::varchar AS portfolio_id, max(last_updated) AS updated_at, count(*) AS positions,
           count(*) FILTER (WHERE active) AS active, count(*) FILTER (WHERE priced) AS priced,
           coalesce(sum(market_value) FILTER (WHERE priced), 0) AS market_value,
           coalesce(sum(unrealized_pnl) FILTER (WHERE priced), 0) AS unrealized_pnl,
           sum(quantity * avg_cost) AS cost, sum(abs(quantity * avg_cost)) AS cost_size,
           coalesce(sum(quantity * avg_cost) FILTER (WHERE priced), 0) AS priced_cost,
           coalesce(sum(abs(quantity * avg_cost)) FILTER (WHERE priced), 0) AS priced_size,
           sum(change) FILTER (WHERE fresh) AS day_change,
           sum(market_value) FILTER (WHERE fresh AND change IS NOT NULL) AS day_change_value,
           sum(abs(market_value)) FILTER (WHERE fresh AND change IS NOT NULL) AS day_change_size,
           sum(market_value) FILTER (WHERE fresh) AS fresh_value,
           sum(abs(market_value)) FILTER (WHERE priced) AS value_size,
           sum(abs(market_value)) FILTER (WHERE fresh) AS fresh_size,
           min(as_of) AS oldest_price_at
      FROM aged
)
SELECT portfolio_id, 'Legacy Portfolio'::varchar, NULL::text, NULL::timestamp, updated_at,
       coalesce(positions, 0) AS total_positions, coalesce(active, 0) AS active_positions,
       CASE WHEN active > 0 AND priced = 0 THEN NULL ELSE coalesce(market_value, 0) END AS total_market_value,
       coalesce(cost, 0) AS total_cost,
       CASE WHEN active > 0 AND priced = 0 THEN NULL ELSE coalesce(unrealized_pnl, 0) END
           AS total_unrealized_pnl,
       coalesce(priced, 0) AS priced_positions, coalesce(priced_cost, 0) AS priced_cost,
       coalesce(cost_size, 0) AS cost_size, coalesce(priced_size, 0) AS priced_size,
       NULL::varchar, NULL::varchar, NULL::timestamp, NULL::timestamp,
       day_change, coalesce(day_change_value, 0), coalesce(day_change_size, 0), coalesce(fresh_value, 0),
       coalesce(value_size, 0), coalesce(fresh_size, 0), oldest_price_at::timestamptz
  FROM totals
