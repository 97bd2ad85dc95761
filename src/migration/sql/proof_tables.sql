-- v1's columns only, so that the figures mean the same in every version. Digests are sums of 60 bits of MD5 over the
-- rows, in any order; price_history, which no phase rewrites, is held to its count and the exact sum of its prices.
SELECT 'portfolio_positions', count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', id, symbol,
           coalesce(company_name, '\N'), quantity, avg_cost, coalesce(current_price::text, '\N'),
           coalesce(sector, '\N'), coalesce(last_updated::text, '\N'))), 1, 15))::bit(60)::bigint::numeric), 0)::text
  FROM public.portfolio_positions
UNION ALL
SELECT 'trading_signals', count(*), coalesce(sum(('x' || substr(md5(concat_ws('|', id, symbol, signal_type,
           signal_strength, price, coalesce(volume::text, '\N'), coalesce(rsi::text, '\N'),
           coalesce(ma_5::text, '\N'), coalesce(ma_20::text, '\N'), coalesce(ma_50::text, '\N'),
           coalesce(bollinger_upper::text, '\N'), coalesce(bollinger_lower::text, '\N'),
           coalesce(created_at::text, '\N'))), 1, 15))::bit(60)::bigint::numeric), 0)::text
  FROM public.trading_signals
UNION ALL
SELECT 'price_history', count(*), coalesce(sum(price), 0)::text
  FROM public.price_history
