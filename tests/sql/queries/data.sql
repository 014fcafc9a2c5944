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
