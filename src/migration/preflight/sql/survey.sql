-- What the catalogs say about a database that is to be migrated. No user table is opened here.

-- == clear_path: names are shown with their schema from here on
SELECT set_config('search_path', 'pg_catalog', true)

-- == server: the server, and what our role may do in this database
SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(), current_database()::text, current_user::text,
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false),
       to_regnamespace('hk_migration') IS NOT NULL

-- == default_path: the search_path of a role that has none of its own, where this session began with it; else NULL
SELECT CASE WHEN NOT EXISTS (
                SELECT FROM pg_catalog.pg_db_role_setting d, unnest(d.setconfig) AS c(line)
                 WHERE d.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user))
                   AND d.setdatabase IN (0, (SELECT b.oid FROM pg_catalog.pg_database b
                                              WHERE b.datname = current_database()))
                   AND split_part(c.line, '=', 1) = 'search_path')
            THEN s.reset_val END
  FROM pg_catalog.pg_settings s WHERE s.name = 'search_path'

-- == role_paths: per role, what sets the search_path that its new sessions begin with, the strongest first
SELECT w.role_name, r.oid IS NOT NULL, s.scope, s.name, s.value
  FROM unnest(%(roles)s::text[]) WITH ORDINALITY AS w(role_name, place)
  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = w.role_name
  LEFT JOIN LATERAL (
       SELECT CASE WHEN d.setrole <> 0 AND d.setdatabase <> 0 THEN 1 WHEN d.setrole <> 0 THEN 2
                   WHEN d.setdatabase <> 0 THEN 3 ELSE 4 END AS scope,
              split_part(c.line, '=', 1) AS name, substr(c.line, strpos(c.line, '=') + 1) AS value
         FROM pg_catalog.pg_db_role_setting d, unnest(d.setconfig) AS c(line)
        WHERE d.setrole IN (0, r.oid)
          AND d.setdatabase IN (0, (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = current_database()))
          AND split_part(c.line, '=', 1) IN ('search_path', 'role')
  ) s ON true
 ORDER BY w.place, s.name, s.scope

-- == role_schemas: schemas named like these roles; which of v1's names they hold that are not our views
SELECT n.nspname::text,
       coalesce(obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility', false),
       pg_has_role(n.nspowner, 'USAGE'),
       ARRAY(SELECT c.relname::text FROM pg_catalog.pg_class c
              WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'c')
                AND c.relname = ANY (%(tables)s)
                AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM 'HK Strategy: v1 compatibility'
              ORDER BY 1)
  FROM pg_catalog.pg_namespace n
 WHERE n.nspname = ANY (%(roles)s)
 ORDER BY 1

-- == v1_schemas: the schemas of the compatibility views that a switch takes away
SELECT n.nspname::text FROM pg_catalog.pg_namespace n
 WHERE obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility' ORDER BY 1

-- == client_objects: what clients have made in those schemas that cannot move to public: its kind and name, and whether
-- the name is taken there (or will be, by what moves with it). What cannot move otherwise: a range, whose functions stay
WITH made AS (
    SELECT d.classid, d.objid, n.nspname, o.type || ' ' || o.identity AS what,
           CASE d.classid WHEN 'pg_class'::regclass THEN c.relname::text WHEN 'pg_type'::regclass THEN t.typname::text
                          WHEN 'pg_proc'::regclass THEN format('%%s(%%s)', p.proname, p.proargtypes) END AS name,
           coalesce(t.typtype = 'r', false) AS is_range
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n'
      LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
      LEFT JOIN pg_catalog.pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
      LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
      CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
     WHERE obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility'
       AND obj_description(d.objid, 'pg_class') IS DISTINCT FROM 'HK Strategy: v1 compatibility'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend w
                        WHERE w.classid = d.classid AND w.objid = d.objid AND w.deptype IN ('i', 'e'))
), placed AS (
    SELECT m.*,
           EXISTS (SELECT FROM pg_catalog.pg_class c
                    WHERE c.relnamespace = to_regnamespace('public') AND c.relname = m.name
                      AND m.classid IN ('pg_class'::regclass, 'pg_type'::regclass))
           OR EXISTS (SELECT FROM pg_catalog.pg_type t
                       WHERE t.typnamespace = to_regnamespace('public') AND t.typname = m.name
                         AND m.classid IN ('pg_class'::regclass, 'pg_type'::regclass))
           OR EXISTS (SELECT FROM pg_catalog.pg_proc p
                       WHERE p.pronamespace = to_regnamespace('public') AND m.classid = 'pg_proc'::regclass
                         AND format('%%s(%%s)', p.proname, p.proargtypes) = m.name)
           OR EXISTS (SELECT FROM made other
                       WHERE other.name = m.name AND other.nspname <> m.nspname AND other.classid = m.classid) AS taken
      FROM made m
)
SELECT what, taken FROM placed WHERE taken OR is_range ORDER BY what

-- == relations: the tables of the three schemas, as far as they are there
SELECT c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT'), c.relrowsecurity, c.relispartition OR c.relkind = 'p',
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s)
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY 1

-- == not_owned: what a phase changes, and neither our role nor a role that it is a member of owns: the owner, whether
-- that is a superuser, what it is, and the statement that makes our role its owner. Other roles' privileges stay.
WITH found AS (
    SELECT c.relowner AS owner, 1 AS place, c.relname::text AS name,
           format('ALTER TABLE public.%%I OWNER TO %%I', c.relname, current_user) AS statement
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s)
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT p.proowner, 2, format('%%s()', p.proname),
           format('ALTER FUNCTION public.%%I(%%s) OWNER TO %%I', p.proname, pg_get_function_identity_arguments(p.oid),
                  current_user)
      FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = to_regnamespace('public') AND p.proname = ANY (%(functions)s)
    UNION ALL
    SELECT c.relowner, 3, format('%%I.%%I', n.nspname, c.relname),
           format('ALTER VIEW %%I.%%I OWNER TO %%I', n.nspname, c.relname, current_user)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'
    UNION ALL
    SELECT n.nspowner, 4, 'schema hk_migration',
           replace($text$ALTER SCHEMA hk_migration OWNER TO @role; DO $$ DECLARE one text; BEGIN FOR one IN
 SELECT 'TABLE ' || oid::regclass FROM pg_class WHERE relnamespace = 'hk_migration'::regnamespace AND relkind = 'r'
 UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'hk_migration'::regnamespace
 LOOP EXECUTE 'ALTER ' || one || ' OWNER TO @role'; END LOOP; END $$$text$, '@role', quote_ident(current_user::text))
      FROM pg_catalog.pg_namespace n WHERE n.nspname = 'hk_migration'
    UNION ALL
    SELECT p.proowner, 5, format('hk_migration.%%s()', p.proname),
           format('ALTER FUNCTION hk_migration.%%I(%%s) OWNER TO %%I', p.proname,
                  pg_get_function_identity_arguments(p.oid), current_user)
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'hk_migration' AND pg_has_role(n.nspowner, 'USAGE') AND p.proname <> 'refuse_change_of_saves'
    UNION ALL
    SELECT c.relowner, 6, format('hk_migration.%%s', c.relname),
           format('ALTER TABLE hk_migration.%%I OWNER TO %%I', c.relname, current_user)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'hk_migration' AND pg_has_role(n.nspowner, 'USAGE') AND c.relkind = 'r'
       AND c.relname = ANY (%(own_tables)s)
    UNION ALL
    SELECT n.nspowner, 7, format('schema %%I', n.nspname),
           format('ALTER SCHEMA %%I OWNER TO %%I', n.nspname, current_user)
      FROM pg_catalog.pg_namespace n
     WHERE %(retires)s AND obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility'
    UNION ALL
    -- What clients have made in those schemas. A superuser that the server began with owns what has no entry.
    SELECT coalesce(s.refobjid, 10), 8, o.identity,
           format('ALTER %%s %%s OWNER TO %%I',
                  CASE o.type WHEN 'statistics object' THEN 'STATISTICS' ELSE upper(o.type) END, o.identity, current_user)
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n'
      LEFT JOIN pg_catalog.pg_shdepend s ON s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o'
                                        AND s.dbid = (SELECT oid FROM pg_catalog.pg_database
                                                       WHERE datname = current_database())
      CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
     WHERE %(retires)s AND obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility'
       AND (d.classid <> 'pg_class'::regclass
            OR obj_description(d.objid, 'pg_class') IS DISTINCT FROM 'HK Strategy: v1 compatibility')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend w
                        WHERE w.classid = d.classid AND w.objid = d.objid AND w.deptype IN ('i', 'e'))
)
SELECT r.rolname::text, r.rolsuper, f.name, regexp_replace(f.statement, '\s+', ' ', 'g')
  FROM found f JOIN pg_catalog.pg_roles r ON r.oid = f.owner
 WHERE NOT pg_has_role(f.owner, 'USAGE')
 ORDER BY 1, f.place, f.name

-- == not_executable: functions of hk_migration that our role may not call: the statement that lets it, and the name
SELECT format('GRANT EXECUTE ON FUNCTION hk_migration.%%I(%%s) TO %%I', p.proname,
              pg_get_function_identity_arguments(p.oid), current_user),
       format('hk_migration.%%s()', p.proname)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = 'hk_migration' AND p.prorettype <> 'trigger'::regtype AND NOT has_function_privilege(p.oid, 'EXECUTE')
 ORDER BY 2

-- == columns: their columns
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s)
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY 1, a.attnum

-- == sync_trigger: whether the trigger that keeps legacy_symbol is there
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                WHERE t.tgrelid = to_regclass('public.portfolio_positions')
                  AND t.tgname = 'portfolio_positions_sync_legacy')

-- == unique_indexes: unique indexes of positions: name, its constraint, its key, whether plain, whether valid
SELECT i.indexrelid::regclass::text, k.conname::text,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnkeyatts) n ORDER BY n),
       i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate AND i.indnatts = i.indnkeyatts, i.indisvalid
  FROM pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
 WHERE i.indrelid = to_regclass('public.portfolio_positions') AND i.indisunique
 ORDER BY 1

-- == foreign_keys: between these tables and any other, either way
WITH ours AS (
    SELECT c.oid FROM pg_catalog.pg_class c
     WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s)
)
SELECT k.conname::text, k.conrelid::regclass::text, k.confrelid::regclass::text,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.place),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.place),
       k.confdeltype::text, has_table_privilege(k.conrelid, 'SELECT')
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND (k.conrelid IN (SELECT oid FROM ours) OR k.confrelid IN (SELECT oid FROM ours))
 ORDER BY 2, 1

-- == dependents: views and functions that read our tables or our views: what reads, what is read, which columns.
-- Functions of the form BEGIN ATOMIC are here too, those with a text body are in function_texts.
WITH ours AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.relname,
           coalesce(obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility', false) AS compatibility
      FROM pg_catalog.pg_class c
     WHERE c.relkind IN ('r', 'p', 'v')
       AND ((c.relnamespace = to_regnamespace('public')
             AND c.relname IN ('portfolio_positions', 'trading_signals', 'portfolios', 'portfolio_summary',
                               'portfolio_performance'))
            OR obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility')
), reads AS (
    SELECT CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule on' END AS kind,
           v.oid::regclass::text AS reader, o.name AS is_read, o.compatibility, d.refobjid, d.refobjsubid
      FROM pg_catalog.pg_depend d
      JOIN ours o ON o.oid = d.refobjid
      JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
      JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.oid NOT IN (SELECT oid FROM ours)
     WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
    UNION
    SELECT 'function', p.oid::regprocedure::text, o.name, o.compatibility, d.refobjid, d.refobjsubid
      FROM pg_catalog.pg_depend d
      JOIN ours o ON o.oid = d.refobjid
      JOIN pg_catalog.pg_proc p ON p.oid = d.objid
     WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
)
SELECT r.kind, r.reader, r.is_read, r.compatibility,
       ARRAY(SELECT DISTINCT a.attname::text FROM reads s
               JOIN pg_catalog.pg_attribute a ON a.attrelid = s.refobjid AND a.attnum = s.refobjsubid AND a.attnum > 0
              WHERE s.reader = r.reader AND s.is_read = r.is_read ORDER BY 1)
  FROM reads r
 GROUP BY r.kind, r.reader, r.is_read, r.compatibility
 ORDER BY r.reader, r.is_read

-- == function_texts: functions of others whose text names positions or signals; whether it says public, or sets a path
SELECT p.oid::regprocedure::text,
       p.prosrc ~* 'public"?\s*\.\s*"?(portfolio_positions|trading_signals)\M',
       EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%%')
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'hk_migration') AND n.nspname NOT LIKE 'pg\_%%'
   AND p.prosqlbody IS NULL AND p.prosrc ~* '\m(portfolio_positions|trading_signals)\M'
   AND NOT (n.nspname = 'public'
            AND p.proname IN ('check_migration_status', 'validate_portfolio_integrity', 'hk_share_price',
                              'hk_sync_legacy_symbol', 'hk_default_portfolio', 'hk_rollback_fence'))
 ORDER BY 1

-- == our_functions: functions of our names in public, and what they return
SELECT p.proname::text, p.oid::regprocedure::text, pg_get_function_result(p.oid)
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = to_regnamespace('public')
   AND p.proname IN ('check_migration_status', 'validate_portfolio_integrity')
 ORDER BY 2

-- == triggers: triggers of others on our tables
SELECT t.tgrelid::regclass::text, t.tgname::text
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s) AND NOT t.tgisinternal
   AND t.tgname NOT IN ('portfolio_positions_sync_legacy', 'portfolio_positions_share_price',
                        'trading_signals_default_portfolio', 'portfolios_updated_at', 'hk_rollback_fence_insert',
                        'hk_rollback_fence_update', 'hk_rollback_fence_delete')
 ORDER BY 1, 2

-- == publications: logical publications that carry our tables
SELECT p.pubname::text, array_agg(p.tablename::text ORDER BY p.tablename)
  FROM pg_catalog.pg_publication_tables p
 WHERE p.schemaname = 'public' AND p.tablename = ANY (%(tables)s)
 GROUP BY 1 ORDER BY 1

-- == subscribed: our tables that a subscription writes into
SELECT s.srrelid::regclass::text
  FROM pg_catalog.pg_subscription_rel s JOIN pg_catalog.pg_class c ON c.oid = s.srrelid
 WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(tables)s)
 ORDER BY 1

-- == named_indexes: relations of public that bear the name of one of our indexes
SELECT c.relname::text, i.indexrelid IS NOT NULL, i.indisvalid AND i.indisready,
       CASE WHEN i.indexrelid IS NOT NULL THEN pg_get_indexdef(c.oid) END
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
 WHERE c.relnamespace = to_regnamespace('public') AND c.relname = ANY (%(names)s)
 ORDER BY 1

-- == invalid_indexes: INVALID indexes of our tables, and who is building one of them at this moment
SELECT i.indexrelid::regclass::text, c.relname::text, i.indrelid::regclass::text,
       (SELECT b.pid FROM pg_catalog.pg_stat_progress_create_index b WHERE b.index_relid = i.indexrelid LIMIT 1)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
 WHERE t.relnamespace = to_regnamespace('public') AND t.relname = ANY (%(tables)s)
   AND NOT (i.indisvalid AND i.indisready)
 ORDER BY 1

-- == extra_tables: tables of public that are none of ours
SELECT c.relname::text
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
   AND c.relname <> ALL (%(tables)s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1

-- == checks: CHECK constraints of portfolios
SELECT k.conname::text, pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = to_regclass('public.portfolios') AND k.contype = 'c'
 ORDER BY 1

-- == own_tables: which tables of the project's own schema are there and may be read
SELECT c.relname::text
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('hk_migration') AND c.relkind = 'r'
   AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')

-- == sizes: our tables: rows as last estimated (-1: never), and bytes with indexes
SELECT c.relname::text, c.reltuples::bigint, pg_total_relation_size(c.oid)
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s)
 ORDER BY 3 DESC, 1

-- == sizes_by_catalog: the same while a table is locked: bytes as of the last VACUUM or ANALYZE
SELECT c.relname::text, c.reltuples::bigint,
       (SELECT sum(r.relpages::bigint) * current_setting('block_size')::bigint FROM pg_catalog.pg_class r
         WHERE r.oid = c.oid OR r.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid))::bigint
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s)
 ORDER BY 3 DESC, 1
