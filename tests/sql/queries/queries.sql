-- case: all rows
SELECT * FROM t
-- case: filters and three-valued logic
SELECT k, n FROM t WHERE n > 1 AND k <> 'a'
SELECT k, n FROM t WHERE NOT (n > 1 AND k <> 'a')
SELECT k, n FROM t WHERE n > 1 OR k IS NULL
SELECT n FROM t WHERE k IN ('a', 'c', NULL)
SELECT n FROM t WHERE k NOT IN ('a', 'c')
SELECT n FROM t WHERE k NOT IN ('a', NULL)
SELECT n FROM t WHERE m BETWEEN 0 AND 11
SELECT n FROM t WHERE m NOT BETWEEN 0 AND 11
SELECT n FROM t WHERE m BETWEEN SYMMETRIC 11 AND 0
SELECT n FROM t WHERE k LIKE '_' AND k ILIKE 'B'
SELECT k, b IS TRUE, b IS NOT TRUE, b IS FALSE, b IS NOT FALSE, b IS UNKNOWN, b IS NOT UNKNOWN FROM t
SELECT k IS DISTINCT FROM 'a', k IS NOT DISTINCT FROM NULL FROM t
-- case: CASE, COALESCE, NULLIF, lazy errors
SELECT CASE WHEN n = 0 THEN 0 ELSE 10 / n END FROM t
SELECT CASE k WHEN 'a' THEN 1 WHEN 'b' THEN 2 END, coalesce(k, '?'), nullif(n, 2), greatest(n, 2), least(m, 1) FROM t
SELECT n FROM t WHERE n <> 0 AND 10 / n > 4
-- case: arithmetic on numeric is exact
SELECT m + 0.005, m * m, m - 1, -m, round(m / 3, 10), round(m / 7, 4), m::integer, (m * 1.5)::numeric(10,1) FROM t
SELECT n / 2, n % 2, n * 1.0, n + 2147483646::bigint FROM t
-- case: dates
SELECT d + 1, d - date '2026-01-01', date_trunc('hour', ts), extract(day FROM d), ts + interval '1 day', ts::date FROM t
-- case: ORDER BY with NULLs, expressions, LIMIT, OFFSET
SELECT k, n FROM t ORDER BY k, n
SELECT k, n FROM t ORDER BY k DESC, n DESC
SELECT k, n FROM t ORDER BY k NULLS FIRST, n DESC NULLS LAST
SELECT n FROM t ORDER BY -n, f
SELECT n AS x, f FROM t ORDER BY x, 2
SELECT n, f FROM t ORDER BY f DESC LIMIT 3
SELECT n, f FROM t ORDER BY f OFFSET 6
SELECT n, f FROM t ORDER BY f LIMIT 2 OFFSET 2
SELECT n FROM t ORDER BY n LIMIT 0
-- case: aggregates over everything, and over nothing
SELECT count(*), count(k), count(m), sum(n), sum(m), round(avg(n), 12), round(avg(m), 12), min(k), max(k), min(m), max(d), min(ts) FROM t
SELECT count(*), count(k), sum(n), sum(m), avg(m), min(k), max(ts) FROM nothing
SELECT count(*) FROM nothing HAVING count(*) > 0
SELECT 'none' AS wrong FROM nothing HAVING count(*) = 0
SELECT sum(f) FROM t WHERE f < 100
-- case: FILTER
SELECT count(*) FILTER (WHERE b), sum(m) FILTER (WHERE k = 'a'), max(n) FILTER (WHERE false) FROM t
-- case: GROUP BY, NULL is a group
SELECT k, count(*), sum(m), min(n), max(n) FROM t GROUP BY k
SELECT k, b, count(*) FROM t GROUP BY k, b
SELECT k FROM nothing GROUP BY k
SELECT lower(k), count(*) FROM t GROUP BY lower(k)
SELECT lower(k) || '!', count(*) + 1 FROM t GROUP BY 1
SELECT n % 2 AS odd, sum(m) FROM t GROUP BY odd
SELECT d, count(*) FROM t GROUP BY d HAVING count(*) > 1 OR d IS NULL
SELECT m, count(*) FROM t GROUP BY m
SELECT date_trunc('day', ts) AS day, count(*), sum(m) FROM t GROUP BY day ORDER BY day
SELECT k, sum(n) AS s FROM t GROUP BY k ORDER BY s DESC NULLS LAST, k LIMIT 2
SELECT sum(n) * 2, k FROM t GROUP BY k HAVING sum(n) > 1 AND min(m) < max(m) + 1
SELECT b, round(avg(m), 12), round(avg(n), 12), round(sum(m) / count(m), 12) FROM t GROUP BY b
-- case: DISTINCT
SELECT DISTINCT k FROM t
SELECT DISTINCT k, b FROM t
SELECT DISTINCT m FROM t ORDER BY m
SELECT DISTINCT n % 2 FROM t
SELECT count(*) FROM (SELECT DISTINCT k FROM t) q
-- case: UNION
SELECT n FROM t UNION ALL SELECT m FROM t
SELECT k FROM t UNION SELECT 'z'
SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, 'x' ORDER BY a DESC
SELECT sum(n) FROM (SELECT n FROM t UNION ALL SELECT -n FROM t UNION ALL SELECT 1) u
-- case: subqueries, WITH, aggregates of aggregates
SELECT max(s), count(*) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) q
SELECT s, count(*) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) q GROUP BY s
WITH a AS (SELECT k, n FROM t WHERE n > 1), b AS (SELECT k, sum(n) AS s FROM a GROUP BY k) SELECT * FROM b WHERE s > 2
WITH a AS (SELECT k FROM t) SELECT count(*) FROM (SELECT * FROM a UNION ALL SELECT * FROM a) u
SELECT x + y FROM (SELECT n AS x, n * 2 AS y FROM (SELECT n FROM t WHERE n > 0) a) b WHERE y > 2
-- case: without FROM
SELECT 1, 'a', NULL, 1.50, true, date '2026-01-01'
SELECT 1 WHERE false
VALUES (1, 'a'), (2, NULL)
SELECT count(*)
SELECT 'several rows fail' AS wrong, 1 / n FROM t WHERE n = 0 OR k = ''
SELECT sum(m / (n - n)) FROM t WHERE n > 0
SELECT sum(10 / n) FILTER (WHERE n <> 0), count(10 / n) FILTER (WHERE n > 1), sum(f::numeric(12,2)) FILTER (WHERE f < 100) FROM t
SELECT k, sum(10 / n) FILTER (WHERE n <> 0) FROM t GROUP BY k
SELECT sum(10 / n) FROM t
SELECT CASE NULL WHEN 'a' THEN 1 ELSE 2 END, CASE 'a' WHEN k THEN 1 END FROM t
-- case: aggregates of different values, in order, of several arguments
SELECT count(DISTINCT k), count(DISTINCT n), sum(DISTINCT n), avg(DISTINCT m), count(DISTINCT d), count(DISTINCT b), min(DISTINCT n) FROM t
SELECT k, count(DISTINCT n) FILTER (WHERE n > 1), sum(DISTINCT m) FILTER (WHERE b), count(*) FROM t GROUP BY k
SELECT count(DISTINCT k), string_agg(k, ','), jsonb_agg(n), corr(n, f) FROM nothing
SELECT string_agg(k, ',' ORDER BY k, n), string_agg(k, '-' ORDER BY n DESC, k), string_agg(DISTINCT k, ';' ORDER BY k DESC) FROM t
SELECT b, string_agg(k, n::text ORDER BY n DESC NULLS LAST, k) FROM t GROUP BY b ORDER BY b
SELECT b, string_agg(k, '' ORDER BY n NULLS FIRST, k) FILTER (WHERE n IS NULL OR n > 1) FROM t GROUP BY b ORDER BY b
SELECT jsonb_agg(n ORDER BY n, k), jsonb_agg(k ORDER BY k DESC, n), jsonb_object_agg(coalesce(k, '-'), n ORDER BY n, m) FROM t
SELECT regr_count(n, m), regr_sxx(n, m)::numeric(20,6), covar_pop(m, n)::numeric(20,6) FROM t
-- case: over rows that change
SELECT min(s), max(s), min(k), max(k) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) q
SELECT count(DISTINCT s), sum(DISTINCT s), string_agg(k, ',' ORDER BY s DESC, k) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) q
SELECT b, max(top), min(top) FROM (SELECT b, n, max(m) AS top FROM t GROUP BY b, n) q GROUP BY b
-- case: regular expressions
SELECT k FROM t WHERE k ~ '^[a-b]$' ORDER BY k
SELECT k, k ~* 'B', k !~ 'a', k SIMILAR TO '(a|b|c)%', k NOT SIMILAR TO '_', substring('x' || k FROM 'x(.)') FROM t ORDER BY k, n
SELECT regexp_replace(d::text, '(\d+)-(\d+)', '\2/\1'), regexp_count(d::text, '0'), d::text ~ k FROM t ORDER BY d, n
-- case: ORDER BY inside, by a column of a join that nothing else reads
SELECT a.k, string_agg(b.k, ',' ORDER BY b.m, b.k) FROM t a JOIN t b ON a.n = b.n GROUP BY a.k ORDER BY a.k
-- case: functions in SQL: casts of arguments and result, defaults, names and numbers of parameters
SELECT n, twice(n), twice(twice(n)), fourfold(n), eight() FROM t
SELECT twice('4'), twice(NULL), widen(7), narrow(3), untyped(true), untyped(false) FROM t LIMIT 1
SELECT label(k), label(k, n), label('x', 1, '.'), label(NULL) FROM t
SELECT area(m, 2), area(n, m), area(n, 1.5), area(m, m) FROM t
SELECT twice(n) + 1 AS a, day_of(ts), day_of(d) FROM t
SELECT twice FROM (SELECT twice(n) FROM t) AS s
-- case: functions in SQL: STRICT, and what is not looked at
SELECT k, n, known(k, n), known('a', n), known(k, 1), known('a', NULL) FROM t
SELECT k, known(k, 1) IS NULL, area(m, n) IS NULL FROM t
SELECT safe_ratio(m, n), safe_ratio(n, m) FROM t
SELECT n FROM t WHERE n <> 0 AND tenth(n) > 4
SELECT tenth(n) FROM t
-- case: functions in SQL with aggregates, groups, conditions, joins and windows
SELECT twice(n) AS g, count(*), sum(twice(n)), twice(count(*)::integer), max(label(k, n)) FROM t GROUP BY twice(n)
SELECT fourfold(n) FROM t GROUP BY n HAVING twice(max(n)) > 2
SELECT a.n, b.n FROM t a JOIN t b ON twice(a.n) = b.n WHERE untyped(a.b) = 'yes'
-- case: functions in SQL that are called wrongly
SELECT twice(k) FROM t
SELECT twice(n, n) FROM t
SELECT label() FROM t
SELECT narrow(m) FROM t
SELECT tenth(0)
-- case: arrays
SELECT array_agg(n ORDER BY n), array_agg(DISTINCT n ORDER BY n DESC), array_agg(k ORDER BY k) FILTER (WHERE n > 1) FROM t
SELECT k, array_agg(m ORDER BY m DESC NULLS LAST, n), cardinality(array_agg(n)) FROM t GROUP BY k ORDER BY k
SELECT array_agg(ts ORDER BY ts), array_agg(f ORDER BY f), array_agg(b ORDER BY b), array_agg(d ORDER BY d) FROM t
SELECT array_agg(n) FROM nothing
SELECT ARRAY[n, 2] AS a, count(*) FROM t GROUP BY ARRAY[n, 2]
SELECT DISTINCT ARRAY[k, NULL] FROM t
SELECT n, f FROM t ORDER BY ARRAY[m, n], f
SELECT n, f FROM t ORDER BY ARRAY[k, d::text] DESC, f
SELECT n FROM t WHERE n = ANY (ARRAY[1, 3, NULL])
SELECT n FROM t WHERE n <> ALL ('{1,3}')
SELECT n FROM t WHERE n <> ALL ('{1,NULL}')
SELECT n FROM t WHERE n > ANY (ARRAY[2, n - 1]) AND k LIKE ANY (ARRAY['a%', '_'])
SELECT n FROM t WHERE 2 = ANY (string_to_array('1,' || n, ',')::int[])
SELECT (ARRAY[k, 'x'])[1], (ARRAY[n, 5, 6])[2:], ('{a,b,c}'::text[])[:2], ('{"a": [1, {"b": 2}]}'::jsonb)['a'][1]['b'] FROM t
SELECT ARRAY[]::integer[], ARRAY['1', n]::bigint[], ARRAY[n::numeric(12,2), m], '{1,2}'::int[] || n, n || '{1,2}'::int[] FROM t
SELECT x.a, y.n FROM (SELECT n, ARRAY[n, 1] AS a FROM t) x JOIN (SELECT n, ARRAY[n, 1] AS a FROM t) y ON x.a = y.a
SELECT a[1], count(*) FROM (SELECT string_to_array(coalesce(k, 'z') || ',x', ',') AS a FROM t) s GROUP BY a[1]
SELECT CASE WHEN n > 1 THEN ARRAY[n] ELSE '{}' END, coalesce(NULL, ARRAY[n]), ARRAY[n] = ARRAY[2], ARRAY[n] @> '{2}' FROM t
-- case: functions that return rows, in FROM
SELECT * FROM unnest(ARRAY[3, 1, NULL])
SELECT u FROM unnest(ARRAY['x', 'y']) AS u
SELECT u.u, x FROM unnest(ARRAY['x', 'y']) AS u CROSS JOIN unnest(ARRAY[1, 2]) AS v (x)
SELECT * FROM unnest(ARRAY[1, 2, 3], ARRAY['a', 'b']) WITH ORDINALITY
SELECT * FROM unnest(ARRAY[1, 2, 3], ARRAY['a', 'b']) WITH ORDINALITY AS u (x, y, n)
SELECT u.unnest FROM unnest(ARRAY[1, 2, 3]) WITH ORDINALITY AS u (unnest)
SELECT * FROM ROWS FROM (unnest(ARRAY[1, 2, 3]), jsonb_each('{"a": 1, "b": [2]}'), string_to_table('p,q', ',')) WITH ORDINALITY
SELECT k, n, e, i FROM t, unnest(ARRAY[n, n + 1, NULL]) WITH ORDINALITY AS u (e, i)
SELECT k, e FROM t CROSS JOIN LATERAL unnest(ARRAY[k, 'z']) AS e WHERE n > 1 AND e <> 'b'
SELECT k, e, e + n FROM t JOIN unnest(ARRAY[n, 2]) AS e ON e = n
SELECT k, n, e, i FROM t LEFT JOIN LATERAL unnest(CASE WHEN n > 1 THEN ARRAY[n, 9] WHEN n = 1 THEN '{}' END) WITH ORDINALITY AS u (e, i) ON true
SELECT k, n, e FROM t LEFT JOIN unnest(ARRAY[1, 2, 2]) AS e ON e = n
SELECT n, e FROM t RIGHT JOIN unnest(ARRAY[1, 2, 77]) AS e ON e = n
SELECT x.n, y.e FROM (VALUES (1), (2)) AS x (n) FULL JOIN (VALUES (1), (77)) AS y (e) ON e = n
SELECT a.n, e, z FROM t a JOIN t b ON a.n = b.n CROSS JOIN LATERAL unnest(ARRAY[a.k, b.k]) AS e, unnest(ARRAY[e, 'q']) AS z WHERE a.n < 3
SELECT a.n, e, z FROM t a, unnest(ARRAY[a.n, 5]) AS e LEFT JOIN LATERAL unnest(ARRAY[a.k]) AS z ON true WHERE e > 1
SELECT e, count(*), sum(n) FROM t, unnest(ARRAY[n % 2, n % 3]) AS e GROUP BY e ORDER BY e
SELECT k, array_agg(e ORDER BY e, i) FROM t, unnest(ARRAY[n, 4]) WITH ORDINALITY AS u (e, i) GROUP BY k ORDER BY k
SELECT x, n, row_number() OVER (PARTITION BY n ORDER BY x DESC, f) AS r FROM t, unnest(ARRAY[n, 7]) AS x ORDER BY n, r
SELECT DISTINCT e FROM t, unnest(ARRAY[n, n / 2]) AS e ORDER BY e DESC NULLS LAST
SELECT u.* FROM t, unnest(ARRAY[m, 1.5], ARRAY[d]) AS u WHERE b
SELECT * FROM unnest('{}'::integer[]) AS e
SELECT count(*) FROM unnest(NULL::text[]) AS e
SELECT k, e FROM t, unnest(string_to_array(k, '')) AS e WHERE EXISTS (SELECT 1 FROM t x WHERE x.k = e)
SELECT n FROM t WHERE n IN (SELECT e FROM unnest(ARRAY[1, 3]) AS e)
SELECT s.e + 1 FROM (SELECT e FROM t, unnest(ARRAY[n]) AS e) AS s
WITH w AS (SELECT k, ARRAY[n, 1] AS a FROM t) SELECT k, w.a[1], e FROM w, unnest(w.a) AS e
SELECT k, elem ->> 'v', elem -> 'v' FROM t, jsonb_array_elements(jsonb_build_array(jsonb_build_object('v', n), jsonb_build_object('v', k))) AS elem
SELECT value FROM jsonb_array_elements('[1, "a", null, {"x": [2]}, [3]]')
SELECT value, x.value FROM jsonb_array_elements_text('[1, "a\"b", null, {"x": [2]}, [3]]') AS x
SELECT e FROM jsonb_array_elements_text('["p", 2]') AS x (e)
SELECT * FROM jsonb_each('{"b": 1, "a": {"c": null}, "": null}')
SELECT * FROM jsonb_each_text('{"b": 1, "a": {"c": null}, "": null}') WITH ORDINALITY
SELECT e.k, e.v, t.k FROM t, jsonb_each(jsonb_build_object('n', n, 'k', t.k)) AS e (k, v)
SELECT jsonb_object_keys FROM jsonb_object_keys('{"b": 1, "a": 2}')
SELECT * FROM jsonb_object_keys('{}') AS k
SELECT * FROM jsonb_array_elements('{"a": 1}')
SELECT * FROM jsonb_array_elements_text('3')
SELECT * FROM jsonb_object_keys('[1]')
SELECT * FROM jsonb_each('"a"')
SELECT * FROM string_to_table('a,,b', ',', '') WITH ORDINALITY
SELECT * FROM string_to_table('añb', NULL)
SELECT k, part FROM t, string_to_table(k || ',' || n, ',') AS part
SELECT * FROM regexp_split_to_table('the quick  brown', '\s+')
SELECT * FROM regexp_split_to_table('aXbxc', 'x', 'i') AS s
SELECT m, m[1], (regexp_match('x1', '\d'))[1] FROM regexp_matches('foobarbequebaz', '(b[^b]+)(b[^b]+)', 'g') AS m
SELECT m FROM regexp_matches('foobarbequebazilbarfbonk', 'b.', 'g') WITH ORDINALITY AS u (m, i) WHERE i > 1
SELECT * FROM regexp_matches('abc', 'z', 'g')
SELECT k, g FROM t, regexp_matches(k || n, '([a-z])|(\d)', 'g') AS g
SELECT * FROM generate_series(2, 11, 3)
SELECT * FROM generate_series(5, 1, -2) WITH ORDINALITY AS g (x, i)
SELECT * FROM generate_series(5, 1)
SELECT * FROM generate_series(9223372036854775805, 9223372036854775807)
SELECT * FROM generate_series(1, 5, 0)
SELECT n, g FROM t, generate_series(n, 3) AS g
SELECT k, v FROM t, jsonb_path_query(jsonb_build_object('a', jsonb_build_array(n, 2, 3)), '$.a[*] ? (@ > 1)') AS v
SELECT * FROM jsonb_path_query('[1, 2, {"a": 3}]', '$[*].a') WITH ORDINALITY
-- case: functions that return rows, in a SELECT list
SELECT k, unnest(ARRAY[n, 1]) AS e FROM t WHERE n > 1
SELECT unnest(ARRAY[1, 2, 3]), unnest(ARRAY['a', 'b'])
SELECT t.*, generate_series(1, n) AS g FROM t WHERE n < 3
SELECT DISTINCT unnest(ARRAY[k, 'z']) FROM t
SELECT e, count(*) FROM (SELECT unnest(ARRAY[n, 1]) AS e FROM t) AS s GROUP BY e
SELECT k, regexp_matches(k, '[a-z]') FROM t
SELECT unnest(ARRAY[n, 0]) AS e, n FROM t ORDER BY e, n, k LIMIT 3
SELECT jsonb_array_elements_text('["a", "b"]'), jsonb_object_keys('{"x": 1}') FROM nothing
-- LATERAL subqueries, LEFT JOIN of functions by a condition, lists of columns, calls inside expressions of a SELECT list
SELECT k, n, e FROM t LEFT JOIN LATERAL unnest(ARRAY[n, 2, 5]) AS e ON e > n
SELECT k, n, e, i FROM t LEFT JOIN LATERAL unnest(ARRAY[n, 2, 5]) WITH ORDINALITY AS u (e, i) ON e > n AND k <> 'a'
SELECT k, n, s.* FROM t CROSS JOIN LATERAL (SELECT n * 2 AS d, k || '!' AS kk) AS s WHERE s.d > 2
SELECT k, n, s.x FROM t CROSS JOIN LATERAL (SELECT e + n AS x FROM unnest(ARRAY[n, 2, 5]) AS u (e) WHERE e > 1) AS s
SELECT k, n, s.x, s.c FROM t LEFT JOIN LATERAL (SELECT e + n AS x, coalesce(e, 7) AS c FROM unnest(ARRAY[n, 2, 5]) AS u (e) WHERE e > 2) AS s ON s.x < 9
SELECT k, s.c FROM t LEFT JOIN LATERAL (SELECT coalesce(n, 7) AS c WHERE n > 1) AS s ON k = 'a'
SELECT k, v.* FROM t CROSS JOIN LATERAL (VALUES ('n', n), ('zwei', 2)) AS v (name, value)
SELECT k, column1, column2 FROM t, LATERAL (VALUES (n, k), (2, 'x')) AS v WHERE column1 > 1
SELECT n, r.* FROM t, jsonb_to_recordset(jsonb_build_array(jsonb_build_object('a', n, 'b', k), '{"a": 7, "c": [1, 2]}'::jsonb)) AS r (a int, b text, c int[], d jsonb)
SELECT n, r.a, r.b FROM t LEFT JOIN LATERAL jsonb_to_recordset(jsonb_build_array(jsonb_build_object('a', n, 'b', k), '{"a": 7}'::jsonb)) AS r (a int, b text) ON r.a > 2
SELECT * FROM jsonb_to_record('{"a": 1, "b": null, "c": "x", "d": null, "e": {"f": 1.50}, "g": "{1,2}", "h": [3, null]}') AS r (a int, b text, c text, d jsonb, e jsonb, g int[], h text[])
SELECT * FROM jsonb_to_record(NULL) AS r (a int, b jsonb)
SELECT * FROM ROWS FROM (jsonb_to_recordset('[{"a": 1}, {"a": 2}]') AS (a int)) WITH ORDINALITY AS x
SELECT k, lower(unnest(ARRAY[k, 'ZZ'])) AS x FROM t
SELECT unnest(ARRAY[n, 1]) + unnest(ARRAY[1, 2, 3]) * 10, n FROM t
SELECT unnest(ARRAY[n, 1]) AS e, count(*) FROM t GROUP BY e
SELECT unnest(ARRAY[n, 1]), count(*) FROM t GROUP BY 1 ORDER BY 1
SELECT upper(unnest(ARRAY[k, 'x'])), count(*) FROM t GROUP BY upper(unnest(ARRAY[k, 'x']))
SELECT k, unnest(array_agg(n ORDER BY n)) AS e FROM t GROUP BY k ORDER BY k, e DESC
SELECT k, unnest(array_agg(n ORDER BY n)) + count(*) AS e, 'c' AS c, sum(n) / 2 FROM t GROUP BY k HAVING count(*) > 1 ORDER BY 2
SELECT (jsonb_each(jsonb_build_object('n', n, 'k', k))).key, (jsonb_each(jsonb_build_object('n', n, 'k', k))).value FROM t
SELECT (jsonb_each_text(jsonb_build_object('n', n, 'k', k))).value AS v, n FROM t
SELECT k, n, unnest(ARRAY[1, 2]) AS e, row_number() OVER (PARTITION BY k ORDER BY n, f) FROM t ORDER BY k, n, f, e
SELECT d, x FROM t, generate_series(d, d + 2, '1 day') AS x
SELECT x FROM generate_series('2026-01-31'::timestamp, '2026-06-01', '1 month') AS x
SELECT x FROM generate_series('2026-03-31'::timestamptz, '2026-01-01', '-1 month') AS x
SELECT x FROM generate_series('9999-11-30'::timestamp, '9999-12-31', '1 month') AS x
SELECT x FROM generate_series('2026-03-31'::timestamptz, '2026-04-30', '1 mon -30 days') AS x
SELECT x FROM generate_series(1.0, 3.5, 0.25) AS x
SELECT x, m FROM t, generate_series(m, 12) AS x
SELECT n, generate_subscripts(ARRAY[n, 3], 1), generate_subscripts(ARRAY['a', 'b', 'c'], 1, true) FROM t
SELECT CASE WHEN n > 1 THEN unnest(ARRAY[1]) END FROM t
SELECT count(unnest(ARRAY[1])) FROM t
SELECT jsonb_to_recordset('[]')
SELECT * FROM jsonb_to_recordset('[]')
SELECT * FROM unnest(ARRAY[1]) AS u (a int)
SELECT n, s.* FROM t RIGHT JOIN LATERAL (SELECT n AS x) AS s ON true
SELECT DISTINCT upper(unnest(ARRAY[k, 'z'])) FROM t
SELECT n, s.y FROM t, LATERAL (SELECT unnest(ARRAY[n, 9]) AS y) AS s WHERE y > 3
SELECT n, s.y, s.z FROM t LEFT JOIN LATERAL (SELECT q.*, 1 AS z FROM unnest(ARRAY[n, 9]) AS q (y)) AS s ON s.y = 9 AND n = 1
SELECT n, s.q FROM t, LATERAL (SELECT a * b AS q FROM unnest(ARRAY[n, 9]) AS u (a), unnest(ARRAY[a, 2]) AS v (b) WHERE a <> b) AS s
SELECT n, tags FROM (SELECT n, ARRAY[k] AS tags FROM t) AS x GROUP BY n, tags
SELECT unnest(tags) AS tags, count(*) FROM (SELECT n, ARRAY[k, 'x'] AS tags FROM t) AS x GROUP BY tags
SELECT unnest(tags), n FROM (SELECT n, ARRAY[k, 'x'] AS tags FROM t) AS x GROUP BY tags, n
SELECT n, max(s.y) FROM t, LATERAL (SELECT f * 2 AS y) AS s GROUP BY n
SELECT n, t.k, s.k FROM t, LATERAL (SELECT k FROM unnest(ARRAY[t.k, 'u']) AS k WHERE k <> 'a') AS s
SELECT n, x.a, y.q FROM t, LATERAL (SELECT n + 1 AS a) AS x, LATERAL (SELECT a * 2 AS q WHERE a > 2) AS y
SELECT n, s.c FROM t LEFT JOIN LATERAL (SELECT 'x' AS c) AS s ON n > 1
SELECT n, s.c FROM t LEFT JOIN LATERAL (SELECT 'x' AS c FROM unnest(ARRAY[n]) AS e WHERE e > 1) AS s ON true
SELECT a.n, e FROM t a JOIN t b ON a.n = b.n LEFT JOIN LATERAL unnest(ARRAY[a.k, b.k]) AS e ON e <> a.k WHERE a.n < 3
SELECT n, e FROM t LEFT JOIN LATERAL unnest(CASE WHEN n > 1 THEN ARRAY[n, 9] WHEN n = 1 THEN '{}' END) AS e ON e > 2
SELECT n, e FROM t LEFT JOIN LATERAL unnest(ARRAY[n, 9]) AS e ON 1 / (n - 2) < e
-- intervals by name, OVERLAPS, zones by interval, format
SELECT n, make_interval(days => n, hours => 2), make_interval(1, 2), make_interval(secs => f) FROM t WHERE f < 1000
SELECT make_interval(days => 1, days => 2)
SELECT make_interval(hour => 1)
SELECT n FROM t WHERE (ts, interval '12 hours') OVERLAPS (timestamptz '2026-01-01 11:00:00+00', timestamptz '2026-01-01 13:00:00+00')
SELECT n, ts AT TIME ZONE interval '02:00', (ts AT TIME ZONE interval '02:00') AT TIME ZONE interval '-01:00' FROM t
SELECT format('%s: %L has %I', k, n, k || ' x') FROM t WHERE k IS NOT NULL
SELECT format('%-5s|%5s|%%', k, n) FROM t
SELECT width_bucket(m, ARRAY[0, 5, 10.5]), width_bucket(n, ARRAY[1, 2]) FROM t
SELECT jsonb_object(ARRAY['a', k]), jsonb_object(ARRAY['n'], ARRAY[k]), jsonb_build_object(), jsonb_build_array() FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n), percentile_disc(0.5) WITHIN GROUP (ORDER BY n), mode() WITHIN GROUP (ORDER BY n), mode() WITHIN GROUP (ORDER BY n DESC) FROM t
SELECT k, percentile_cont(0.9) WITHIN GROUP (ORDER BY m DESC), percentile_disc(0.9) WITHIN GROUP (ORDER BY k) FILTER (WHERE n > 1) FROM t GROUP BY k ORDER BY k
SELECT percentile_disc(ARRAY[0.25, 0.5, NULL, 1]) WITHIN GROUP (ORDER BY m), percentile_cont('{0.1,0.9}'::float8[]) WITHIN GROUP (ORDER BY n), percentile_cont(ARRAY[0.5]) WITHIN GROUP (ORDER BY ts - '2026-01-01') FROM t
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY ts - '2026-01-01 00:00:00+00'), percentile_disc(1) WITHIN GROUP (ORDER BY ts), mode() WITHIN GROUP (ORDER BY b) FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n), mode() WITHIN GROUP (ORDER BY k), bit_and(n), bit_or(n), bit_xor(n) FROM nothing
SELECT percentile_cont(NULL) WITHIN GROUP (ORDER BY n), percentile_disc(0.1 + 0.4) WITHIN GROUP (ORDER BY n + 1), percentile_disc(0.5) WITHIN GROUP (ORDER BY upper(k)) FROM t
SELECT k, bit_and(n), bit_or(n), bit_xor(n), bit_or(n::bigint) FILTER (WHERE n > 1), bit_xor(DISTINCT n), bit_and(DISTINCT n) FROM t GROUP BY k HAVING mode() WITHIN GROUP (ORDER BY n) > 0 ORDER BY k
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY s), bit_and(s), bit_or(s), bit_xor(s) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) AS g
SELECT mode() WITHIN GROUP (ORDER BY v) = '1 mon' FROM (VALUES (interval '1 mon'), (interval '2 days'), (interval '30 days'), (interval '2 days'), (interval '720:00:00')) AS x (v)
-- subqueries that are values
SELECT k, n, (SELECT sum(i.m) FROM t i WHERE i.k = o.k) FROM t o
SELECT k, n, (SELECT count(*) FROM t i WHERE i.n = o.n AND i.b) AS c FROM t o
SELECT n, (SELECT coalesce(sum(i.m), 0) + o.n FROM t i WHERE i.n = o.n AND i.m > 5) FROM t o
SELECT n, (SELECT max(m) FROM t) - m AS below FROM t
SELECT n, (SELECT max(m) FROM nothing), (SELECT count(*) FROM nothing) FROM t
SELECT k, n FROM t o WHERE m > (SELECT avg(m) FROM t)
SELECT k, n FROM t o WHERE m >= (SELECT max(i.m) FROM t i WHERE i.k = o.k) OR n = (SELECT min(n) FROM t)
SELECT k, sum(m) FROM t GROUP BY k HAVING sum(m) > (SELECT avg(m) FROM t)
SELECT k, count(*), (SELECT count(*) FROM t i WHERE i.k < 'b') FROM t o GROUP BY k
SELECT k, count(*), (SELECT sum(i.n) FROM t i WHERE i.k = o.k) FROM t o GROUP BY k
SELECT k, (SELECT sum(i.n) FROM t i WHERE i.n = o.n) FROM t o GROUP BY k
SELECT n, (SELECT i.k FROM t i WHERE i.n = o.n order by i.m DESC, i.k LIMIT 1) FROM t o
SELECT n, (SELECT i.k || o.n FROM t i WHERE i.n = o.n order by i.m DESC, i.k LIMIT 1 OFFSET 1) FROM t o
SELECT n, (SELECT g.s FROM (SELECT n, sum(m) AS s FROM t GROUP BY n) AS g WHERE g.n = o.n) FROM t o
SELECT n, (SELECT count(*) FROM t i WHERE i.n = o.n GROUP BY i.n) FROM t o
SELECT n, (SELECT sum(m) FROM t i WHERE i.n = o.n HAVING count(*) > 1) FROM t o
SELECT n, (SELECT count(*) FROM t i WHERE i.n = o.n HAVING count(*) < 2) FROM t o
SELECT n, (SELECT count(*) FROM t i WHERE i.n = o.n AND o.b) FROM t o
SELECT n, (SELECT sum(i.m) FROM t i JOIN t j ON i.n = j.n WHERE i.k = o.k AND j.b) FROM t o
SELECT n, (SELECT max(n) FROM (VALUES (1), (2)) AS v (n) WHERE v.n = o.n + 1) FROM t o
SELECT n, (SELECT max(m) FROM t i WHERE i.n = o.n AND i.k IN (SELECT k FROM t WHERE b)) FROM t o
SELECT n, (SELECT max(m) FROM t i WHERE i.n = (SELECT min(n) FROM t)) FROM t o
SELECT n, (SELECT n, m FROM t LIMIT 1) FROM t
SELECT n, (SELECT i.m + max(i.m) FROM t i WHERE i.n = o.n) FROM t o
SELECT n, EXISTS (SELECT 1 FROM t i WHERE i.k = o.k AND i.n > 2), EXISTS (SELECT FROM nothing) AS none FROM t o
SELECT n FROM t o WHERE EXISTS (SELECT 1 FROM t i WHERE i.k = o.k AND i.n > 2) OR n = 0
SELECT n, ARRAY(SELECT i.m FROM t i WHERE i.k = o.k order by i.m DESC) FROM t o
SELECT n, ARRAY(SELECT i.k || 'x' AS y FROM t i WHERE i.n = o.n order by y) FROM t o
SELECT n, ARRAY(SELECT k FROM nothing) FROM t
SELECT (SELECT max(n) FROM t), (SELECT count(*) FROM nothing) + 1
SELECT n FROM t ORDER BY (SELECT count(*) FROM t i WHERE i.k = t.k), n, m
SELECT n, rank() OVER (order by (SELECT count(*) FROM t i WHERE i.k = t.k)) FROM t
WITH x AS (SELECT k, sum(n) AS s FROM t GROUP BY k) SELECT n, (SELECT s FROM x WHERE x.k = t.k) FROM t
SELECT n, (WITH x AS (SELECT max(n) AS s FROM t) SELECT s FROM x) FROM t
SELECT n, CASE WHEN n > 1 THEN (SELECT max(m) FROM t i WHERE i.n = o.n) END FROM t o
-- LATERAL subqueries over tables
SELECT o.n, s.* FROM t o CROSS JOIN LATERAL (SELECT count(*) AS c, sum(i.m) AS s FROM t i WHERE i.k = o.k) AS s
SELECT o.n, s.* FROM t o LEFT JOIN LATERAL (SELECT count(*) AS c, sum(i.m) AS s FROM t i WHERE i.k = o.k) AS s ON c > 1
SELECT o.n, s.* FROM t o JOIN LATERAL (SELECT count(*) AS c, sum(i.m) + o.n AS s FROM t i WHERE i.k = o.k HAVING count(*) <> 1) AS s ON true
SELECT o.n, s.* FROM t o LEFT JOIN LATERAL (SELECT count(*) AS c FROM t i WHERE i.k = o.k HAVING count(*) <> 1) AS s ON true
SELECT o.n, s.* FROM t o JOIN LATERAL (SELECT i.b, count(*) AS c FROM t i WHERE i.k = o.k GROUP BY i.b) AS s ON true
SELECT o.n, s.* FROM t o LEFT JOIN LATERAL (SELECT i.b, count(*) AS c, o.n AS x FROM t i WHERE i.k = o.k GROUP BY 1) AS s ON s.c > 1
SELECT o.n, s.* FROM t o JOIN LATERAL (SELECT i.n, i.m FROM t i WHERE i.k = o.k order by m DESC NULLS LAST LIMIT 1) AS s ON true
SELECT o.n, s.* FROM t o LEFT JOIN LATERAL (SELECT i.n AS x, i.m, 7 AS seven FROM t i WHERE o.n = i.n order by 2 DESC, i.k LIMIT 2) AS s ON true
SELECT o.n, s.x FROM t o LEFT JOIN LATERAL (SELECT i.b, sum(i.n) AS x FROM t i WHERE o.k = i.k GROUP BY i.b order by x LIMIT 1 OFFSET 1) AS s ON true
SELECT o.n, s.x FROM t o, LATERAL (SELECT i.n * o.n AS x FROM t i WHERE i.k = o.k AND i.n > o.n) AS s
SELECT o.n, s.x, s.y FROM t o LEFT JOIN LATERAL (SELECT i.n AS x, coalesce(i.n, o.n) AS y FROM t i WHERE i.k <> o.k) AS s ON s.x > o.n
SELECT o.n, s.k FROM t o, LATERAL (SELECT DISTINCT i.k FROM t i WHERE i.n = o.n) AS s
SELECT o.n, s.* FROM t o, LATERAL (SELECT * FROM t i WHERE i.n = o.n AND i.b) AS s
SELECT o.n, s.c, r.c FROM t o, LATERAL (SELECT count(*) AS c FROM t i WHERE i.k = o.k) AS s, LATERAL (SELECT count(*) AS c FROM t i WHERE i.n = s.c) AS r
SELECT o.n, s.x FROM t o, LATERAL (SELECT i.n AS x, j.m FROM t i LEFT JOIN t j ON i.n = j.n WHERE i.k = o.k) AS s WHERE s.m > 0
SELECT s.* FROM nothing o, LATERAL (SELECT count(*) FROM t i WHERE i.k = o.k) AS s
SELECT o.k, count(*), max(s.c) FROM t o, LATERAL (SELECT count(*) AS c FROM t i WHERE i.n = o.n) AS s GROUP BY o.k
SELECT o.n, s.c FROM t o, LATERAL (SELECT count(*) AS c FROM t) AS s
SELECT o.n, s.c FROM t o LEFT JOIN LATERAL (SELECT (SELECT max(j.n) FROM t j WHERE j.k = i.k) AS c FROM t i WHERE i.n = o.n) AS s ON true
SELECT round(sqrt(m + 4), 6), round(ln(m + 4), 6), round(power(1.05, n), 8), round(exp(m / 100), 6), round(log(2, n + 1), 6), round(m ^ 2, 4) FROM t
-- how far integers and numerics are spread
SELECT k, stddev(n), variance(m), stddev_pop(m), var_pop(n), var_samp(DISTINCT n), stddev_samp(m * 1000) FROM t GROUP BY k
SELECT n, round(stddev(m) OVER (ORDER BY n, f ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), 15) AS s, round(var_pop(n) OVER (ORDER BY n, f ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), 14) AS v FROM t
SELECT round(var_pop(c), 14), round(stddev_pop(c), 14), variance(s) FROM (SELECT count(*) AS c, sum(m) AS s FROM t GROUP BY n) AS g
SELECT n, to_char(n * interval '90 minutes 30 seconds', 'HH24:MI:SS'), to_number(m || '-', '99D99S') FROM t WHERE k IS NOT NULL
-- IN (SELECT ...) as a value
SELECT n IN (SELECT n FROM t WHERE b) FROM t
SELECT n NOT IN (SELECT n FROM t WHERE b) FROM t
SELECT n, k, n IN (SELECT i.n FROM t i WHERE i.k = t.k AND i.b) FROM t
SELECT n, k, n NOT IN (SELECT i.n FROM t i WHERE i.k = t.k) FROM t
SELECT CASE WHEN n IN (SELECT n FROM t WHERE b) THEN 'in' WHEN n NOT IN (SELECT n FROM t) THEN 'out' ELSE '?' END FROM t
SELECT n IN (SELECT n FROM nothing), NULL IN (SELECT n FROM nothing), NULL IN (SELECT n FROM t), n NOT IN (SELECT n FROM nothing) FROM t
SELECT 3 IN (SELECT n FROM t), 9 IN (SELECT n FROM t), 9 IN (SELECT n FROM t WHERE n > 1), 'a' IN (SELECT k FROM t)
SELECT n FROM t WHERE b OR n IN (SELECT n FROM t WHERE d IS NULL)
SELECT n FROM t WHERE NOT (b AND n IN (SELECT n FROM t WHERE k = 'a'))
SELECT n IN (SELECT max(n) FROM t GROUP BY k) FROM t
SELECT n IN (SELECT n FROM t UNION SELECT 17), n IN (VALUES (1), (2)), n IN (SELECT 1) FROM t
SELECT n IN (SELECT * FROM (SELECT n FROM t WHERE b) s) FROM t
SELECT n IN (SELECT DISTINCT n FROM t WHERE NOT b) FROM t
SELECT n = ANY (SELECT n FROM t WHERE b), n <> ALL (SELECT n FROM t WHERE b) FROM t
SELECT n FROM t WHERE n = ANY (SELECT n FROM t WHERE b)
SELECT n FROM t WHERE n <> ALL (SELECT n FROM t WHERE b AND n IS NOT NULL)
SELECT k, count(*), count(*) IN (SELECT n FROM t) FROM t GROUP BY k
SELECT k, max(n) FROM t GROUP BY k HAVING max(n) IN (SELECT n FROM t WHERE NOT b)
SELECT k, n FROM t ORDER BY n IN (SELECT n FROM t WHERE b), n, k, f
SELECT n, n + 1 IN (SELECT i.n + 1 FROM t i WHERE i.k = t.k) FROM t
SELECT m IN (SELECT n FROM t) FROM t
SELECT n IN (SELECT m FROM t) FROM t
SELECT (n IN (SELECT n FROM t WHERE b)) IN (SELECT b FROM t WHERE b) FROM t
SELECT (SELECT max(n) FROM t) IN (SELECT n FROM t WHERE b)
SELECT EXISTS (SELECT k FROM t GROUP BY k HAVING count(*) > 1), EXISTS (SELECT 1 LIMIT 0), EXISTS (SELECT n FROM t OFFSET 100), EXISTS (SELECT 1 UNION SELECT 2)
SELECT n, n IN (SELECT i.n FROM t i JOIN t j ON i.n = j.n WHERE i.k = t.k AND j.b) FROM t
SELECT count(*) FROM t WHERE (n IN (SELECT n FROM t WHERE b)) IS NULL
SELECT n, (n IN (SELECT i.n FROM t i WHERE i.d = t.d AND i.n IS NOT NULL)) IS NOT TRUE FROM t
SELECT coalesce(n IN (SELECT n FROM t WHERE k = 'zzz' OR n IS NULL), true) FROM t
SELECT n, n IN (SELECT n FROM t WHERE b ORDER BY n LIMIT 1) AS x FROM t ORDER BY n, x
-- subqueries below groups, and in ON
SELECT max((SELECT count(*) FROM t u WHERE u.k = t.k)) FROM t
SELECT k, sum((SELECT max(i.n) FROM t i WHERE i.k = t.k)), count(*) FROM t GROUP BY k
SELECT count(*) FILTER (WHERE n IN (SELECT n FROM t WHERE b)) AS a, count(*) FILTER (WHERE n NOT IN (SELECT n FROM t WHERE b)), count(*) FROM t
SELECT k, sum(CASE WHEN n IN (SELECT n FROM t WHERE b) THEN m END) FROM t GROUP BY k
SELECT (SELECT max(n) FROM t), count(*) FROM t GROUP BY (SELECT max(n) FROM t)
SELECT (SELECT count(*) FROM t i WHERE i.k = t.k) AS c, count(*), sum(n) FROM t GROUP BY c
SELECT (SELECT count(*) FROM t i WHERE i.k = t.k) AS c, count(*), sum(n) FROM t GROUP BY 1
SELECT count(*), sum(n) FROM t GROUP BY (SELECT count(*) FROM t i WHERE i.k = t.k)
SELECT EXISTS (SELECT 1 FROM t i WHERE i.n = t.n AND i.b) AS e, k, count(*) FROM t GROUP BY 1, k
SELECT n IN (SELECT n FROM t WHERE b) AS i, count(*), max(k) FROM t GROUP BY i HAVING count(*) > 1
SELECT n IN (SELECT n FROM t WHERE b) AS i, count(*), (SELECT min(n) FROM t), (SELECT max(x.n) FROM t x WHERE x.n = count(*)) FROM t GROUP BY i
SELECT string_agg(k || (SELECT max(i.n) FROM t i WHERE i.k = t.k), ',' ORDER BY k, n, f) FROM t
SELECT array_agg(n ORDER BY (SELECT count(*) FROM t i WHERE i.k = t.k), n, f) FROM t
SELECT k, b, sum((SELECT count(*) FROM t i WHERE i.n = t.n)), GROUPING(k) FROM t GROUP BY ROLLUP (k, b)
SELECT k, count(*), bool_or(EXISTS (SELECT 1 FROM t i WHERE i.n > 3 AND i.k = t.k)) FROM t GROUP BY k HAVING bool_and(n IN (SELECT n FROM t)) IS NOT FALSE
SELECT x.k, sum(x.c) FROM (SELECT k, count(*) AS c FROM t GROUP BY k, n) AS x WHERE x.k IN (SELECT k FROM t WHERE b) GROUP BY x.k
SELECT a.k, count(*) FILTER (WHERE a.n = (SELECT max(n) FROM t i WHERE i.k = b.k)) FROM t a JOIN t b ON a.k = b.k GROUP BY a.k
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT count(*) FROM t i WHERE i.k = t.k)) FROM t
SELECT corr((SELECT count(*) FROM t i WHERE i.k = t.k), n) FROM t
SELECT k, upper((SELECT max(i.k) FROM t i WHERE i.n = t.n)) AS u, count(*) FROM t GROUP BY k, u
SELECT sum(DISTINCT (SELECT count(*) FROM t i WHERE i.k = t.k)) FROM t
SELECT t.n, u.k FROM t JOIN t u ON t.n = u.n AND t.n = (SELECT max(n) FROM t)
SELECT t.n, u.k FROM t JOIN t u ON t.n = u.n AND u.n IN (SELECT n FROM t WHERE NOT b)
SELECT t.n, u.k FROM t JOIN t u ON t.n = u.n AND EXISTS (SELECT 1 FROM t x WHERE x.k = u.k AND x.b) WHERE t.b
SELECT t.n, u.k, w.n FROM t JOIN t u ON t.n = u.n AND u.n NOT IN (SELECT n FROM t WHERE NOT b AND n IS NOT NULL) LEFT JOIN t w ON w.k = u.k AND w.b
SELECT t.n, u.k FROM t JOIN t u ON (SELECT count(*) FROM t x WHERE x.k = t.k) > u.n
SELECT t.n, u.k FROM t JOIN t u USING (n) JOIN t w ON w.n = u.n AND w.f = (SELECT min(f) FROM t i WHERE i.n = w.n)
SELECT (SELECT count(*) FROM t x JOIN t y ON x.n = y.n AND y.n IN (SELECT n FROM t WHERE b) WHERE x.k = t.k) FROM t
-- named windows; casts as calls; operators
SELECT n, sum(n) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY n, f) ORDER BY n, s
SELECT n, row_number() OVER w AS r, sum(m) OVER w AS s, lag(n) OVER w AS l FROM t WINDOW w AS (ORDER BY n, f, k) ORDER BY r
SELECT n, sum(n) OVER (w ORDER BY n, f) AS s FROM t WINDOW w AS (PARTITION BY k) ORDER BY n, s
SELECT n, sum(n) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM t WINDOW w AS (ORDER BY n, f) ORDER BY n, s
SELECT n, sum(n) OVER b AS s FROM t WINDOW a AS (PARTITION BY k), b AS (a ORDER BY n, f ROWS UNBOUNDED PRECEDING) ORDER BY n, s
SELECT sum(n) OVER (w PARTITION BY k) FROM t WINDOW w AS (ORDER BY n)
SELECT sum(n) OVER (w ORDER BY k) FROM t WINDOW w AS (ORDER BY n)
SELECT sum(n) OVER b FROM t WINDOW b AS (a), a AS (ORDER BY n)
SELECT sum(n) OVER (w) FROM t WINDOW w AS (ORDER BY n ROWS UNBOUNDED PRECEDING)
SELECT (SELECT max(r) FROM (SELECT sum(n) OVER w AS r FROM t WINDOW w AS (ORDER BY f)) AS s) AS m, sum(n) OVER w AS s FROM t WINDOW w AS (PARTITION BY b) ORDER BY m, s
SELECT (SELECT max(r) FROM (SELECT sum(n) OVER w AS r FROM t) AS s) FROM t WINDOW w AS (PARTITION BY b)
SELECT date(ts), float8(n), int4(m), text(n), int8(n), date('2024-01-31'), bool(n), jsonb('[1]'), numeric(n) FROM t
SELECT k, count(*) FROM t GROUP BY k, date(ts)
SELECT date(n) FROM t
SELECT @ n, @ m, @ -f, |/ 4.0::float8, ||/ 27.0::float8 FROM t
-- rows, compared
SELECT n FROM t WHERE (n, k) IN (SELECT n, k FROM t WHERE b)
SELECT n, k FROM t WHERE (n, k) IN ((1, 'a'), (2, 'b'), (NULL, 'c'))
SELECT n, k FROM t WHERE (n, k) NOT IN ((1, 'a'), (2, 'b'))
SELECT n, k, (n, k) = (2, 'b'), (n, k) <> (2, 'b'), (n, k) < (2, 'b'), (n, k) <= (2, 'b'), (n, k) > (2, 'b'), (n, k) >= (2, 'b') FROM t
SELECT (n, k, b) < (2, 'b', true), (n, k) IS DISTINCT FROM (2, 'b'), (n, k) IS NOT DISTINCT FROM (NULL, 'c') FROM t
SELECT ROW(n) = ROW(2), ROW(n, 1) = ROW(2, m) FROM t
SELECT (n, k) = (1, 'a', 2) FROM t
SELECT ROW() = ROW()
SELECT (n, k) LIKE (1, 'a') FROM t
SELECT a.n, b.k FROM t a JOIN t b ON (a.n, a.k) = (b.n, b.k)
SELECT n, k FROM t WHERE (k, n) IN (SELECT k, max(n) FROM t GROUP BY k)
SELECT n, k FROM t WHERE (k, n) IN (SELECT i.k, i.n FROM t i WHERE i.b = t.b) AND n > 1
SELECT n FROM t WHERE (n, k) IN (SELECT n FROM t)
SELECT n FROM t WHERE (n, k) IN (SELECT k, max(n), 1 FROM t GROUP BY k)
SELECT n FROM t WHERE n IN (SELECT n, k FROM t)
SELECT n, k FROM t WHERE (n, k) IN (VALUES (1, 'a'), (4, NULL))
SELECT count(*) FILTER (WHERE (n, k) = (2, 'b')), count(*) FROM t
SELECT n FROM t WHERE EXISTS (SELECT 1, count(*) FROM t i WHERE false)
SELECT k, n FROM t WHERE (k, n) = ANY (SELECT k, n FROM t WHERE NOT b)
SELECT 1 IN (1, 2), (1, 2) IN ((1, 2)), (1, NULL) IN ((1, 2), (2, 2)), (2, NULL) NOT IN ((1, 2)), (1, 2) < (1, NULL), (1, 2) < (NULL, 1), (1, 2) < (2, NULL)
-- more window functions; FILTER with OVER; aggregates whose result depends on the order of rows
SELECT n, f, ntile(3) OVER w AS b, ntile(20) OVER w, percent_rank() OVER w, cume_dist() OVER w FROM t WINDOW w AS (ORDER BY n, f) ORDER BY n, f
SELECT n, percent_rank() OVER w AS p, cume_dist() OVER w AS c FROM t WINDOW w AS (PARTITION BY b ORDER BY n) ORDER BY n, p, c
SELECT n, f, nth_value(k, 2) OVER w, nth_value(n, 3) OVER w, nth_value(n, 9) OVER w FROM t WINDOW w AS (ORDER BY n) ORDER BY n, f
SELECT n, f, nth_value(f, 1) OVER (w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), nth_value(f, 3) OVER (w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), nth_value(f, 2) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), nth_value(f, 2) OVER (w ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM t WINDOW w AS (ORDER BY n, f) ORDER BY n, f
SELECT ntile(0) OVER (ORDER BY n) FROM t
SELECT nth_value(n, 0) OVER (ORDER BY n) FROM t
SELECT n, f, sum(n) FILTER (WHERE b) OVER w, count(*) FILTER (WHERE b) OVER w, bool_and(b) FILTER (WHERE n > 1) OVER w, max(k) FILTER (WHERE m > 0) OVER w FROM t WINDOW w AS (ORDER BY n, f) ORDER BY n, f
SELECT n, f, array_agg(k) OVER w, string_agg(k, ',') FILTER (WHERE b) OVER w, array_agg(n) FILTER (WHERE n > 1) OVER (w ROWS 2 PRECEDING), (corr(n, f) FILTER (WHERE n > 1) OVER w)::numeric(20,9) FROM t WINDOW w AS (ORDER BY n DESC, f) ORDER BY n, f
SELECT count(*) FILTER (WHERE 10 / n > 4) OVER (ORDER BY f) FROM t WHERE n <> 0
SELECT sum(10 / n) FILTER (WHERE n <> 0) OVER (ORDER BY f) AS s FROM t ORDER BY s
SELECT k, sum(sum(n)) FILTER (WHERE count(*) > 1) OVER (ORDER BY k) FROM t GROUP BY k ORDER BY k
SELECT rank() FILTER (WHERE b) OVER (ORDER BY n) FROM t
SELECT count() OVER (ORDER BY n) FROM t
-- ANY and ALL of what a subquery gives; rows NOT IN
SELECT n, n < ANY (SELECT n FROM t WHERE b), n <= ALL (SELECT n FROM t WHERE n IS NOT NULL), n > ALL (SELECT n FROM nothing), n >= ANY (SELECT n FROM nothing), n = ALL (SELECT n FROM t), n <> ANY (SELECT n FROM t WHERE n = 2), n = ALL (SELECT n FROM t WHERE n = 2) FROM t
SELECT k, k > ANY (SELECT k FROM t), k > ALL (SELECT k FROM t), k <= ANY (SELECT k FROM t WHERE k > 'a'), k <> ALL (SELECT k FROM t WHERE b), k = ALL (SELECT k FROM t WHERE n = 9) FROM t
SELECT n, k FROM t WHERE m > ANY (SELECT i.m FROM t i WHERE i.k = t.k) OR n >= ALL (SELECT i.n FROM t i WHERE i.b = t.b)
SELECT k, n FROM t WHERE NOT n < SOME (SELECT max(n) FROM t GROUP BY k) AND m <> ANY (SELECT DISTINCT m FROM t LIMIT 100)
SELECT k, count(*) FILTER (WHERE n > ALL (SELECT n FROM t WHERE NOT b AND n IS NOT NULL)), max(n) > ANY (SELECT n FROM t) FROM t GROUP BY k
SELECT f, f >= ALL (SELECT f FROM t WHERE f IS NOT NULL), f < ANY (VALUES (0.5), (NULL)), n <> ANY (VALUES (2), (2)), n > ALL (SELECT 2 UNION ALL SELECT NULL) FROM t
SELECT n FROM t WHERE n > ANY (SELECT n, k FROM t)
SELECT n FROM t WHERE b > ANY (SELECT k FROM t)
SELECT n, k FROM t WHERE (n, k) NOT IN (SELECT n, k FROM t WHERE b)
SELECT n, k FROM t WHERE (n, k) NOT IN (SELECT n, k FROM t WHERE NOT b AND n IS NOT NULL)
SELECT n, k FROM t WHERE (n, k) NOT IN (SELECT n, k FROM nothing) AND n > 1
SELECT n, k FROM t WHERE (k, n) NOT IN (SELECT i.k, i.n FROM t i WHERE i.b <> t.b)
SELECT n, k FROM t WHERE (k, n) NOT IN (SELECT k, max(n) FROM t GROUP BY k)
SELECT n, k FROM t WHERE (n, k) NOT IN ((1, 'a'), (2, NULL)) AND NOT (n, k) IN ((NULL, 'c'))
SELECT n FROM t WHERE (n, k) <> ALL (SELECT n, k FROM t WHERE b)
SELECT n FROM t WHERE (n, k) NOT IN (SELECT n FROM t)
-- constants that are written as a group is
SELECT 'x'::text, 'x'::text, 'x', count(*) FROM t GROUP BY ROLLUP(1)
SELECT 1 AS a, 1, 1 + count(*), 1 + 1 AS c, 1 + 1, 2 FROM t GROUP BY ROLLUP(a, c)
SELECT 'x'::text AS a, 'x'::text AS c, GROUPING('x'::text), count(*) FROM t GROUP BY ROLLUP('x'::text)
SELECT 1 AS a, 1 AS c, count(*) FROM t GROUP BY ROLLUP(a, c)
SELECT n AS a, n AS c, n, count(*) FROM t GROUP BY ROLLUP(a, c)
SELECT n + 1 AS a, n + 1 AS c, count(*) FROM t GROUP BY GROUPING SETS ((a), (c))
SELECT 'x' AS a, coalesce(k, 'x'), CASE WHEN count(*) > 3 THEN 'x' ELSE 'y' END FROM t GROUP BY ROLLUP(a, k)
SELECT interval '1 day' AS a, ts + interval '1 day', ARRAY[1, 2] AS c, ARRAY[1, 2] FROM t GROUP BY ROLLUP(a, c), ts
SELECT 1 AS a, (SELECT max(n) FROM t x WHERE x.k = t.k) AS s, 1, count(*) FROM t GROUP BY ROLLUP(1, 2)
SELECT 1 AS a, lag(1) OVER (ORDER BY count(*)), sum(1) OVER (ORDER BY count(*)) FROM t GROUP BY ROLLUP(a)
SELECT 'x' AS a, count(*) FROM t GROUP BY ROLLUP(a) HAVING 'x' IS NULL
SELECT 'x'::text AS a, 'x'::text AS c, count(*) FROM t GROUP BY ROLLUP(a) ORDER BY 'x'::text
-- EXISTS of groups, of aggregates, of different rows
SELECT n FROM t WHERE EXISTS (SELECT i.n, count(*) FROM t i WHERE i.k < t.k GROUP BY i.n)
SELECT n FROM t WHERE NOT EXISTS (SELECT DISTINCT i.n FROM t i WHERE i.k = t.k AND i.n > t.n)
SELECT n FROM t WHERE NOT EXISTS (SELECT DISTINCT ON (i.k) i.n FROM t i WHERE i.k = t.k AND i.n > t.n)
SELECT n FROM t WHERE n IN (SELECT DISTINCT i.n FROM t i WHERE i.k = t.k)
SELECT n FROM t WHERE EXISTS (SELECT count(*) FROM t i WHERE i.k = t.k)
SELECT n FROM t WHERE EXISTS (SELECT sum(i.n) FROM t i WHERE i.k = t.k HAVING count(*) > t.n)
SELECT n FROM t WHERE NOT EXISTS (SELECT 1 FROM t i WHERE i.k = t.k HAVING count(*) > 1)
SELECT n, EXISTS (SELECT 1 FROM t i WHERE i.k = t.k GROUP BY i.n), EXISTS (SELECT 1 FROM t i WHERE i.k = t.k HAVING max(i.n) > 2) FROM t
SELECT n FROM t WHERE n NOT IN (SELECT i.n FROM t i WHERE i.k = t.k AND i.n > 1)
SELECT n FROM t WHERE EXISTS (SELECT 1 FROM t i GROUP BY ROLLUP (i.k)) AND n > 1
-- GROUP BY DISTINCT
SELECT k, b, count(*) FROM t GROUP BY DISTINCT ROLLUP (k, b), ROLLUP (k)
SELECT k, b, count(*), GROUPING(k, b) FROM t GROUP BY DISTINCT CUBE (k, b), k
SELECT k AS x, k AS y, count(*) FROM t GROUP BY DISTINCT GROUPING SETS ((k), (k, k), (), ())
SELECT k, count(*) FROM t GROUP BY DISTINCT k, k
SELECT sum(n) FROM t GROUP BY DISTINCT ROLLUP (()), ()
SELECT k, b, count(*) FROM t GROUP BY ALL ROLLUP (k), ROLLUP (k, b)
-- subqueries in ON of outer joins
SELECT t.n, u.k FROM t LEFT JOIN t u ON t.n = u.n AND u.n = (SELECT max(n) FROM t WHERE n < 4)
SELECT t.n, u.k FROM t LEFT JOIN t u ON t.n = u.n AND t.n IN (SELECT n FROM t WHERE NOT b)
SELECT t.n, u.k FROM t LEFT JOIN t u ON t.n = u.n AND EXISTS (SELECT 1 FROM t x WHERE x.k = u.k AND x.b)
SELECT t.n, u.k FROM t LEFT JOIN t u ON t.n = u.n AND u.n NOT IN (SELECT n FROM t WHERE NOT b AND n IS NOT NULL)
SELECT t.n, u.k FROM t RIGHT JOIN t u ON t.n = u.n AND t.f > (SELECT avg(x.f) FROM t x WHERE x.k = t.k)
SELECT t.n, u.k FROM t FULL JOIN t u ON t.n = u.n AND (u.k IS NULL OR t.n >= ALL (SELECT n FROM t WHERE b)) AND t.b
SELECT t.n, u.k FROM t LEFT JOIN t u ON t.n = u.n AND t.f > (SELECT min(x.f) FROM t x WHERE x.k = u.k)
SELECT t.n, u.n, w.n FROM t LEFT JOIN (t u JOIN t w ON w.k = u.k AND w.n = (SELECT max(x.n) FROM t x WHERE x.k = w.k)) ON u.n = t.n
SELECT * FROM (SELECT n FROM t) t LEFT JOIN (SELECT n FROM t) u ON t.n = u.n AND u.n < (SELECT count(*) FROM t)
SELECT t.n FROM t LEFT JOIN t u ON n IN (SELECT n FROM t)
SELECT t.k, count(u.n) FROM t LEFT JOIN t u ON t.k = u.k AND (SELECT count(*) FROM t x WHERE x.k = t.k) > 1 AND (SELECT count(*) FROM t x WHERE x.n = u.n) > 1 GROUP BY t.k
-- RANGE and GROUPS of whole partitions, and to the last peer
SELECT n, f, sum(n) OVER (ORDER BY n RANGE UNBOUNDED PRECEDING) AS a, sum(n) OVER (ORDER BY n GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS b, last_value(n) OVER (ORDER BY n RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS c FROM t ORDER BY n, f
SELECT k, n, f, last_value(f) OVER (w RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS l, count(*) OVER (PARTITION BY k ORDER BY n, f GROUPS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM t WINDOW w AS (PARTITION BY k ORDER BY n, f) ORDER BY k, n, f
SELECT sum(n) OVER (w) FROM t WINDOW w AS (ORDER BY n RANGE UNBOUNDED PRECEDING)
-- NOT IN that reads the row around
SELECT n, k FROM t WHERE n NOT IN (SELECT i.n FROM t i WHERE i.k = t.k AND i.b)
SELECT n, k FROM t WHERE n <> ALL (SELECT i.n FROM t i WHERE i.k <> 'a' AND i.b = t.b) AND n > 0
SELECT n FROM t WHERE n NOT IN (SELECT i.n FROM t i WHERE i.k = t.q)
SELECT t.n, u.k FROM t JOIN t u ON t.n = u.n AND u.n NOT IN (SELECT i.n FROM t i WHERE i.k = t.k AND i.b)
