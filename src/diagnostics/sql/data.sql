-- == orphans_v1: signals of symbols without a position
SELECT count(*)
  FROM public.trading_signals t
 WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h WHERE h.symbol = t.symbol)

-- == orphans: signals without a position in their portfolio
SELECT count(*)
  FROM public.trading_signals t
 WHERE NOT EXISTS (SELECT FROM public.portfolio_positions h
                    WHERE h.portfolio_id = t.portfolio_id AND h.symbol = t.symbol)

-- == portfolio_ids: rows without a portfolio, and rows of one that is not there
SELECT count(*) FILTER (WHERE x.portfolio_id IS NULL),
       count(*) FILTER (WHERE p.portfolio_id IS NULL AND x.portfolio_id IS NOT NULL)
  FROM {tbl} x LEFT JOIN public.portfolios p USING (portfolio_id)

-- == computed: positions whose computed columns are wrong, and all positions
SELECT count(*) FILTER (WHERE market_value IS DISTINCT FROM (quantity * current_price)::numeric(12,2)
                           OR unrealized_pnl IS DISTINCT FROM ((current_price - avg_cost) * quantity)::numeric(12,2)),
       count(*)
  FROM public.portfolio_positions

-- == legacy_symbols: positions that v1 clients would see wrongly
SELECT count(*)
  FROM public.portfolio_positions
 WHERE legacy_symbol IS DISTINCT FROM CASE WHEN portfolio_id = 'DEFAULT' THEN symbol END

-- == totals_differ: portfolios whose summary differs from their positions
SELECT coalesce(s.portfolio_id, t.portfolio_id)
  FROM public.portfolio_summary s
  FULL JOIN (SELECT p.portfolio_id, count(h.id) AS positions, coalesce(sum(h.market_value), 0) AS value,
                    coalesce(sum(h.unrealized_pnl), 0) AS pnl
               FROM public.portfolios p LEFT JOIN public.portfolio_positions h USING (portfolio_id)
              GROUP BY 1) t USING (portfolio_id)
 WHERE s.total_positions IS DISTINCT FROM t.positions OR s.total_market_value IS DISTINCT FROM t.value
    OR s.total_unrealized_pnl IS DISTINCT FROM t.pnl

-- == performance_differs: portfolios whose performance differs from their summary
SELECT coalesce(s.portfolio_id, f.portfolio_id)
  FROM public.portfolio_summary s FULL JOIN public.portfolio_performance f USING (portfolio_id)
 WHERE s.total_unrealized_pnl IS DISTINCT FROM f.total_unrealized_pnl
    OR s.total_market_value IS DISTINCT FROM f.total_market_value

-- == status_differs: tables whose rows check_migration_status() counts wrongly
SELECT s.tbl_name
  FROM public.check_migration_status() s
  JOIN (SELECT 'portfolios' AS tbl_name, count(*) AS n FROM public.portfolios
        UNION ALL SELECT 'portfolio_positions', count(*) FROM public.portfolio_positions
        UNION ALL SELECT 'trading_signals', count(*) FROM public.trading_signals
        UNION ALL SELECT 'price_history', count(*) FROM public.price_history) t USING (tbl_name)
 WHERE s.total_rows IS DISTINCT FROM t.n

-- == integrity: what validate_portfolio_integrity() finds
SELECT issue_type, portfolio_id, issue_details FROM public.validate_portfolio_integrity()

-- == prices_differ: symbols with more than one price
SELECT symbol
  FROM public.portfolio_positions
 GROUP BY symbol
HAVING count(DISTINCT coalesce(current_price, -1)) > 1
 ORDER BY 1
 LIMIT 10
