-- == detect: one row that identifies the schema. Catalogs only, by join: no user table is opened, so nothing is locked.
WITH names(relname) AS (
    VALUES ('portfolio_positions'), ('trading_signals'), ('price_history'), ('portfolios')
), tables AS (
    SELECT c.oid, c.relname::text AS relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
      JOIN names ON names.relname = c.relname
     WHERE c.relkind IN ('r', 'p')
), columns AS (
    SELECT t.relname || '.' || a.attname AS name, a.attnotnull AS required
      FROM tables t
      JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
), indexes AS (
    SELECT t.relname, i.indisvalid AS valid, ic.relname::text AS index_name, i.indisunique AS is_unique,
           i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate AS plain,
           (SELECT array_agg(a.attname::text ORDER BY a.attname::text)
              FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = t.oid
               AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) AS key
      FROM tables t
      JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
      JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
), portfolio_keys AS (
    SELECT t.relname
      FROM tables t
      JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.convalidated
      JOIN tables r ON r.oid = k.confrelid AND r.relname = 'portfolios'
)
SELECT (SELECT coalesce(array_agg(relname ORDER BY relname), '{}') FROM tables) AS tables,
       (SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM columns) AS columns,
       (SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM columns WHERE required) AS required_columns,
       EXISTS (SELECT FROM indexes WHERE relname = 'portfolio_positions' AND is_unique AND valid AND plain
                  AND key = ARRAY['symbol']) AS unique_symbol,
       EXISTS (SELECT FROM indexes WHERE relname = 'portfolio_positions' AND is_unique AND valid AND plain
                  AND key = ARRAY['portfolio_id', 'symbol']) AS unique_portfolio_symbol,
       EXISTS (SELECT FROM indexes WHERE relname = 'portfolios' AND is_unique AND valid AND plain
                  AND key = ARRAY['portfolio_id']) AS unique_portfolio,
       EXISTS (SELECT FROM indexes WHERE relname = 'portfolio_positions' AND is_unique AND valid AND plain
                  AND key = ARRAY['legacy_symbol']) AS unique_legacy_symbol,
       (SELECT coalesce(array_agg(index_name ORDER BY index_name), '{}') FROM indexes WHERE NOT valid)
           AS invalid_indexes,
       (SELECT coalesce(array_agg(DISTINCT relname ORDER BY relname), '{}') FROM portfolio_keys)
           AS portfolio_foreign_keys,
       EXISTS (SELECT FROM pg_catalog.pg_class v
                 JOIN pg_catalog.pg_namespace s ON s.oid = v.relnamespace AND s.nspname <> 'public'
                 JOIN pg_catalog.pg_roles r ON r.rolname = s.nspname
                WHERE v.relname = 'portfolio_positions' AND v.relkind = 'v') AS compatibility_views,
       (SELECT coalesce(array_agg(quote_ident(s.nspname) || '.' || quote_ident(c.relname) ORDER BY s.nspname, c.relname), '{}')
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace AND s.nspname NOT IN ('public', 'hk_migration')
         WHERE c.relkind IN ('r', 'p')
           AND (c.relname IN (SELECT relname FROM names)
                OR c.relname IN ('portfolio_analyses', 'portfolio_value_history', 'portfolio_holdings')
                   AND EXISTS (SELECT FROM pg_catalog.pg_class b JOIN names ON names.relname = b.relname
                                WHERE b.relnamespace = s.oid AND b.relkind IN ('r', 'p')))
           AND s.nspname IN (SELECT CASE btrim(part, ' "') WHEN '$user' THEN current_user::text
                                         ELSE btrim(part, ' "') END
                               FROM pg_catalog.pg_settings p, unnest(string_to_array(p.reset_val, ',')) AS part
                              WHERE p.name = 'search_path')) AS on_search_path
