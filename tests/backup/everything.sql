-- One of each kind of thing that a dump must carry.
CREATE SCHEMA trader;
CREATE VIEW trader.portfolio_positions AS SELECT id, symbol FROM public.portfolio_positions WHERE portfolio_id = 'DEFAULT';
CREATE TABLE trader.own_things (id int PRIMARY KEY);
INSERT INTO trader.own_things VALUES (1);
CREATE TYPE public.mood AS ENUM ('bull', 'bear', 'O''Neil');
CREATE DOMAIN public.percent AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE public.pair AS (first int, second text);
CREATE TABLE public."Mixed Case" (
    "Id" int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY,
    "a ""quoted"" name" text COLLATE "C" DEFAULT E'back\\slash',
    feeling public.mood, share public.percent, pairing public.pair,
    doubled int GENERATED ALWAYS AS (2) STORED
);
INSERT INTO public."Mixed Case" ("a ""quoted"" name", feeling, share, pairing)
VALUES (E'tab\tnewline\n\\.', 'bear', 12.5, (1, 'x')), (NULL, 'bull', NULL, NULL);
CREATE TABLE public.measured (at date NOT NULL, amount numeric CHECK (amount IN (1, 2, 3))) PARTITION BY RANGE (at);
CREATE TABLE public.measured_2025 PARTITION OF public.measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO public.measured VALUES ('2025-05-05', 2);
CREATE INDEX measured_at ON public.measured (at) WHERE amount > 1;
CREATE MATERIALIZED VIEW public.totals AS SELECT portfolio_id, count(*) FROM public.portfolio_positions GROUP BY 1;
CREATE SEQUENCE public.tickets START 5;
SELECT nextval('public.tickets'), nextval('public.tickets');
CREATE FUNCTION public.double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE AGGREGATE public.product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE PROCEDURE public.nothing() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE RULE quiet AS ON DELETE TO public.measured DO INSTEAD NOTHING;
CREATE STATISTICS public.related (dependencies) ON "Id", feeling FROM public."Mixed Case";
ALTER TABLE trader.own_things ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON trader.own_things FOR SELECT TO public USING (id = 1);
ALTER TABLE public.portfolio_positions ADD CONSTRAINT cheap CHECK (avg_cost < 100000) NOT VALID;
GRANT SELECT, UPDATE (name) ON public.portfolios TO pg_read_all_data;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
COMMENT ON COLUMN public.portfolios.name IS 'What a trader calls it';
COMMENT ON FUNCTION public.double(int) IS 'Twice';
SELECT lo_from_bytea(0, '\x00010203');
INSERT INTO public.portfolio_positions (symbol, quantity) VALUES ('0700.HK', 1), ('0005.HK', 2);
