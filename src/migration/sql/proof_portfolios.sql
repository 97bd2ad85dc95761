SELECT coalesce({portfolio}, 'DEFAULT'), count(*), coalesce(sum(quantity * avg_cost), 0),
       coalesce(sum(market_value), 0), coalesce(sum(unrealized_pnl), 0)
  FROM public.portfolio_positions
 GROUP BY 1
