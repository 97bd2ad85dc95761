-- Version 2: who changed which positions, and what copies of portfolios were taken from.
-- Safe to run again on what earlier programs made, which recorded no version.

-- IF NOT EXISTS alone asks for the right CREATE on the database, even where the schema is there.
DO $$ BEGIN
    IF to_regnamespace('hk_migration') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS hk_migration;
    END IF;
END $$;
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
-- Not the function of version 1: that may belong to another role.
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
