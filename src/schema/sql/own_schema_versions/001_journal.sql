-- Version 1: the history of runs, the audit of what admins do, the archive of what v1 cannot hold, and the proof.
-- Safe to run again on what earlier programs made, which recorded no version.

-- IF NOT EXISTS alone asks for the right CREATE on the database, even where the schema is there.
DO $$ BEGIN
    IF to_regnamespace('hk_migration') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS hk_migration;
    END IF;
END $$;
COMMENT ON SCHEMA hk_migration IS 'HK Strategy: history of migrations, and archive';

CREATE TABLE IF NOT EXISTS hk_migration.mark (
    name   text PRIMARY KEY,
    value  jsonb NOT NULL,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS hk_migration.run (
    run_id       bigserial PRIMARY KEY,
    phase        text NOT NULL,
    from_version text NOT NULL,
    to_version   text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_by   text NOT NULL,
    options      jsonb NOT NULL,
    steps        jsonb NOT NULL,
    sql_files    jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS hk_migration.event (
    event_id bigserial PRIMARY KEY,
    run_id   bigint NOT NULL REFERENCES hk_migration.run(run_id),
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text NOT NULL,
    step     text,
    message  text NOT NULL,
    done     bigint,
    total    bigint,
    detail   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS event_run_id_idx ON hk_migration.event(run_id, event_id);

-- What admins did, and tried to do, on the dashboard.
CREATE TABLE IF NOT EXISTS hk_migration.audit (
    audit_id bigserial PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    by       text NOT NULL,
    role     text NOT NULL,
    address  text NOT NULL,
    action   text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}',
    outcome  text NOT NULL
);

CREATE OR REPLACE FUNCTION hk_migration.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'hk_migration.% is append-only: rows are never changed or deleted', TG_TABLE_NAME;
END $$;
CREATE OR REPLACE TRIGGER run_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hk_migration.run
    FOR EACH STATEMENT EXECUTE FUNCTION hk_migration.refuse_change();
CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hk_migration.audit
    FOR EACH STATEMENT EXECUTE FUNCTION hk_migration.refuse_change();
CREATE OR REPLACE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hk_migration.event
    FOR EACH STATEMENT EXECUTE FUNCTION hk_migration.refuse_change();

-- One archive per rollback to v1. Whole rows are kept as JSON, so that columns that someone added are kept too.
CREATE TABLE IF NOT EXISTS hk_migration.archive (
    archive_id  bigserial PRIMARY KEY,
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    keep        text NOT NULL CHECK (keep IN ('merge', 'default')),
    closed_at   timestamptz,
    restored_at timestamptz
);
CREATE TABLE IF NOT EXISTS hk_migration.archived_portfolio (
    archive_id   bigint NOT NULL REFERENCES hk_migration.archive(archive_id),
    portfolio_id varchar(50) NOT NULL,
    row          jsonb NOT NULL,
    PRIMARY KEY (archive_id, portfolio_id)
);
CREATE TABLE IF NOT EXISTS hk_migration.archived_position (
    archive_id   bigint NOT NULL REFERENCES hk_migration.archive(archive_id),
    id           integer NOT NULL,
    portfolio_id varchar(50) NOT NULL,
    symbol       varchar(10) NOT NULL,
    quantity     integer NOT NULL,
    avg_cost     decimal(10,3) NOT NULL,
    row          jsonb NOT NULL,
    restored     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (archive_id, id)
);
CREATE INDEX IF NOT EXISTS archived_position_symbol_idx ON hk_migration.archived_position(archive_id, symbol);
CREATE TABLE IF NOT EXISTS hk_migration.archived_signal (
    archive_id   bigint NOT NULL REFERENCES hk_migration.archive(archive_id),
    id           integer NOT NULL,
    portfolio_id varchar(50) NOT NULL,
    row          jsonb NOT NULL,
    restored     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (archive_id, id)
);
-- What a merge did to a row of DEFAULT: the row before (NULL: DEFAULT did not hold the symbol), and after.
CREATE TABLE IF NOT EXISTS hk_migration.archived_merge (
    archive_id      bigint NOT NULL REFERENCES hk_migration.archive(archive_id),
    symbol          varchar(10) NOT NULL,
    default_row     jsonb,
    merged_quantity integer,
    merged_avg_cost decimal(10,3),
    restored        boolean NOT NULL DEFAULT false,
    PRIMARY KEY (archive_id, symbol)
);
-- Prices of symbols that are no position: v1 cannot hold them. archive_id NULL: they came with the sample data.
CREATE TABLE IF NOT EXISTS hk_migration.archived_price (
    archive_id  bigint REFERENCES hk_migration.archive(archive_id),
    id          integer,
    symbol      varchar(10) NOT NULL,
    price       decimal(10,3) NOT NULL,
    volume      integer,
    high        decimal(10,3),
    low         decimal(10,3),
    open_price  decimal(10,3),
    close_price decimal(10,3),
    timestamp   timestamp
);

-- The rows of positions as they were when a run began, one digest a row: what the proof holds the result against.
CREATE TABLE IF NOT EXISTS hk_migration.proof_position (
    run_id bigint NOT NULL REFERENCES hk_migration.run(run_id),
    id     integer NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (run_id, id)
);
-- The same of a row that a step of the run then wrote, taken under its lock: what clients changed before is theirs.
ALTER TABLE hk_migration.proof_position ADD COLUMN IF NOT EXISTS found text;

-- What the steps of a run wrote themselves, per transaction: so that the proof can tell it from what clients wrote.
CREATE TABLE IF NOT EXISTS hk_migration.own_write (
    run_id   bigint NOT NULL REFERENCES hk_migration.run(run_id),
    step     text NOT NULL,
    xid      bigint NOT NULL,
    tbl      text NOT NULL,
    inserted bigint NOT NULL,
    updated  bigint NOT NULL,
    deleted  bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS own_write_run_id_idx ON hk_migration.own_write(run_id, xid);
