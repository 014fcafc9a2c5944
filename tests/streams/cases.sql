-- case inner join: a int, b int, t text
SELECT a.id, b.id, b.t FROM a JOIN b ON a.k = b.k AND a.v = b.v;

-- case inner join of equal rows: k int, v int, t text
SELECT a.k, b.v, b.t FROM a JOIN b ON a.k = b.k AND a.v = b.v;

-- case inner join by interval: a int, b int
SELECT a.id, b.id FROM a JOIN b ON a.k = b.k AND b.ts BETWEEN a.ts - interval '3 s' AND a.ts + interval '1 s';

-- case comma join: a int, b int, n numeric(13,2)
SELECT a.id, b.id, a.n + b.n FROM a, b WHERE a.k = b.k AND a.v < b.v AND a.j = 1;

-- case left join: a int, b int, t text
SELECT a.id, b.id, b.t FROM a LEFT JOIN b ON a.k = b.k AND a.v = b.v AND b.j = 1;

-- case left join by interval: a int, b int
SELECT a.id, b.id FROM a LEFT JOIN b ON a.k = b.k AND b.ts >= a.ts AND b.ts < a.ts + interval '2 s';

-- case lateral join by interval: a int, b int, c int
SELECT a.id, s.id, s.c FROM a CROSS JOIN LATERAL (SELECT b.id, b.v + a.v AS c FROM b WHERE b.k = a.k AND b.ts BETWEEN a.ts - interval '3 s' AND a.ts) AS s;

-- case lateral left join by interval: a int, b int, c int
SELECT a.id, s.id, s.c FROM a LEFT JOIN LATERAL (SELECT id, ts, coalesce(b.v, a.v) AS c FROM b WHERE b.k = a.k) AS s ON s.ts >= a.ts AND s.ts < a.ts + interval '2 s';

-- case left join on what subqueries say: a int, b int
SELECT a.id, b.id FROM a LEFT JOIN b ON a.k = b.k AND a.v = b.v AND b.v < (SELECT max(x.v) FROM a x WHERE x.j = b.j) AND a.j IN (SELECT y.j FROM b y WHERE y.k = a.k AND y.v = 1);

-- case right join: a int, b int
SELECT a.id, b.id FROM a RIGHT JOIN b ON a.k = b.k AND a.v = b.v AND a.j = 2;

-- case full join: a int, b int
SELECT a.id, b.id FROM a FULL JOIN b ON a.k = b.k AND a.v = b.v AND a.j = b.j;

-- case join by using: k int, a int, b int
SELECT k, a.id, b.id FROM a JOIN b USING (k, v) WHERE a.j = 0;

-- case self join: x int, y int
SELECT x.id, y.id FROM a x JOIN a y ON x.k = y.k AND x.v = y.v AND x.id < y.id;

-- case three tables: a int, b int, c int
SELECT a.id, b.id, c.id FROM a JOIN b ON a.k = b.k AND a.v = b.v JOIN a AS c ON c.id = b.id WHERE a.j = 1;

-- case cross join of one row: id int, n bigint
SELECT a.id, s.n FROM a CROSS JOIN (SELECT count(*) AS n FROM b) s WHERE a.j = 2;

-- case exists: id int
SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.v > a.v LIMIT 1);

-- case not exists: id int
SELECT id FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.k = a.k AND b.v = a.v AND b.j = a.j);

-- case not exists by interval: id int
SELECT id FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.k = a.k AND b.ts BETWEEN a.ts AND a.ts + interval '5 s');

-- case in: id int
SELECT id FROM a WHERE k IN (SELECT v FROM b WHERE j = 1) AND j < 2;

-- case not in without null: id int
SELECT id FROM a WHERE k NOT IN (SELECT v FROM b WHERE v IS NOT NULL AND j = 1);

-- case rows not in: id int
SELECT id FROM a WHERE (k, v) NOT IN (SELECT k, v FROM b WHERE j = 1 AND (k > 3 OR v > 4));

-- case any and all: id int, l boolean, g boolean, n boolean
SELECT id, v < ANY (SELECT b.v FROM b WHERE b.k = a.k), v >= ALL (SELECT max(v) FROM b GROUP BY j), k <> ANY (SELECT v FROM b WHERE j = 1 AND v IS NOT NULL) FROM a;

-- case not in with null is nothing, or all: id int
SELECT id FROM a WHERE k NOT IN (SELECT v FROM b) UNION ALL SELECT id FROM a WHERE k NOT IN (SELECT v FROM b WHERE id < 0);

-- case in groups: id int
SELECT id FROM a WHERE k IN (SELECT k FROM b GROUP BY k HAVING count(*) > 30);

-- case aggregate over a join: k int, n bigint, s numeric(20,2)
SELECT a.k, count(*), sum(b.n) FROM a JOIN b ON a.k = b.k AND a.v = b.v GROUP BY a.k;

-- case join of aggregates: k int, x bigint, y bigint
SELECT x.k, x.n, y.n FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x JOIN (SELECT k, count(*) AS n FROM b GROUP BY k) y ON x.k = y.k;

-- case outer join of aggregates: k int, x bigint, y bigint
SELECT x.k, x.n, y.n FROM (SELECT k, v, count(*) AS n FROM a GROUP BY k, v) x LEFT JOIN (SELECT k, v, count(*) AS n FROM b WHERE j = 1 GROUP BY k, v) y ON x.k = y.k AND x.v = y.v AND x.n > y.n;

-- case tumble: ws timestamptz, we timestamptz, k int, n bigint, s numeric(20,2)
SELECT window_start, window_end, k, count(*), sum(n) FROM tumble(a, ts, interval '5 s') GROUP BY window_start, window_end, k;

-- case tumble by its start: ws timestamptz, n bigint
SELECT window_start, count(*) FILTER (WHERE j = 1) FROM tumble(a, ts, interval '7 s') GROUP BY window_start HAVING count(*) > 2;

-- case hop: ws timestamptz, we timestamptz, j int, n bigint, m int
SELECT window_start, window_end, j, count(*), max(v) FROM hop(a, ts, interval '2 s', interval '7 s') GROUP BY window_start, window_end, j;

-- case hop with gaps: ws timestamptz, we timestamptz, n bigint
SELECT window_start, window_end, count(*) FROM hop(a, ts, interval '5 s', interval '2 s') GROUP BY window_start, window_end;

-- case cumulate: ws timestamptz, we timestamptz, n bigint
SELECT window_start, window_end, count(*) FROM cumulate(a, ts, interval '2 s', interval '10 s') GROUP BY window_start, window_end;

-- case windows over windows: ws timestamptz, we timestamptz, m bigint
SELECT window_start, window_end, max(n) FROM (SELECT k, window_start, window_end, count(*) AS n FROM tumble(a, ts, interval '5 s') GROUP BY k, window_start, window_end) q GROUP BY window_start, window_end;

-- case join of windows: ws timestamptz, k int, x bigint, y bigint
SELECT x.window_start, x.k, x.n, y.n FROM (SELECT k, window_start, window_end, count(*) AS n FROM tumble(a, ts, interval '5 s') GROUP BY k, window_start, window_end) x JOIN (SELECT k, window_start, window_end, count(*) AS n FROM tumble(b, ts, interval '5 s') GROUP BY k, window_start, window_end) y ON x.k = y.k AND x.window_start = y.window_start AND x.window_end = y.window_end;

-- case outer join of windows: ws timestamptz, k int, x bigint, y bigint
SELECT x.window_start, x.k, x.n, y.n FROM (SELECT k, window_start, window_end, count(*) AS n FROM tumble(a, ts, interval '1 s') GROUP BY k, window_start, window_end) x LEFT JOIN (SELECT k, window_start, window_end, count(*) AS n FROM tumble(b, ts, interval '1 s') GROUP BY k, window_start, window_end) y ON x.k = y.k AND x.window_start = y.window_start AND x.window_end = y.window_end;


-- case grouping sets: k int, j int, n bigint, s numeric(20,2), g int
SELECT k, j, count(*), sum(n), grouping(k, j) FROM a GROUP BY GROUPING SETS ((k, j), (k), ());

-- case grouping sets over names of a view: k int, l int, m int, w text, five int, y text, n bigint, g int
SELECT k, l, m + 1, w, 5, 'y', count(*), grouping(k, l, m, w) FROM (SELECT k, k AS l, k - 1 AS m, 5 AS f, 'x' AS w FROM a) AS q GROUP BY GROUPING SETS ((k, f), (l, w, 6), (m, 4), ());

-- case rollup: k int, j int, n bigint
SELECT k, j, count(*) FROM a GROUP BY ROLLUP (k, j);

-- case cube with having: k int, j int, v int, n bigint
SELECT k, j, v, count(*) FROM a GROUP BY CUBE (k, (j, v)) HAVING count(*) > 3;

-- case rollup within windows: ws timestamptz, we timestamptz, j int, n bigint
SELECT window_start, window_end, j, count(*) FROM tumble(a, ts, interval '5 s') GROUP BY window_start, window_end, ROLLUP (j);

-- case grouping of a plain group: k int, n bigint, g int
SELECT k, count(*), grouping(k) FROM a GROUP BY k;
-- case session by key: k int, ws timestamptz, we timestamptz, n bigint, s numeric(20,2), f double precision
SELECT k, window_start, window_end, count(*), sum(n), max(f) FROM session(a, ts, interval '4 s', k) GROUP BY k, window_start, window_end;

-- case session of everything: ws timestamptz, we timestamptz, n bigint, v int
SELECT window_start, window_end, count(*), min(v) FROM session(a, ts, interval '700 ms') GROUP BY window_start, window_end;

-- case session by two keys: j int, t text, ws timestamptz, we timestamptz, n bigint, d bigint, l text
SELECT j, t, window_start, window_end, count(*) FILTER (WHERE v > 2), count(DISTINCT v), string_agg(id::text, ',' ORDER BY ts, id) FROM session(a, ts, interval '3 s', t, j) GROUP BY t, window_start, j, window_end;

-- case session by its start: k int, ws timestamptz, n bigint
SELECT k, window_start, count(*) FROM session(a, ts, interval '6 s', k) GROUP BY window_start, k HAVING count(*) > 1;

-- case session of some rows: k int, ws timestamptz, we timestamptz, n bigint, s numeric(20,2), b text, l text
SELECT k, window_start, window_end, count(*), sum(n) FILTER (WHERE j > 0), arg_max(/*x*/t/*y*/, id/*z*/), string_agg(id::text, ',' ORDER BY id) FROM session(a, ts, interval '3 s', k) WHERE v > 2 AND k < 9 AND t <> 'bc' GROUP BY k, window_start, window_end HAVING count(*) < 4;

-- case session over a view: x int, ws timestamptz, we timestamptz, n bigint
WITH late AS (SELECT id, coalesce(k, 0) % 3 AS x, ts FROM a WHERE v IS NOT NULL) SELECT x, window_start, window_end, count(*) FROM session(late, ts, interval '2 s', x) GROUP BY x, window_start, window_end;

-- case session over windows: k int, ws timestamptz, we timestamptz, n bigint, rows numeric(20,0), last timestamptz
WITH x AS (SELECT k, window_end AS at, count(*) AS n FROM tumble(a, ts, interval '1 s') GROUP BY k, window_end) SELECT k, window_start, window_end, count(*), sum(n), max(at) FROM session(x, at, interval '3 s', k) GROUP BY k, window_start, window_end;

-- case window over sessions: ws timestamptz, we timestamptz, n bigint, rows numeric(20,0), longest bigint
WITH x AS (SELECT k, window_start AS first, window_end AS last, count(*) AS n FROM session(a, ts, interval '4 s', k) GROUP BY k, window_start, window_end) SELECT window_start, window_end, count(*), sum(n), max(n) FROM tumble(x, last, interval '20 s') GROUP BY window_start, window_end;

-- case join of sessions with windows: k int, ws timestamptz, we timestamptz, n bigint, m bigint
WITH x AS (SELECT k, window_start AS first, window_end AS last, count(*) AS n FROM session(a, ts, interval '4 s', k) GROUP BY k, window_start, window_end), y AS (SELECT k, window_start AS ws, window_end AS we, count(*) AS m FROM tumble(b, ts, interval '10 s') GROUP BY k, window_start, window_end) SELECT x.k, x.first, x.last, x.n, y.m FROM x, y WHERE x.k = y.k AND x.last BETWEEN y.we - interval '10 s' AND y.we;

-- case first row of each: k int, id int, v int
SELECT k, id, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC NULLS LAST, id) AS r FROM a) q WHERE r = 1;

-- case first three with their number: r bigint, k int, id int, t text
SELECT r, k, id, t FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY t, n DESC, id) AS r FROM a) q WHERE r <= 3;

-- case first rows of all: r bigint, id int
SELECT r, id FROM (SELECT *, row_number() OVER (ORDER BY n DESC NULLS FIRST, id) AS r FROM a) q WHERE r < 8;

-- case rank with ties: r bigint, j int, id int
SELECT r, j, id FROM (SELECT *, rank() OVER (PARTITION BY j ORDER BY v DESC) AS r FROM a) q WHERE r <= 70;

-- case dense rank with ties: r bigint, k int, id int
SELECT r, k, id FROM (SELECT *, dense_rank() OVER (PARTITION BY k ORDER BY v, j DESC) AS r FROM a) q WHERE r <= 4;

-- case second by dense rank: k int, id int
SELECT k, id FROM (SELECT *, dense_rank() OVER (PARTITION BY k ORDER BY v) AS r FROM a) q WHERE r = 2;

-- case rank of rows that are the same: r bigint, v int
SELECT r, v FROM (SELECT v, rank() OVER (PARTITION BY v % 2 ORDER BY v) AS r FROM (SELECT v FROM a) s) q WHERE r <= 80;

-- case distinct on with order: k int, id int, n numeric(12,2)
SELECT DISTINCT ON (k) k, id, n FROM a ORDER BY k, n DESC, id;

-- case first three of groups: r bigint, j int, k int, n bigint
SELECT r, j, k, n FROM (SELECT *, row_number() OVER (PARTITION BY j ORDER BY n DESC, k) AS r FROM (SELECT j, k, count(*) AS n FROM a GROUP BY j, k) g) q WHERE r <= 3;

-- case rank of groups: r bigint, k int, n bigint
SELECT r, k, n FROM (SELECT *, rank() OVER (ORDER BY n) AS r FROM (SELECT k, count(*) AS n FROM a GROUP BY k) g) q WHERE r <= 5;

-- case dense rank of joined rows: r bigint, a int, b int
SELECT r, a, b FROM (SELECT a.id AS a, b.id AS b, dense_rank() OVER (PARTITION BY a.k ORDER BY b.n DESC, a.id) AS r FROM a LEFT JOIN b ON a.k = b.k AND a.v = b.v) q WHERE r <= 3;

-- case first of each window: we timestamptz, k int, n bigint
SELECT window_end, k, n FROM (SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY n DESC, k) AS r FROM (SELECT window_end, k, count(*) AS n FROM tumble(a, ts, interval '5 s') GROUP BY window_end, k) g) q WHERE r = 1;

-- case first rows of each window: we timestamptz, r bigint, id int
SELECT window_end, r, id FROM (SELECT *, rank() OVER (PARTITION BY window_end ORDER BY v DESC, j) AS r FROM hop(a, ts, interval '2 s', interval '6 s')) q WHERE r <= 2;

-- case lag: id int, p int, q text, d int
SELECT id, lag(v) OVER (PARTITION BY k ORDER BY ts, id), lag(t, 3) OVER (PARTITION BY k ORDER BY ts, id), lag(v, 2, id) OVER (PARTITION BY k ORDER BY ts, id) FROM a;

-- case lead: id int, p int, q numeric(12,2), z int
SELECT id, lead(id) OVER (PARTITION BY j ORDER BY v NULLS FIRST, id DESC), lead(n, 4, 0.25) OVER (PARTITION BY j ORDER BY v NULLS FIRST, id DESC), lead(v, 0) OVER (PARTITION BY j ORDER BY v NULLS FIRST, id DESC) FROM a;

-- case first and last value: id int, f int, l int, p int
SELECT id, first_value(v) OVER (PARTITION BY k ORDER BY v, j), last_value(v) OVER (PARTITION BY k ORDER BY v, j), last_value(j) OVER (PARTITION BY k ORDER BY v, j) FROM a;

-- case first and last value of a frame: id int, f int, l int
SELECT id, first_value(id) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING), last_value(id) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING) FROM a;

-- case last value of the partition: id int, f int, l int
SELECT id, first_value(id) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), last_value(id) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM a;

-- case n-th value: id int, p int, q int, r int
SELECT id, nth_value(id, 7) OVER (PARTITION BY j ORDER BY ts, id), nth_value(id, 3) OVER (PARTITION BY j ORDER BY ts, id ROWS BETWEEN 4 PRECEDING AND UNBOUNDED FOLLOWING), nth_value(id, 2) OVER (PARTITION BY j ORDER BY ts, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) FROM a;

-- case n-th value ahead: id int, p int
SELECT id, nth_value(id, 3) OVER (PARTITION BY j ORDER BY ts, id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM a;

-- case shares of a partition: id int, b int, p double precision, c double precision
SELECT id, ntile(7) OVER (PARTITION BY j ORDER BY ts, id), percent_rank() OVER (PARTITION BY j ORDER BY ts, id), cume_dist() OVER (PARTITION BY j ORDER BY ts, id) FROM a;

-- case shares of counts, with peers: k int, n bigint, p double precision, c double precision
SELECT k, n, percent_rank() OVER (ORDER BY n), cume_dist() OVER (ORDER BY n) FROM (SELECT k, count(*) AS n FROM a GROUP BY k) g;

-- case aggregates of some rows, in their order: id int, s bigint, n bigint, t text, l text
SELECT id, sum(v) FILTER (WHERE j > 0) OVER (PARTITION BY k ORDER BY ts DESC, id ROWS 3 PRECEDING), count(*) FILTER (WHERE v IS NULL) OVER (PARTITION BY k ORDER BY ts DESC, id), string_agg(t, ',') FILTER (WHERE j > 0) OVER (PARTITION BY k ORDER BY ts DESC, id ROWS 3 PRECEDING), array_to_string(array_agg(v) OVER (PARTITION BY k ORDER BY ts DESC, id ROWS 3 PRECEDING), ',', '?') FROM a;

-- case sum over three rows: id int, s numeric(20,2), m int, n bigint
SELECT id, sum(n) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), max(v) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), count(v) OVER (PARTITION BY k ORDER BY ts, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM a;

-- case sums over frames behind and ahead: id int, s bigint, m int, f double precision
SELECT id, sum(v) OVER (PARTITION BY j ORDER BY n, id ROWS BETWEEN 40 PRECEDING AND 5 FOLLOWING), min(v) OVER (PARTITION BY j ORDER BY n, id ROWS BETWEEN 40 PRECEDING AND 5 FOLLOWING), sum(f) OVER (PARTITION BY j ORDER BY n, id ROWS BETWEEN 40 PRECEDING AND 5 FOLLOWING) FROM a;

-- case running sums: id int, s bigint, m int, t text
SELECT id, sum(v) OVER (PARTITION BY j ORDER BY ts, id ROWS UNBOUNDED PRECEDING), max(v) OVER (PARTITION BY j ORDER BY ts, id ROWS UNBOUNDED PRECEDING), min(t) OVER (PARTITION BY j ORDER BY ts, id ROWS UNBOUNDED PRECEDING) FROM a;

-- case sums of what is left: id int, s bigint, m int
SELECT id, sum(v) OVER (PARTITION BY j ORDER BY ts, id ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING), max(v) OVER (PARTITION BY j ORDER BY ts, id ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING) FROM a;

-- case average to the last peer: id int, m numeric(38,16), n bigint
SELECT id, avg(n) OVER (PARTITION BY k ORDER BY v), count(*) OVER (PARTITION BY k ORDER BY v) FROM a;

-- case count over a partition: id int, n bigint, m int
SELECT id, count(*) OVER (PARTITION BY k), max(id) OVER (PARTITION BY k) FROM a;

-- case share of the whole: id int, s numeric(20,2)
SELECT id, sum(n) OVER () FROM a;

-- case ranks of all: id int, r bigint, e bigint, d bigint
SELECT id, row_number() OVER (PARTITION BY k ORDER BY v, j) - row_number() OVER (PARTITION BY k ORDER BY v, j), rank() OVER (PARTITION BY k ORDER BY v, j), dense_rank() OVER (PARTITION BY k ORDER BY v, j) FROM a;

-- case functions over groups: k int, n bigint, p bigint, s numeric(38,0)
SELECT k, n, lag(n) OVER (ORDER BY n, k), sum(n) OVER (ORDER BY n, k) FROM (SELECT k, count(*) AS n FROM a GROUP BY k) g;

-- case functions within windows: we timestamptz, k int, n bigint, s numeric(38,0)
SELECT window_end, k, n, sum(n) OVER (PARTITION BY window_end ORDER BY k) FROM (SELECT window_end, k, count(*) AS n FROM tumble(a, ts, interval '5 s') GROUP BY window_end, k) g;

-- case hop by much: ws timestamptz, k int, n bigint, s numeric(20,2), f double precision, d bigint, l text
SELECT window_start, k, count(*), sum(n), avg(f), count(DISTINCT v), min(t) FROM hop(a, ts, interval '500 ms', interval '10 s') GROUP BY k, window_start;

-- case hop of odd sizes: we timestamptz, j int, n bigint, v int
SELECT window_end, j, count(*) FILTER (WHERE v > 3), max(v) FROM hop(a, ts, interval '700 ms', interval '6 s') GROUP BY j, window_end;

-- case hop of everything: ws timestamptz, we timestamptz, n bigint
SELECT window_start, window_end, count(*) FROM hop(a, ts, interval '400 ms', interval '1 s') GROUP BY window_start, window_end;

-- case cumulate by key: ws timestamptz, we timestamptz, k int, n bigint, v int
SELECT window_start, window_end, k, count(*), max(v) FROM cumulate(a, ts, interval '1 s', interval '15 s') GROUP BY window_start, k, window_end;

-- case top of a hop: we timestamptz, m bigint, n numeric(20,0)
SELECT window_end, max(n), sum(n) FROM (SELECT k, window_start, window_end, count(*) AS n FROM hop(a, ts, interval '1 s', interval '8 s') GROUP BY k, window_start, window_end) q GROUP BY window_start, window_end;

-- case anti join by a time that changes: k int, m timestamptz
SELECT q.k, q.m FROM (SELECT k, min(ts - interval '2 days') AS m FROM a GROUP BY k) q WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.ts = q.m);

-- case join by digits that no one type has: id int, k int
SELECT a.id, b.k FROM a JOIN (SELECT id, k, (CASE WHEN j = 1 THEN 0.5 ELSE 0 END)::numeric(38,38) AS x FROM b) b ON a.j = b.x AND a.id = b.id;

-- case not in by digits that no one type has: id int
SELECT id FROM a WHERE j NOT IN (SELECT (v / 4.0)::numeric(38,37) FROM b WHERE v > 0);

-- case intervals are chosen as they were written: k int, a text, b text, c text
SELECT k, arg_min(/*x*/e/*y*/, id/*z*/)::text, arg_max(/*x*/e/*y*/, ts/*z*/)::text, arg_max(/*x*/o/*y*/, id/*z*/)::text FROM (SELECT k, id, ts, v * interval '1 mon' AS e, to_jsonb(n) AS o FROM a WHERE v IS NOT NULL) q GROUP BY k;

-- case keyed by rank over groups: j int, r bigint, k int, n bigint, PRIMARY KEY (j, r)
SELECT j, r, k, n FROM (SELECT j, k, n, row_number() OVER (PARTITION BY j ORDER BY n DESC, k) AS r
    FROM (SELECT j, coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY j, coalesce(k, -1)) g) x WHERE r <= 3;

-- case keyed by group over rank: j int, r bigint, k int, n bigint, PRIMARY KEY (j, k)
SELECT j, r, k, n FROM (SELECT j, k, n, row_number() OVER (PARTITION BY j ORDER BY n DESC, k) AS r
    FROM (SELECT j, coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY j, coalesce(k, -1)) g) x WHERE r <= 3;

-- case keyed by partition of the second: j int, k int, n bigint, PRIMARY KEY (j)
SELECT j, k, n FROM (SELECT j, k, n, row_number() OVER (PARTITION BY j ORDER BY n DESC, k) AS r
    FROM (SELECT j, coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY j, coalesce(k, -1)) g) x WHERE r = 2;

-- case keyed by number of all: j int, r bigint, k int, n bigint, PRIMARY KEY (j, r)
SELECT j, row_number() OVER (PARTITION BY j ORDER BY n DESC, k), k, n
FROM (SELECT j, coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY j, coalesce(k, -1)) g;

-- case keyed by rank within windows: we timestamptz, r bigint, k int, n bigint, PRIMARY KEY (we, r)
SELECT window_end, r, k, n FROM (SELECT window_end, k, n, row_number() OVER (PARTITION BY window_end ORDER BY n DESC, k) AS r
    FROM (SELECT window_end, coalesce(k, -1) AS k, count(*) AS n FROM tumble(a, ts, interval '10 s')
          GROUP BY window_end, coalesce(k, -1)) g) x WHERE r <= 2;

-- case keyed by the column of the other side: k int, x bigint, y bigint, PRIMARY KEY (k)
SELECT y.k, x.n, y.n FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x JOIN (SELECT k, count(*) AS n FROM b GROUP BY k) y
    ON x.k = y.k;

-- case keyed by a chain of joins: k int, x bigint, y bigint, z bigint, PRIMARY KEY (k)
SELECT z.k, x.n, y.n, z.n FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x
    JOIN (SELECT v, count(*) AS n FROM b GROUP BY v) y ON x.k = y.v
    JOIN (SELECT k, sum(j) AS n FROM b GROUP BY k) z ON y.v = z.k;

-- case keyed by groups whose own key is less: k int, n bigint, m bigint, PRIMARY KEY (k)
SELECT k, n, count(*) FROM (SELECT coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY coalesce(k, -1)) g GROUP BY k, n;

-- case keyed without what is constant: k int, n bigint, PRIMARY KEY (k)
SELECT k, n FROM (SELECT coalesce(k, -1) AS k, j, count(*) AS n FROM a GROUP BY coalesce(k, -1), j) g WHERE j = 1 AND n > 2;

-- case keyed by one of two equal columns: v int, n bigint, PRIMARY KEY (v)
SELECT v, n FROM (SELECT k, v, count(*) AS n FROM a WHERE v >= 0 GROUP BY k, v) g WHERE k = v;

-- case keyed by the many of many to one: k int, j int, n bigint, m bigint, PRIMARY KEY (k, j)
SELECT x.k, y.j, x.n, y.n FROM (SELECT j, coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY j, coalesce(k, -1)) x
    JOIN (SELECT j, count(*) AS n FROM b GROUP BY j) y ON x.j = y.j;

-- case keyed by both sides: k int, j int, n bigint, m bigint, PRIMARY KEY (k, j)
SELECT x.k, y.j, x.n, y.n FROM (SELECT coalesce(k, -1) AS k, count(*) AS n FROM a GROUP BY coalesce(k, -1)) x
    JOIN (SELECT j, sum(v) AS n FROM b GROUP BY j) y ON x.n < y.n;

-- case alone with a key of rows that change: n bigint, k int, PRIMARY KEY (n)
SELECT count(*) AS n, k FROM a GROUP BY k UNION ALL SELECT count(*) + 1000000, -1 FROM a;

-- case alone with a key of rows that stay: i int, t text, PRIMARY KEY (i)
SELECT id % 300, t FROM a;

-- case alone with a key where rows are equal: i int, t text, PRIMARY KEY (i)
SELECT id - id % 2 * (id / 200) % 2, 'x' FROM a;

-- case alone with a key of sessions: we timestamptz, k int, n bigint, PRIMARY KEY (we)
SELECT window_end, k, count(*) FROM session(a, ts, interval '1 s', k) GROUP BY window_end, window_start, k;

-- case alone with a key of windows that closed: ws timestamptz, m int, k int, PRIMARY KEY (ws, m)
SELECT window_start, max(id) % 7, k FROM tumble(a, ts, interval '3 s') GROUP BY window_start, window_end, k;

-- case alone with a key of an outer join: x bigint, a int, b int, PRIMARY KEY (x)
SELECT x.n + coalesce(y.n, 0) * 100, x.k, y.k FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x LEFT JOIN (SELECT k, count(*) AS n FROM b WHERE v > 2 GROUP BY k) y ON x.n = y.n * 2;

-- case alone with a key that a cast makes: n int, k int, PRIMARY KEY (n)
SELECT sum(n) / 1000, k FROM a GROUP BY k UNION ALL SELECT count(*) + 1000000, -1 FROM a;

-- case keyed by a partition that a view computes: k int, place text, id int, PRIMARY KEY (k, place)
SELECT k, place, id FROM (SELECT *, row_number() OVER (PARTITION BY k, place ORDER BY ts DESC, id) AS r FROM (SELECT k, CASE WHEN v > 2 THEN 'far' ELSE 'near' END AS place, ts, id FROM a WHERE k IS NOT NULL) x) y WHERE r = 1;

-- case first of each jsonb, however its numbers are written: n bigint, c bigint
SELECT count(*), count(DISTINCT d) FROM (SELECT DISTINCT ON (d) d FROM (SELECT ('{"x": ' || id || '.0}')::jsonb AS d, ts FROM a UNION ALL SELECT ('{"x": ' || id || '.00}')::jsonb, ts FROM a) x) y;

-- case rows of an array, numbered: id int, e int, i bigint
SELECT a.id, u.e, u.i FROM a, unnest(ARRAY[a.k, a.v, a.j]) WITH ORDINALITY AS u (e, i) WHERE u.e > 1 OR u.e IS NULL;

-- case rows of a text, or none: id int, part text, i bigint
SELECT id, part, i FROM a LEFT JOIN LATERAL string_to_table(nullif(t, 'a'), ' ') WITH ORDINALITY AS u (part, i) ON true;

-- case rows of two arrays side by side: id int, x int, y text
SELECT id, x, y FROM a, unnest(ARRAY[k, v], string_to_array(t, ' ')) AS u (x, y) WHERE j < 2;

-- case rows of rows: id int, x int, key text, value text
SELECT id, x, e.key, e.value FROM a, generate_series(1, v) AS x, jsonb_each_text(jsonb_build_object('x', x, t, k)) AS e WHERE t IS NOT NULL;

-- case rows in a select list: id int, g int, w text
SELECT id, g, w[2] FROM (SELECT id, generate_series(j, 2) AS g, regexp_matches(t, '([a-z])([a-z]+)', 'g') AS w FROM a WHERE k < 9) AS s;

-- case groups of elements: e int, n bigint, s bigint, PRIMARY KEY (e)
SELECT e, count(*), sum(id) FROM a, unnest(ARRAY[v, j, v]) AS e WHERE e IS NOT NULL GROUP BY e;

-- case elements that change: k int, i bigint, v int, PRIMARY KEY (k, i)
SELECT k, i, e FROM (SELECT k, array_agg(v ORDER BY v DESC, id) AS vs FROM a WHERE k IS NOT NULL GROUP BY k) AS g, unnest(vs) WITH ORDINALITY AS u (e, i) WHERE i < 5;

-- case members that change: k int, t text, n text, PRIMARY KEY (k, t)
SELECT k, e.key, e.value FROM (SELECT k, jsonb_object_agg(t, n ORDER BY id) AS o FROM a WHERE k IS NOT NULL AND t IS NOT NULL GROUP BY k) AS g, jsonb_each_text(o) AS e;

-- case numbers up to one that changes: k int, g bigint, PRIMARY KEY (k, g)
SELECT k, g FROM (SELECT k, count(*) % 7 AS n FROM a WHERE k IS NOT NULL GROUP BY k) AS c, generate_series(1, n) AS g;

-- case elements that change, or none: k int, e int, n bigint
SELECT k, e, count(*) FROM (SELECT k, array_agg(v) FILTER (WHERE v > 3) AS vs FROM a GROUP BY k) AS g LEFT JOIN LATERAL unnest(vs) AS e ON true GROUP BY k, e;

-- case windows of elements: e int, ws timestamptz, n bigint
SELECT e, window_start, count(*) FROM tumble(a, ts, interval '7 s'), unnest(ARRAY[v, j]) AS e GROUP BY e, window_start, window_end;

-- case overlapping windows of elements: e int, we timestamptz, n bigint
SELECT e, window_end, count(*) FROM hop(a, ts, interval '2 s', interval '7 s'), unnest(ARRAY[v, j]) AS e WHERE e > 0 GROUP BY e, window_end;

-- case elements joined by interval: a int, b int, e int
SELECT x.id, b.id, x.e FROM (SELECT a.id, a.k, a.ts, e FROM a, unnest(ARRAY[v, j]) AS e) AS x JOIN b ON x.k = b.k AND x.e = b.v AND b.ts BETWEEN x.ts - interval '2 s' AND x.ts + interval '2 s';

-- case the first elements: j int, e int, id int, r bigint
SELECT j, e, id, r FROM (SELECT j, e, id, row_number() OVER (PARTITION BY j ORDER BY e DESC NULLS LAST, id, i) AS r FROM a, unnest(ARRAY[v, k]) WITH ORDINALITY AS u (e, i)) AS q WHERE r <= 4;

-- case elements of both sides of a join: a int, b int, e int
SELECT a.id, b.id, e FROM a JOIN b ON a.k = b.k AND a.v = b.v CROSS JOIN LATERAL unnest(ARRAY[a.j, b.j]) AS e WHERE e <> a.j;

-- case a row whose elements fail is not there: id int, e int
SELECT id, e FROM (SELECT id, t, j FROM a /*where j < 2*/) AS x, unnest(CASE WHEN j < 2 THEN ARRAY[j] ELSE ARRAY[1 / (j - 2)] END) AS e;

-- case a pair whose condition fails is not there: a int, b int
SELECT a.id, b.id FROM a JOIN b ON a.k = b.k AND a.v = b.v AND CASE WHEN a.j + b.j = 0 THEN 1 / (a.j + b.j) > 0 ELSE a.j <> b.j END /*where a.j + b.j <> 0*/;

-- case elements above a bound, or none: id int, e int
SELECT id, e FROM a LEFT JOIN LATERAL unnest(ARRAY[v, j, k]) AS e ON e > k % 4;

-- case a row none of whose elements meets a condition that fails is not there: id int, e int
SELECT id, e FROM (SELECT id, k, v, j FROM a /*where j < 2*/) AS x LEFT JOIN LATERAL unnest(ARRAY[v, 2]) AS e ON CASE WHEN j < 2 THEN e > k ELSE 1 / (j - 2) = e END;

-- case elements that change and meet a condition, or none: k int, e int, n bigint, PRIMARY KEY (k, e)
SELECT k, coalesce(e, -1), count(*) FROM (SELECT k, array_agg(v) FILTER (WHERE v > 1) AS vs, max(v) AS m FROM a WHERE k IS NOT NULL GROUP BY k) AS g LEFT JOIN LATERAL unnest(vs) AS e ON e < m GROUP BY k, coalesce(e, -1);

-- case computed for each row and its elements, or for none: id int, x int, y text
SELECT id, s.x, s.y FROM a LEFT JOIN LATERAL (SELECT e + j AS x, coalesce(t, '-') AS y FROM unnest(ARRAY[v, k]) AS u (e) WHERE e > 2) AS s ON s.x < 9;

-- case records as rows: id int, n bigint, k int, tag text, rest text
SELECT id, r.n, r.k, r.tags[1], r.rest ->> 'a' FROM a CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(jsonb_build_array(jsonb_build_object('k', k, 'tags', ARRAY[t, 'z']), '{"k": "7", "rest": {"a": 1.50}}'::jsonb)) AS (k int, tags text[], rest jsonb)) WITH ORDINALITY AS r (k, tags, rest, n);

-- case columns as rows: id int, name text, value int
SELECT id, c.name, c.value FROM a, LATERAL (VALUES ('v', v), ('j', j)) AS c (name, value) WHERE c.value > 1;

-- case times as rows: id int, at timestamptz
SELECT id, at FROM a, generate_series(date_trunc('minute', ts), ts, interval '20 s') AS at WHERE j = 1;

-- case groups of what a list makes: w text, n bigint, PRIMARY KEY (w)
SELECT upper(unnest(string_to_array(t, ' '))) AS w, count(*) FROM a WHERE t <> '' GROUP BY w;

-- case what a list makes of groups: k int, e int, n bigint
SELECT k, unnest(array_agg(v ORDER BY v)) + 1, count(*) FROM a WHERE v > 3 GROUP BY k;

-- case elements known to a set: e int
SELECT DISTINCT e FROM a, unnest(ARRAY[v * 10 + j, k]) AS e;

-- case groups of intervals as they are written: i text, n bigint
SELECT i::text, count(*) FROM (SELECT (v || ' mons')::interval AS i FROM a) x GROUP BY i;

-- case distinct jsonb as it is written: j text
SELECT j::text FROM (SELECT DISTINCT ('{"a": ' || v || '.50}')::jsonb AS j FROM a) x;

-- case windows of intervals as they are written: ws timestamptz, i text, n bigint
WITH x AS (SELECT (v || ' mons')::interval AS i, ts FROM a) SELECT window_start, i::text, count(*) FROM hop(x, ts, interval '2 s', interval '6 s') GROUP BY window_start, window_end, i;

-- case groups of groups of intervals: n bigint, i text, c bigint
SELECT n, i::text, count(*) FROM (SELECT k, (v || ' mons')::interval AS i, count(*) AS n FROM a GROUP BY k, v) x GROUP BY n, i;

-- case within group: k int, m double precision, d text, i interval, o int, c bigint, PRIMARY KEY (k)
SELECT k, percentile_cont(0.3) WITHIN GROUP (ORDER BY v DESC), percentile_disc(0.7) WITHIN GROUP (ORDER BY t), percentile_cont(0.5) WITHIN GROUP (ORDER BY ts - timestamptz '2026-01-01 00:00:00Z'), mode() WITHIN GROUP (ORDER BY v) FILTER (WHERE j > 0), count(*) FROM a WHERE k IS NOT NULL GROUP BY k;

-- case within group and bits of rows that change: d int, h double precision, m int, x int, y int, z int
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY c), (percentile_cont(ARRAY[0.25, 0.9]) WITHIN GROUP (ORDER BY c))[2], mode() WITHIN GROUP (ORDER BY c DESC), bit_and(c), bit_or(c), bit_xor(c) FROM (SELECT k, max(v) + count(*)::int AS c FROM a GROUP BY k, j) AS g;
