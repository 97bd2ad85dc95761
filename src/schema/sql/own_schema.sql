-- The functions that the steps in migrations/ use. Each command that changes a database defines them anew, so that they
-- are those of the program that runs. The tables are in own_schema_versions/.

SELECT set_config('check_function_bodies', 'off', true);

-- The last statement of a step's transaction. The counters are those of the transaction, where the session had the ones
-- before it flushed; `xid` is what the rows it wrote have as xmin.
CREATE OR REPLACE FUNCTION hk_migration.note_own_writes(run bigint, step_name text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO hk_migration.own_write (run_id, step, xid, tbl, inserted, updated, deleted)
    SELECT run, step_name, (pg_current_xact_id()::text::numeric % 4294967296)::bigint, w.*
      FROM (SELECT t, coalesce(pg_stat_get_xact_tuples_inserted(c.oid), 0) AS inserted,
                   coalesce(pg_stat_get_xact_tuples_updated(c.oid), 0) AS updated,
                   coalesce(pg_stat_get_xact_tuples_deleted(c.oid), 0) AS deleted
              FROM unnest(ARRAY['portfolio_positions', 'trading_signals', 'price_history']) t
              JOIN pg_catalog.pg_class c ON c.relname = t AND c.relnamespace = 'public'::regnamespace) w
     WHERE w.inserted + w.updated + w.deleted > 0
$$;

-- Settings of the running session, set by the runner (in psql: SET hk_migration.legacy_roles = '["trader"]').
CREATE OR REPLACE FUNCTION hk_migration.legacy_roles() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT jsonb_array_elements_text(coalesce(nullif(current_setting('hk_migration.legacy_roles', true), ''), '[]')::jsonb)
$$;

CREATE OR REPLACE FUNCTION hk_migration.v1_tables() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT c.relname::text
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND c.relname IN ('portfolio_positions', 'trading_signals', 'price_history',
                         'portfolio_analyses', 'portfolio_value_history')
     ORDER BY 1
$$;

-- For one role and table: may the role do what it may do on the table itself also on the view?
CREATE OR REPLACE FUNCTION hk_migration.copy_grants(role_name text, tbl text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    privilege text;
    columns   text;
BEGIN
    FOREACH privilege IN ARRAY ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP
        IF has_table_privilege(role_name, format('public.%I', tbl), privilege) THEN
            EXECUTE format('GRANT %s ON %I.%I TO %I', privilege, role_name, tbl, role_name);
        ELSIF privilege <> 'DELETE' THEN
            SELECT string_agg(quote_ident(a.attname), ', ') INTO columns
              FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = format('public.%I', tbl)::regclass AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attname NOT IN ('portfolio_id', 'legacy_symbol')
               AND has_column_privilege(role_name, a.attrelid, a.attnum, privilege);
            IF columns IS NOT NULL THEN
                EXECUTE format('GRANT %s (%s) ON %I.%I TO %I', privilege, columns, role_name, tbl, role_name);
            END IF;
        END IF;
    END LOOP;
END $$;

-- In a schema named like each legacy role, a view per v1 table with exactly v1's columns. Unqualified names are looked
-- up there first, so v1 clients go through the views. Before the switch they show the v1 tables as they are; behind it
-- they show the rows of DEFAULT, and ON CONFLICT (symbol) finds the unique legacy_symbol. Views that are there stay.
CREATE OR REPLACE FUNCTION hk_migration.create_v1_views() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    symbol_source text := CASE WHEN hk_migration.several_possible() THEN 'legacy_symbol' ELSE 'symbol' END;
    role_name     text;
    tbl           text;
BEGIN
    FOR role_name IN SELECT * FROM hk_migration.legacy_roles() LOOP
        IF to_regnamespace(quote_ident(role_name)) IS NULL THEN
            EXECUTE format('CREATE SCHEMA %I', role_name);
            EXECUTE format('COMMENT ON SCHEMA %I IS %L', role_name, 'HK Strategy: v1 compatibility');
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', role_name, role_name);
        IF has_schema_privilege(role_name, 'public', 'CREATE') THEN
            EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', role_name, role_name);
        END IF;
        FOR tbl IN SELECT t FROM hk_migration.v1_tables() t
                    WHERE to_regclass(format('%I.%I', role_name, t)) IS NULL LOOP
            PERFORM hk_migration.create_v1_view(role_name, tbl, symbol_source);
            EXECUTE format('COMMENT ON VIEW %I.%I IS %L', role_name, tbl, 'HK Strategy: v1 compatibility');
            PERFORM hk_migration.copy_grants(role_name, tbl);
        END LOOP;
    END LOOP;
END $$;

-- A session keeps in which schemas it looks names up, until a schema is changed. One that works this out while a schema
-- is made can keep the answer without it, as long as it lives, and would go past the views. So the schemas are changed
-- once more, in the transaction that makes the views necessary.
CREATE OR REPLACE FUNCTION hk_migration.renew_search_paths() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    role_name text;
BEGIN
    FOR role_name IN SELECT r FROM hk_migration.legacy_roles() r WHERE to_regnamespace(quote_ident(r)) IS NOT NULL LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', role_name, role_name);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION hk_migration.create_v1_view(role_name text, tbl text, symbol_source text,
                                                       isolate boolean DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    isolated  boolean := tbl IN ('portfolio_positions', 'trading_signals');
    columns   text;
    condition text := '';
BEGIN
    SELECT string_agg(CASE WHEN tbl = 'portfolio_positions' AND attname = 'symbol' AND symbol_source <> 'symbol'
                           THEN format('%I AS symbol', symbol_source) ELSE quote_ident(attname) END,
                      ', ' ORDER BY attnum)
      INTO columns
      FROM pg_catalog.pg_attribute
     WHERE attrelid = format('public.%I', tbl)::regclass AND attnum > 0 AND NOT attisdropped
       AND NOT (isolated AND attname IN ('portfolio_id', 'legacy_symbol'));
    IF isolated AND coalesce(isolate, symbol_source <> 'symbol') THEN
        condition := ' WHERE portfolio_id = ''DEFAULT''';
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT %s FROM public.%I%s',
                   role_name, tbl, columns, tbl, condition);
END $$;

-- Within a switch, and so as little as can be: the two views that must change.
CREATE OR REPLACE FUNCTION hk_migration.point_v1_views_at_default() RETURNS void LANGUAGE sql AS $$
    SELECT hk_migration.create_v1_view(r, t, 'legacy_symbol')
      FROM hk_migration.legacy_roles() r, unnest(ARRAY['portfolio_positions', 'trading_signals']) t
$$;

-- The way back: the views stop to depend on columns that are about to go, and show DEFAULT alone to the end (there is
-- nothing else any more when v1 comes back). They go with their schemas, all at once, in a later step: a schema without
-- them would catch the CREATE TABLE IF NOT EXISTS of a v1 client, and hide the real table behind an empty one.
CREATE OR REPLACE FUNCTION hk_migration.point_v1_views_at_tables(isolate boolean) RETURNS void LANGUAGE sql AS $$
    SELECT hk_migration.create_v1_view(n.nspname::text, c.relname::text, 'symbol', isolate)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname IN ('portfolio_positions', 'trading_signals') AND c.relkind = 'v'
       AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'
$$;

-- Every compatibility view that is there, whichever run made it.
CREATE OR REPLACE FUNCTION hk_migration.v1_views()
RETURNS TABLE (schema_name text, view_name text, over_legacy boolean) LANGUAGE sql STABLE AS $$
    SELECT n.nspname::text, c.relname::text,
           c.relname <> 'portfolio_positions' OR EXISTS (
               SELECT FROM pg_catalog.pg_rewrite w
                 JOIN pg_catalog.pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                WHERE w.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND a.attname = 'legacy_symbol')
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'v'
       AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'
$$;

CREATE OR REPLACE FUNCTION hk_migration.v1_views_ready(over_legacy boolean) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM hk_migration.legacy_roles() r, hk_migration.v1_tables() t
         WHERE NOT EXISTS (SELECT FROM hk_migration.v1_views() v
                            WHERE v.schema_name = r AND v.view_name = t
                              AND (v.over_legacy OR NOT v1_views_ready.over_legacy)))
$$;

-- Takes the schemas of the compatibility views out of the sight of clients, in the transaction of a switch. What clients
-- created there themselves (a session that creates a table without naming a schema) moves to public, where it would
-- have been without us. The schemas stay for a while, under other names and with their views: a statement that has just
-- looked one up would fail if it were gone, and its session might go on to look there for as long as it lives.
CREATE OR REPLACE FUNCTION hk_migration.retire_v1_schemas() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT n.nspname, n.oid FROM pg_catalog.pg_namespace n
                  WHERE obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility'
                    AND n.nspname <> 'hk_v1_retired_' || n.oid LOOP
        PERFORM hk_migration.move_to_public(found.oid);
        EXECUTE format('ALTER SCHEMA %I RENAME TO %I', found.nspname, 'hk_v1_retired_' || found.oid);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION hk_migration.v1_schemas_retired() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                        WHERE obj_description(n.oid, 'pg_namespace') = 'HK Strategy: v1 compatibility'
                          AND n.nspname <> 'hk_v1_retired_' || n.oid)
$$;

-- Drops those schemas: once nobody can have just looked one up, or where a phase begins anew that had taken them away.
CREATE OR REPLACE FUNCTION hk_migration.drop_retired_v1_schemas() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found     record;
    view_name text;
BEGIN
    FOR found IN SELECT n.nspname::text, n.oid FROM pg_catalog.pg_namespace n
                  WHERE n.nspname = 'hk_v1_retired_' || n.oid LOOP
        FOR view_name IN SELECT v.view_name FROM hk_migration.v1_views() v WHERE v.schema_name = found.nspname LOOP
            EXECUTE format('DROP VIEW %I.%I', found.nspname, view_name);
        END LOOP;
        PERFORM hk_migration.move_to_public(found.oid);
        EXECUTE format('DROP SCHEMA %I', found.nspname);
    END LOOP;
END $$;

-- Drops the compatibility views, and their schemas.
CREATE OR REPLACE FUNCTION hk_migration.drop_v1_schemas() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM hk_migration.v1_views() LOOP
        EXECUTE format('DROP VIEW %I.%I', found.schema_name, found.view_name);
    END LOOP;
    PERFORM hk_migration.retire_v1_schemas();
    PERFORM hk_migration.drop_retired_v1_schemas();
END $$;

-- What clients have made in a schema, of whatever kind: the statement that moves it to public. Not what moves with
-- something else (the sequence of a column, the multirange of a range), and not what belongs to an extension.
CREATE OR REPLACE FUNCTION hk_migration.client_objects(schema_oid oid)
RETURNS TABLE (statement text) LANGUAGE sql STABLE AS $$
    SELECT format('ALTER %s %s SET SCHEMA public',
                  CASE o.type WHEN 'statistics object' THEN 'STATISTICS' ELSE upper(o.type) END, o.identity)
      FROM pg_catalog.pg_depend d, LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = schema_oid AND d.deptype = 'n'
       AND (d.classid <> 'pg_class'::regclass
            OR obj_description(d.objid, 'pg_class') IS DISTINCT FROM 'HK Strategy: v1 compatibility')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend w
                        WHERE w.classid = d.classid AND w.objid = d.objid AND w.objsubid = 0
                          AND (w.deptype IN ('i', 'e') OR w.deptype = 'a' AND EXISTS (
                                   SELECT FROM pg_catalog.pg_class c
                                    WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'S')))
$$;

-- Moves what clients have made in a schema to public. Raises where something cannot go there: nothing has changed then.
CREATE OR REPLACE FUNCTION hk_migration.move_to_public(schema_oid oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT o.statement FROM hk_migration.client_objects(schema_oid) o LOOP
        EXECUTE found.statement;
    END LOOP;
    SELECT string_agg(format('%s %s', o.type, o.identity), ', ' ORDER BY o.type, o.identity) AS names INTO found
      FROM pg_catalog.pg_depend d, LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = schema_oid AND d.deptype = 'n'
       AND (d.classid <> 'pg_class'::regclass
            OR obj_description(d.objid, 'pg_class') IS DISTINCT FROM 'HK Strategy: v1 compatibility');
    IF found.names IS NOT NULL THEN
        RAISE EXCEPTION 'These cannot be moved to schema public: %. Drop them, or make them there.', found.names;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION hk_migration.has_valid_index(index_name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = index_name
                      AND i.indisvalid AND i.indisready)
$$;

-- NULL: there is no such constraint.
CREATE OR REPLACE FUNCTION hk_migration.constraint_valid(constraint_name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT bool_and(convalidated) FROM pg_catalog.pg_constraint
     WHERE connamespace = 'public'::regnamespace AND conname = constraint_name
$$;

CREATE OR REPLACE FUNCTION hk_migration.has_column(tbl text, col text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
                    WHERE attrelid = to_regclass(format('public.%I', tbl)) AND attname = col AND NOT attisdropped)
$$;

CREATE OR REPLACE FUNCTION hk_migration.has_trigger(trigger_name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
                    WHERE c.relnamespace = 'public'::regnamespace AND tgname = trigger_name)
$$;

-- The newest archive that is complete and was not restored yet; NULL: there is none.
CREATE OR REPLACE FUNCTION hk_migration.open_archive() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(archive_id) FROM hk_migration.archive WHERE closed_at IS NOT NULL AND restored_at IS NULL
$$;

-- The archive that a rollback is filling; NULL: there is none.
CREATE OR REPLACE FUNCTION hk_migration.filling_archive() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(archive_id) FROM hk_migration.archive WHERE closed_at IS NULL
$$;

CREATE OR REPLACE FUNCTION hk_migration.restore_wanted() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('hk_migration.restore_archive', true), ''), 'on') = 'on'
           AND hk_migration.open_archive() IS NOT NULL
$$;

-- Insert a row that was kept as JSON; one that is there already stays as it is.
CREATE OR REPLACE FUNCTION hk_migration.insert_row(tbl regclass, content jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
      FROM pg_catalog.pg_attribute
     WHERE attrelid = tbl AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
       AND attname <> 'legacy_symbol' AND content ? attname;
    EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1)
                    ON CONFLICT DO NOTHING', tbl, columns) USING content;
END $$;

CREATE OR REPLACE FUNCTION hk_migration.filling_keep() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT keep FROM hk_migration.archive WHERE archive_id = hk_migration.filling_archive()),
                    nullif(current_setting('hk_migration.keep', true), ''), 'merge')
$$;

-- The distinct symbols of price_history, by hopping along its index instead of reading millions of rows.
CREATE OR REPLACE FUNCTION hk_migration.priced_symbols() RETURNS SETOF varchar LANGUAGE sql STABLE AS $$
    WITH RECURSIVE hop AS (
        (SELECT symbol FROM public.price_history ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT p.symbol FROM public.price_history p WHERE p.symbol > hop.symbol ORDER BY p.symbol LIMIT 1)
          FROM hop WHERE hop.symbol IS NOT NULL
    )
    SELECT symbol FROM hop WHERE symbol IS NOT NULL
$$;

-- Whether the schema lets several portfolios hold a symbol: v2, or a rollback from it that has not switched yet.
CREATE OR REPLACE FUNCTION hk_migration.several_possible() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hk_migration.has_column('portfolio_positions', 'legacy_symbol')
           AND hk_migration.constraint_valid('portfolio_positions_symbol_key') IS NULL
$$;

-- v1's columns of a position, except the computed ones, in one digest.
CREATE OR REPLACE FUNCTION hk_migration.position_digest(symbol text, company_name text, quantity integer,
    avg_cost numeric, current_price numeric, sector text, last_updated timestamp) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT md5(concat_ws('|', symbol, coalesce(company_name, '\N'), quantity, avg_cost,
               coalesce(current_price::text, '\N'), coalesce(sector, '\N'), coalesce(last_updated::text, '\N')))
$$;
