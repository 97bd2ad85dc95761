SELECT %s::bigint, id, md5(concat_ws('|', symbol, coalesce(company_name, '\N'), quantity, avg_cost,
       coalesce(current_price::text, '\N'), coalesce(sector, '\N'), coalesce(last_updated::text, '\N')))
  FROM public.portfolio_positions
