CREATE VIEW t AS
SELECT k::text, n::integer, m::numeric(12,2), f::double precision, d::date, ts::timestamptz, b::boolean
FROM (VALUES
    ('a',  1,    10.50,  0.5,  '2026-01-01', '2026-01-01 00:00:00+00', true),
    ('b',  2,    -3.25,  1.5,  '2026-01-02', '2026-01-01 10:30:00+00', false),
    ('a',  3,    NULL,   2.5,  NULL,         '2026-01-01 23:59:59+00', true),
    (NULL, 4,    0.00,   NULL, '2026-02-28', NULL,                     NULL),
    ('c',  NULL, 99.99, -1.0,  '2026-01-01', '2026-01-02 00:00:00+00', false),
    ('B',  2,    10.50,  0.0,  '2024-02-29', '2026-01-01 10:30:00+02', true),
    ('',   0,    0.01,   1e10, '2026-12-31', '2026-03-01 00:00:00+00', false),
    (NULL, 2,    1.00,   0.25, '2026-01-02', '2026-01-01 00:00:00+00', true)
) AS v (k, n, m, f, d, ts, b);
CREATE VIEW nothing AS SELECT * FROM t WHERE false;
CREATE FUNCTION twice(x integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN x + x;
CREATE FUNCTION label(k text, n integer DEFAULT 7, suffix text DEFAULT '!') RETURNS text
    LANGUAGE sql AS 'SELECT coalesce(k, ''?'') || n || suffix';
CREATE FUNCTION area(numeric, numeric) RETURNS numeric LANGUAGE sql STRICT PARALLEL SAFE AS $$ SELECT $1 * $2; $$;
CREATE FUNCTION safe_ratio(a numeric, b numeric) RETURNS numeric
    RETURN CASE WHEN b = 0 THEN NULL ELSE round(a / b, 4) END;
CREATE FUNCTION known(a text, b integer) RETURNS boolean LANGUAGE sql RETURNS NULL ON NULL INPUT RETURN true;
CREATE FUNCTION narrow(a bigint) RETURNS integer RETURN a * 2;
CREATE FUNCTION widen(a integer) RETURNS double precision AS $body$ SELECT widen.a / 4 $body$ LANGUAGE sql;
CREATE FUNCTION fourfold(x integer) RETURNS integer RETURN twice(twice(x));
CREATE FUNCTION eight() RETURNS integer RETURN fourfold(2);
CREATE FUNCTION day_of(t timestamptz) RETURNS date STABLE RETURN t::date;
CREATE FUNCTION untyped(flag boolean) RETURNS text RETURN CASE WHEN flag THEN 'yes' END;
CREATE FUNCTION tenth(x integer) RETURNS integer RETURN 10 / x;
