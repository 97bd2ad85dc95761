-- == list_v1: the one portfolio of a v1 database, in the columns of `list`. A database that was v1 a moment ago may
-- have other portfolios' rows by now: within LATERAL, `portfolio_id` is the table's where it has one, else the outer
-- one.
WITH held AS (
    SELECT h.*, quantity <> 0 AS active, quantity <> 0 AND coalesce(current_price, 0) <> 0 AS priced
      FROM (VALUES ('DEFAULT'::varchar)) one(portfolio_id)
     CROSS JOIN LATERAL (SELECT p.quantity, p.avg_cost, p.current_price, p.market_value, p.unrealized_pnl,
                                p.last_updated, portfolio_id AS owner FROM public.portfolio_positions p) h
     WHERE coalesce(h.owner, 'DEFAULT') = 'DEFAULT'
)
SELECT 'DEFAULT'::varchar AS portfolio_id, 'Legacy Portfolio'::varchar AS name, NULL::text AS description,
       NULL::timestamp AS created_at, max(last_updated) AS updated_at,
       count(*) AS total_positions,
       count(*) FILTER (WHERE active) AS active_positions,
       CASE WHEN bool_or(active) AND NOT bool_or(priced) THEN NULL
            ELSE coalesce(sum(market_value) FILTER (WHERE priced), 0) END AS total_market_value,
       coalesce(sum(quantity * avg_cost), 0) AS total_cost,
       CASE WHEN bool_or(active) AND NOT bool_or(priced) THEN NULL
            ELSE coalesce(sum(unrealized_pnl) FILTER (WHERE priced), 0) END AS total_unrealized_pnl,
       count(*) FILTER (WHERE priced) AS priced_positions,
       coalesce(sum(quantity * avg_cost) FILTER (WHERE priced), 0) AS priced_cost,
       coalesce(sum(abs(quantity * avg_cost)), 0) AS cost_size,
       coalesce(sum(abs(quantity * avg_cost)) FILTER (WHERE priced), 0) AS priced_size,
       NULL::varchar AS strategy, NULL::varchar AS copied_from, NULL::timestamp AS copied_at,
       NULL::timestamp AS archived_at
  FROM held

-- == list: every portfolio with its totals. A held position without a price counts in total_cost only.
WITH held AS (
    SELECT portfolio_id, quantity, avg_cost, market_value, unrealized_pnl,
           quantity <> 0 AS active, quantity <> 0 AND coalesce(current_price, 0) <> 0 AS priced
      FROM public.portfolio_positions
)
SELECT p.portfolio_id, p.name, p.description, p.created_at, p.updated_at,
       count(h.quantity) AS total_positions,
       count(*) FILTER (WHERE h.active) AS active_positions,
       CASE WHEN bool_or(h.active) AND NOT bool_or(h.priced) THEN NULL
            ELSE coalesce(sum(h.market_value) FILTER (WHERE h.priced), 0) END AS total_market_value,
       coalesce(sum(h.quantity * h.avg_cost), 0) AS total_cost,
       CASE WHEN bool_or(h.active) AND NOT bool_or(h.priced) THEN NULL
            ELSE coalesce(sum(h.unrealized_pnl) FILTER (WHERE h.priced), 0) END AS total_unrealized_pnl,
       count(*) FILTER (WHERE h.priced) AS priced_positions,
       coalesce(sum(h.quantity * h.avg_cost) FILTER (WHERE h.priced), 0) AS priced_cost,
       coalesce(sum(abs(h.quantity * h.avg_cost)), 0) AS cost_size,
       coalesce(sum(abs(h.quantity * h.avg_cost)) FILTER (WHERE h.priced), 0) AS priced_size,
       p.strategy, p.copied_from, p.copied_at, p.archived_at
  FROM public.portfolios p
  LEFT JOIN held h ON h.portfolio_id = p.portfolio_id
 GROUP BY p.portfolio_id, p.name, p.description, p.created_at, p.updated_at,
          p.strategy, p.copied_from, p.copied_at, p.archived_at
 ORDER BY p.portfolio_id <> 'DEFAULT', p.portfolio_id

-- == ids: those that exist, DEFAULT first.
SELECT portfolio_id FROM public.portfolios ORDER BY portfolio_id <> 'DEFAULT', portfolio_id

-- == same_id: is there one whose id differs at most in capitals?
SELECT portfolio_id FROM public.portfolios WHERE upper(portfolio_id) = upper(%(portfolio_id)s)

-- == lock_for_edit: one editor of a portfolio at a time; v1 clients and signals do not wait for it.
SELECT archived_at FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s FOR NO KEY UPDATE

-- == lock_for_copy: it must not be deleted while it is copied.
SELECT strategy FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s FOR KEY SHARE

-- == lock_for_delete: nobody may refer to it any more.
SELECT name FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s FOR UPDATE

-- == insert: nothing comes back when the id is taken.
INSERT INTO public.portfolios (portfolio_id, name, description, strategy, copied_from, copied_at)
VALUES (%(portfolio_id)s, %(name)s, %(description)s, %(strategy)s, %(copied_from)s,
        CASE WHEN %(copied_from)s::varchar IS NOT NULL THEN CURRENT_TIMESTAMP END)
ON CONFLICT (portfolio_id) DO NOTHING
RETURNING portfolio_id

-- == rename: NULL leaves a column as it is.
UPDATE public.portfolios
   SET name = %(name)s,
       description = coalesce(%(description)s, description),
       strategy = CASE WHEN %(strategy)s::text IS NULL THEN strategy ELSE nullif(%(strategy)s, '') END,
       updated_at = CURRENT_TIMESTAMP
 WHERE portfolio_id = %(portfolio_id)s

-- == archive: keeps the first date when it is archived twice.
UPDATE public.portfolios
   SET archived_at = coalesce(archived_at, CURRENT_TIMESTAMP), updated_at = CURRENT_TIMESTAMP
 WHERE portfolio_id = %(portfolio_id)s

-- == restore: archived no longer.
UPDATE public.portfolios
   SET archived_at = NULL, updated_at = CURRENT_TIMESTAMP
 WHERE portfolio_id = %(portfolio_id)s

-- == touch: v2 has no trigger that does it.
UPDATE public.portfolios SET updated_at = CURRENT_TIMESTAMP WHERE portfolio_id = %(portfolio_id)s

-- == delete_signals: those whose position is gone already.
DELETE FROM public.trading_signals WHERE portfolio_id = %(portfolio_id)s

-- == delete_positions: their signals follow.
DELETE FROM public.portfolio_positions WHERE portfolio_id = %(portfolio_id)s

-- == delete: the portfolio itself.
DELETE FROM public.portfolios WHERE portfolio_id = %(portfolio_id)s
