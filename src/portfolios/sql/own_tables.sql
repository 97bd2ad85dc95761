-- The project's own tables that are not the migration's: the audit of saves, and what copies were taken from. They are
-- in the migration's schema, which restores and rollbacks leave alone, and are made with the first save.

-- == state: which of the tables are there, and what the role may do. From the catalogs, since the schema may be there
-- without the right to use it.
SELECT current_user::text, current_database()::text, n.oid IS NOT NULL,
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false), coalesce(has_schema_privilege(n.oid, 'CREATE'), false),
       t.tables, t.readable, t.writable
  FROM (VALUES (1)) one
  LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'hk_migration'
 CROSS JOIN LATERAL (
       SELECT count(*), coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), true),
              coalesce(bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')), true)
         FROM pg_catalog.pg_class c
        WHERE c.relnamespace = n.oid AND c.relkind = 'r'
          AND c.relname IN ('save', 'saved_row', 'lineage_base', 'lineage_position')) t(tables, readable, writable)

-- == lock: one at a time makes the schema; the migration takes the same lock (own_schema.sql)
SELECT pg_advisory_xact_lock(hashtextextended('hk_strategy:hk_migration', 0))

-- == create: safe to run again
CREATE SCHEMA IF NOT EXISTS hk_migration;
CREATE TABLE IF NOT EXISTS hk_migration.save (
    save_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    portfolio_id varchar(50) NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    by           text NOT NULL,
    kind         text NOT NULL,
    note         text NOT NULL DEFAULT '',
    digest       text,
    undoes       bigint REFERENCES hk_migration.save(save_id)
);
CREATE INDEX IF NOT EXISTS save_portfolio_id_idx ON hk_migration.save(portfolio_id, save_id);
CREATE INDEX IF NOT EXISTS save_undoes_idx ON hk_migration.save(undoes) WHERE undoes IS NOT NULL;
-- One position each, as it was and as it became; `signals`: those that went with a position that was removed.
CREATE TABLE IF NOT EXISTS hk_migration.saved_row (
    save_id bigint NOT NULL REFERENCES hk_migration.save(save_id),
    symbol  varchar(10) NOT NULL,
    before  jsonb,
    after   jsonb,
    signals jsonb,
    PRIMARY KEY (save_id, symbol)
);
-- The parent's positions when a copy was taken. A base belongs to the portfolio with that very id, parent and
-- copied_at, not to a later one of the same name. save_id: the save that brought both together again; undone with it.
CREATE TABLE IF NOT EXISTS hk_migration.lineage_base (
    base_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    portfolio_id varchar(50) NOT NULL,
    parent_id    varchar(50) NOT NULL,
    copied_at    timestamp NOT NULL,
    taken_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    save_id      bigint REFERENCES hk_migration.save(save_id)
);
CREATE INDEX IF NOT EXISTS lineage_base_portfolio_id_idx ON hk_migration.lineage_base(portfolio_id, base_id);
CREATE TABLE IF NOT EXISTS hk_migration.lineage_position (
    base_id      bigint NOT NULL REFERENCES hk_migration.lineage_base(base_id),
    symbol       varchar(10) NOT NULL,
    company_name varchar(200),
    quantity     integer NOT NULL,
    avg_cost     decimal(10,3) NOT NULL,
    price        decimal(10,3),
    sector       varchar(50),
    PRIMARY KEY (base_id, symbol)
);
-- A function of its own: the migration's may belong to another role.
CREATE OR REPLACE FUNCTION hk_migration.refuse_change_of_saves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'hk_migration.% is append-only: rows are never changed or deleted', TG_TABLE_NAME;
END $$;
DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['save', 'saved_row', 'lineage_base', 'lineage_position'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON hk_migration.%I
            FOR EACH STATEMENT EXECUTE FUNCTION hk_migration.refuse_change_of_saves()', tbl || '_append_only', tbl);
    END LOOP;
END $$;
