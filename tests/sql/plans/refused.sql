-- case: syntax errors of PostgreSQL, several statements, several errors; columns count characters
SELEC 1;
INSERT INTO log SELECT 'é', FROM payments;
INSERT INTO log SELECT 'é', amonut FROM payments;
-- case: an unterminated string
INSERT INTO log SELECT 'abc
-- case: JOIN
INSERT INTO log SELECT event_id, v, NULL FROM payments p JOIN untimed u ON u.id = p.user_id;
-- case: several tables in FROM
INSERT INTO log SELECT event_id, v, NULL FROM payments, untimed;
-- case: window functions
INSERT INTO log SELECT event_id, row_number() OVER (PARTITION BY user_id), NULL FROM payments;
INSERT INTO log SELECT id, ntile(0) OVER (ORDER BY v), NULL FROM untimed;
INSERT INTO log SELECT id, nth_value(v, v) OVER (ORDER BY v), NULL FROM untimed;
INSERT INTO log SELECT id, rank() FILTER (WHERE v > 1) OVER (ORDER BY v), NULL FROM untimed;
INSERT INTO log SELECT id, sum(v) FILTER (WHERE count(*) > 1) OVER (ORDER BY v), NULL FROM untimed GROUP BY id, v;
INSERT INTO log SELECT id, count() OVER (ORDER BY v), NULL FROM untimed;
-- case: windows in FROM
INSERT INTO log SELECT event_id, 1, NULL FROM tumble(payments, event_time, '1 minute');
-- case: functions in FROM
INSERT INTO log SELECT x, 1, NULL FROM upper('a') AS x;
INSERT INTO log SELECT id, x, NULL FROM untimed, jsonb_to_recordset('[]') AS u (x);
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(ARRAY[v]) AS u (x integer);
INSERT INTO log SELECT id, 1, NULL FROM untimed, jsonb_to_record('{}') AS u (x jsonb[]);
INSERT INTO log SELECT id, 1, NULL FROM untimed, jsonb_to_record('{}') WITH ORDINALITY AS u (x integer);
INSERT INTO log SELECT id, 1, NULL FROM untimed, ROWS FROM (jsonb_to_record('{}') AS (x integer), unnest(ARRAY[v])) AS u;
INSERT INTO log SELECT id, x, NULL FROM untimed RIGHT JOIN LATERAL unnest(ARRAY[v]) AS u (x) ON true;
INSERT INTO log SELECT id, x, NULL FROM unnest(ARRAY[v]) AS u (x), untimed;
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(v) AS u (x);
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(ARRAY[v]) AS u (x, y);
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(ARRAY[v]) AS id (x), unnest(ARRAY[v]) AS id (y);
INSERT INTO log SELECT id, x, NULL FROM untimed, generate_series(now(), now(), '1 day') AS x;
INSERT INTO log SELECT id, x, NULL FROM untimed, jsonb_each(v) AS u (x);
INSERT INTO log SELECT id, x, NULL FROM untimed, count(v) AS x;
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(ARRAY[o]) AS x;
INSERT INTO log SELECT id, x, NULL FROM untimed, tumble(payments, event_time, interval '1 day') WITH ORDINALITY AS u (x);
INSERT INTO log SELECT id, v, NULL FROM untimed u WHERE EXISTS (SELECT 1 FROM unnest(ARRAY[u.v]) AS x WHERE x = 1);
-- case: LATERAL before a subquery
INSERT INTO log SELECT id, x, NULL FROM untimed RIGHT JOIN LATERAL (SELECT untimed.v AS x) AS s ON true;
INSERT INTO log SELECT id, x, NULL FROM untimed, LATERAL (SELECT sum(e) AS x FROM unnest(ARRAY[v]) AS e) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed, LATERAL (SELECT e AS x FROM unnest(ARRAY[v]) AS e ORDER BY e LIMIT 1) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT v AS x FROM finite f WHERE f.name = u.id LIMIT 1) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT sum(v) AS x FROM finite f WHERE f.v > u.v) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT DISTINCT f.v + u.v AS x FROM finite f WHERE f.name = u.id) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT DISTINCT ON (f.v) f.v AS x FROM finite f WHERE f.name = u.id) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT f.v AS x FROM finite f, unnest(ARRAY[u.v]) AS e) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed LEFT JOIN LATERAL (SELECT e AS x FROM unnest(ARRAY[v]) AS e, unnest(ARRAY[e]) AS f) AS s ON true;
INSERT INTO log SELECT id, x, NULL FROM untimed, LATERAL (SELECT y AS x FROM unnest(ARRAY[v]) AS e) AS s;
INSERT INTO log SELECT id, x, NULL FROM untimed LEFT JOIN LATERAL unnest(ARRAY[v]) AS x ON now() > '2026-01-01';
-- case: functions that return rows, elsewhere
INSERT INTO log SELECT id, CASE WHEN v > 1 THEN unnest(ARRAY[v]) END, NULL FROM untimed;
INSERT INTO log SELECT id, coalesce(unnest(ARRAY[v]), 1), NULL FROM untimed;
INSERT INTO log SELECT id, generate_series(1, unnest(ARRAY[v])), NULL FROM untimed;
INSERT INTO log SELECT id, count(unnest(ARRAY[v])), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT unnest(ARRAY[id]) AS x, unnest(array_agg(v)), NULL FROM untimed GROUP BY x;
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE unnest(ARRAY[v]) = 1;
INSERT INTO log SELECT id, jsonb_each('{}'), NULL FROM untimed;
INSERT INTO log SELECT id, unnest(ARRAY[v], ARRAY[v]), NULL FROM untimed;
INSERT INTO log SELECT id, jsonb_array_element(v), NULL FROM untimed;
-- case: rows of a function have a key only by what tells them apart
INSERT INTO out SELECT id, x FROM finite, unnest(ARRAY[name]) AS x;
INSERT INTO out SELECT v, x FROM (SELECT v, array_agg(name) AS a FROM finite GROUP BY v) AS g, unnest(a) AS x;
-- case: now() in what a function returns
INSERT INTO log SELECT id, 1, x FROM untimed, unnest(ARRAY[now()]) AS x;
-- case: words that PostgreSQL takes for an alias
INSERT INTO log SELECT id, v, NULL FROM untimed ASOF;
-- case: materialized views
CREATE MATERIALIZED VIEW v AS SELECT * FROM payments;
-- case: recursive queries
INSERT INTO log WITH RECURSIVE r AS (SELECT id FROM untimed) SELECT id, 1, NULL FROM r;
-- case: UPDATE, DELETE, COPY, MERGE, DROP, transactions
UPDATE log SET v = 1; DELETE FROM log; COPY log FROM 'x.csv'; DROP TABLE log; BEGIN;
CREATE TABLE ref (a integer);
CREATE INDEX ON log (id);
EXPLAIN SELECT 1;
-- case: subqueries as values
INSERT INTO log SELECT id, (SELECT v FROM untimed), NULL FROM untimed;
INSERT INTO log SELECT id, (SELECT f.v FROM finite f WHERE f.v = u.v), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT sum(f.v * u.v) FROM finite f WHERE f.name = u.id), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT sum(f.v) FROM finite f WHERE f.name = u.id AND f.v < u.v), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT f.v FROM finite f WHERE f.name = u.id ORDER BY f.v - u.v LIMIT 1), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT f.v FROM finite f WHERE f.name = u.id LIMIT 1), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT v FROM finite f WHERE f.name = u.id AND f.v > u.v ORDER BY v LIMIT 1), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(f.v) FROM finite f JOIN finite g ON g.v = u.v WHERE f.name = u.id), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(g.v) FROM (SELECT v FROM finite f WHERE f.name = u.id) AS g), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(e) FROM finite, unnest(ARRAY[u.v]) AS e), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(e) FROM unnest(ARRAY[u.v]) AS e), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(v) FROM finite f WHERE f.name = u.id GROUP BY f.id), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(v), 1 FROM finite), NULL FROM untimed;
INSERT INTO log SELECT id, (SELECT f.v + max(v) FROM finite f), NULL FROM untimed;
INSERT INTO log SELECT channel, sum((SELECT max(v) FROM finite)), NULL FROM session(payments, event_time, interval '5 minutes', channel) GROUP BY channel, window_start, window_end;
INSERT INTO log SELECT u.id, (SELECT max(f.v) FROM finite f WHERE f.id = u.v), NULL FROM untimed u GROUP BY u.id, (SELECT max(f.v) FROM finite f WHERE f.id = u.v);
INSERT INTO log SELECT u.id, f.v, NULL FROM untimed u LEFT JOIN finite f ON f.v = (SELECT max(g.v) FROM finite g WHERE g.name = u.id AND g.id = f.id);
INSERT INTO log SELECT u.id, e, NULL FROM untimed u LEFT JOIN LATERAL unnest(ARRAY[v]) AS x (e) ON e = (SELECT max(v) FROM finite);
-- case: subqueries elsewhere, and of other kinds
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE id ~ ALL (SELECT name FROM finite);
INSERT INTO log SELECT id, (row_number() OVER (ORDER BY v) IN (SELECT v FROM finite))::int, NULL FROM untimed;
INSERT INTO log SELECT id, (v IN (SELECT v, name FROM finite))::int, NULL FROM untimed;
INSERT INTO log SELECT id, (v IN (SELECT f.v + u.v FROM finite f))::int, NULL FROM untimed u;
INSERT INTO log SELECT id, (v IN (SELECT max(f.v) FROM finite f WHERE f.name = u.id))::int, NULL FROM untimed u;
INSERT INTO log SELECT id, cardinality(ARRAY(SELECT v FROM finite LIMIT 2)), NULL FROM untimed;
INSERT INTO log SELECT id, (SELECT max(v) FROM finite f WHERE f.name = u.id UNION SELECT 1), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT sum(f.v) OVER (ORDER BY f.v) FROM finite f WHERE f.name = u.id), NULL FROM untimed u;
INSERT INTO log SELECT id, (SELECT max(f.v) FROM finite f WHERE f.name = u.id), NULL FROM untimed u;
-- case: arrays, rows, subscripts, parameters, ANY
INSERT INTO log SELECT id, ARRAY[1], NULL FROM untimed;
INSERT INTO log SELECT id, cardinality(ARRAY[ARRAY[1]]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality('{{1}}'::int[]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality('[0:0]={1}'::int[]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality('{1}'::int[][]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality(ARRAY[]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality(ARRAY[1, 'x'::text]), NULL FROM untimed;
INSERT INTO log SELECT id, cardinality('{1'::int[]), NULL FROM untimed;
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE ARRAY[v] = ARRAY[v::integer];
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE v = ANY (v);
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE id LIKE ANY (string_to_array(id, ','));
INSERT INTO log SELECT id, cardinality(array_agg(ARRAY[v])), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, (ARRAY[v]).x, NULL FROM untimed;
INSERT INTO log SELECT id, ROW(1, 2), NULL FROM untimed;
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE (id, v) > ALL (SELECT name, v FROM finite);
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE v = 1 OR (id, v) IN (SELECT name, v FROM finite);
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE (id, v) IN (('a', 1), v);
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE (id, v) BETWEEN ('a', 1) AND ('b', 2);
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE (id, v) = (SELECT name, v FROM finite);
INSERT INTO log SELECT id[1], 1, NULL FROM untimed;
INSERT INTO log SELECT $1, 1, NULL FROM untimed;
INSERT INTO log SELECT id, v, NULL FROM untimed WHERE v = ANY ('{1}');
-- case: jsonpath
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.a.' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '@.a' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$[last' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.last + last' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.a.datetime()' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.a ? (@ like_regex "a" flag "x")' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.a like_regex "(a" ' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$.a like_regex "a" flag "x"' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$ ? (@.a)' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '1 == 1 == 1' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '$."a' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? '12a' FROM untimed;
INSERT INTO log SELECT id, 1, '{}'::jsonb @? id FROM untimed;
-- case: a bare SELECT
SELECT * FROM payments;
-- case: INTERSECT, EXCEPT, GROUPING SETS
INSERT INTO out SELECT id, name FROM finite INTERSECT SELECT 1, 'a';
INSERT INTO out SELECT id, name FROM finite EXCEPT SELECT 1, 'a';
INSERT INTO out SELECT id, name FROM finite GROUP BY ROLLUP (id, name);
-- case: a subquery without alias
INSERT INTO out SELECT * FROM (SELECT id, name FROM finite);
-- case: windows nobody named
INSERT INTO log SELECT event_id, count(*) OVER v, NULL FROM payments WINDOW w AS (PARTITION BY channel);
INSERT INTO log SELECT event_id, count(*) OVER (w PARTITION BY user_id), NULL FROM payments WINDOW w AS (PARTITION BY channel);
-- case: unknown column, table, function, type, relation, server: did you mean
INSERT INTO log SELECT amonut, 1, NULL FROM payments;
INSERT INTO log SELECT p.amonut, 1, NULL FROM payments p;
INSERT INTO log SELECT payments.amount, 1, NULL FROM payments p;
INSERT INTO log SELECT event_id, 1, NULL FROM payment;
INSERT INTO logs SELECT event_id, 1, NULL FROM payments;
INSERT INTO log (idd) SELECT event_id FROM payments;
INSERT INTO log SELECT nosuchfunction(event_id), 1, NULL FROM payments;
INSERT INTO log SELECT trim_scale(amount)::text, to_number(event_id, user_id), NULL FROM payments;
INSERT INTO log SELECT event_id, to_number(event_id, user_id), NULL FROM payments;
INSERT INTO log SELECT event_id::txet, 1, NULL FROM payments;
INSERT INTO dead SELECT source, rules, raw FROM bourn.rejectd;
INSERT INTO out SELECT 1, 'a' FROM bourn.ledger;
CREATE FOREIGN TABLE t1 (a integer) SERVER event;
CREATE SERVER x FOREIGN DATA WRAPPER consol;
-- case: an ambiguous column
INSERT INTO out SELECT id, 'a' FROM (SELECT id, v AS id FROM finite) x;
-- case: types that do not fit
INSERT INTO out SELECT name, id FROM finite;
INSERT INTO out SELECT id, name FROM finite WHERE v;
INSERT INTO out SELECT id, name FROM finite WHERE name > 1;
INSERT INTO out SELECT id, name FROM finite UNION ALL SELECT name, name FROM finite;
INSERT INTO out SELECT id, name FROM finite UNION ALL SELECT id FROM finite;
INSERT INTO out VALUES (1, 'a'), ('x', 'b');
INSERT INTO out VALUES (1, 'a'), (2);
INSERT INTO out SELECT 1, 2, 3;
INSERT INTO out (id, name) SELECT 1;
INSERT INTO out (id, id) SELECT 1, 2;
INSERT INTO one_row (total) SELECT sum(amount) FROM payments;
-- case: aggregates where none may stand
INSERT INTO log SELECT event_id, 1, NULL FROM payments WHERE count(*) > 1;
INSERT INTO totals SELECT user_id, sum(sum(amount)), 1, NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, amount, count(*), NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, count(), 1, NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, 1, count(DISTINCT note, user_id), NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, 1, lower(DISTINCT note), NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, 1, sum(*), NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, 1, sum(note), NULL FROM payments GROUP BY user_id;
INSERT INTO totals SELECT user_id, 1, 1, NULL FROM payments GROUP BY 7;
INSERT INTO totals SELECT count(*), 1, 1, NULL FROM payments GROUP BY 1;
-- case: now() elsewhere than in the last projection before an upsert sink
INSERT INTO log SELECT event_id, 1, now() FROM payments;
INSERT INTO log SELECT event_id, 1, NULL FROM payments WHERE event_time > now();
INSERT INTO totals SELECT user_id, 1, count(*), max(now()) FROM payments GROUP BY user_id;
INSERT INTO totals SELECT DISTINCT ON (user_id) user_id, 1, 1, now() FROM payments;
CREATE FOREIGN TABLE future (t timestamptz, CHECK (t < now())) SERVER events;
CREATE FOREIGN TABLE by_time (t timestamptz PRIMARY KEY, n bigint) SERVER lake;
INSERT INTO by_time SELECT now(), count(*) FROM payments;
-- case: casts that read the clock
INSERT INTO log SELECT event_id, 1, 'now'::timestamptz FROM payments;
-- case: updating rows into a sink without primary key
INSERT INTO log SELECT user_id, count(*), NULL FROM payments GROUP BY user_id;
-- case: DISTINCT ON without an event time; with one that was dropped on the way
INSERT INTO log (id, v) SELECT DISTINCT ON (id) * FROM untimed;
INSERT INTO log (id) SELECT DISTINCT ON (note) note FROM (SELECT DISTINCT note FROM payments) x;
-- case: two INSERTs into one upsert sink
INSERT INTO one_row SELECT 1, sum(amount) FROM payments;
INSERT INTO one_row SELECT 2, sum(v) FROM untimed;
-- case: PRIMARY KEY on a sink that only appends
CREATE FOREIGN TABLE shown (id text PRIMARY KEY, n bigint) SERVER console;
INSERT INTO shown SELECT user_id, count(*) FROM payments GROUP BY user_id;
-- case: reading and writing one table; reading a sink's connector; writing a source's
CREATE FOREIGN TABLE twoway (id integer, name text) SERVER folder;
INSERT INTO twoway SELECT id, name FROM finite;
INSERT INTO out SELECT id, name FROM twoway;
INSERT INTO log SELECT id, 1, NULL FROM out;
INSERT INTO untimed SELECT id, v FROM untimed;
-- case: a source with a primary key
CREATE FOREIGN TABLE keyed (id text PRIMARY KEY) SERVER events;
INSERT INTO log (id) SELECT id FROM keyed;
-- case: a sink of bourn.rejected carries no contract
CREATE FOREIGN TABLE dlq (rules text NOT NULL) SERVER lake;
INSERT INTO dlq SELECT rules FROM bourn.rejected;
-- case: ORDER BY and LIMIT on a stream
INSERT INTO log SELECT id, v, NULL FROM untimed ORDER BY id;
INSERT INTO log SELECT id, v, NULL FROM untimed LIMIT 1;
INSERT INTO out SELECT id, name FROM finite LIMIT name;
INSERT INTO out SELECT id, name FROM finite ORDER BY 3;
INSERT INTO out SELECT DISTINCT id, name FROM finite ORDER BY v;
INSERT INTO out SELECT id, name FROM finite UNION ALL SELECT id, name FROM finite ORDER BY v;
-- case: DISTINCT ON with ORDER BY; over rows that change
INSERT INTO log SELECT DISTINCT ON (event_id) event_id, 1, NULL FROM payments ORDER BY event_id, amount DESC;
INSERT INTO log SELECT DISTINCT ON (n) user_id, n, NULL FROM (SELECT user_id, count(*) AS n FROM payments GROUP BY 1) x;
-- case: writing to a view, to the system, ON CONFLICT, RETURNING
CREATE VIEW w AS SELECT 1 AS a;
INSERT INTO w SELECT 1;
INSERT INTO bourn.rejected SELECT 1;
INSERT INTO log SELECT id, v, NULL FROM untimed ON CONFLICT DO NOTHING;
INSERT INTO log SELECT id, v, NULL FROM untimed RETURNING id;
CREATE VIEW w AS SELECT 2 AS b;
CREATE VIEW x AS SELECT 1 AS a, 2 AS a;
-- case: what follows from an error is not reported again
CREATE FOREIGN TABLE broken (a integer, a text) SERVER events;
CREATE VIEW from_broken AS SELECT a FROM broken;
INSERT INTO log SELECT a, 1, NULL FROM from_broken;
INSERT INTO log SELECT a, 1, NULL FROM broken;
-- case: nothing to do
CREATE VIEW idle AS SELECT 1 AS a;
-- case: SQL of other systems
CREATE STREAM s;
INSERT INTO log SELECT id, v, NULL FROM untimed EMIT CHANGES;
-- case: DISTINCT aggregates, FILTER and stars out of place
INSERT INTO log SELECT upper(id) FILTER (WHERE v > 1), 1, NULL FROM untimed;
INSERT INTO log SELECT *;
INSERT INTO log SELECT x.* FROM untimed;
INSERT INTO log SELECT count(untimed.*), 1, NULL FROM untimed;
-- case: aggregates of several arguments, DISTINCT and ORDER BY inside
INSERT INTO log SELECT string_agg(id), 1, NULL FROM untimed;
INSERT INTO log SELECT id, sum(v ORDER BY v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, corr(DISTINCT v, v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, approx_percentile(v, v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, approx_percentile(v, 99), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT string_agg(DISTINCT id, ',' ORDER BY v), 1, NULL FROM untimed;
INSERT INTO log SELECT id, percentile_cont(v) WITHIN GROUP (ORDER BY v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, percentile_disc(ARRAY[0.5, 99]) WITHIN GROUP (ORDER BY v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, percentile_cont(0.5), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, sum(v) WITHIN GROUP (ORDER BY v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, rank(1) WITHIN GROUP (ORDER BY v), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, mode() WITHIN GROUP (ORDER BY ARRAY[v]), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, percentile_cont(0.5) WITHIN GROUP (ORDER BY id), NULL FROM untimed GROUP BY id;
INSERT INTO log SELECT id, mode() WITHIN GROUP (ORDER BY v) OVER (PARTITION BY id), NULL FROM untimed;
-- case: functions: forms that are not supported, each at its place
CREATE FUNCTION f(a integer) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(a integer) RETURNS TABLE (x integer) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(a integer, OUT x integer) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(VARIADIC a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(a integer[][]) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION f(a integer) RETURNS integer SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(a integer) RETURNS integer AS 'SELECT v FROM untimed';
CREATE FUNCTION f(a integer) RETURNS integer AS 'SELECT 1 LIMIT 1';
CREATE FUNCTION f(a integer) RETURNS integer AS 'SELECT 1, 2';
CREATE FUNCTION f(a integer) RETURNS integer AS 'SELECT 1; SELECT 2';
CREATE FUNCTION f(a integer) RETURNS integer AS 'DELETE FROM untimed';
CREATE FUNCTION f(a integer) RETURNS integer AS $$CREATE FUNCTION g() RETURNS integer RETURN 1$$;
CREATE FUNCTION f(a integer) RETURNS integer AS '';
CREATE FUNCTION other.f(a integer) RETURNS integer RETURN 1;
CREATE FUNCTION f(a integer) RETURNS integer AS 'SELECT 1' RETURN 2;
CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE c AS 'f.so', 'f';
CREATE PROCEDURE f(a integer) AS 'SELECT 1';
INSERT INTO log SELECT id, f(v), NULL FROM untimed;
-- case: functions: what a body says
CREATE FUNCTION f(amount integer) RETURNS integer AS $$
    SELECT amount + amonut
$$;
CREATE FUNCTION g(a integer) RETURNS integer AS 'SELECT ''é'' || ';
CREATE FUNCTION h(a integer) RETURNS date RETURN a;
CREATE FUNCTION i(a integer) RETURNS integer RETURN i(a - 1);
CREATE FUNCTION j(a integer) RETURNS integer AS 'SELECT $2';
CREATE FUNCTION k(a integer) RETURNS integer RETURN sum(a);
CREATE FUNCTION l(a integer) RETURNS integer RETURN m(a);
CREATE FUNCTION m(a integer, a integer) RETURNS integer RETURN 1;
CREATE FUNCTION n(a integer DEFAULT 1, b integer) RETURNS integer RETURN 1;
CREATE FUNCTION o(a integer DEFAULT v) RETURNS integer RETURN a;
CREATE FUNCTION lower(a integer) RETURNS integer RETURN a;
CREATE FUNCTION sum(a integer) RETURNS integer RETURN a;
CREATE FUNCTION p(a money) RETURNS integer RETURN 1;
CREATE FUNCTION q(x double precision) RETURNS numeric RETURN x;
CREATE FUNCTION r(x integer) RETURNS integer RETURN x;
CREATE FUNCTION r(x text) RETURNS integer RETURN 1;
-- case: functions: wrong calls
CREATE FUNCTION f(a integer, b text DEFAULT 'x') RETURNS integer RETURN a;
INSERT INTO log SELECT id, f(id), NULL FROM untimed;
INSERT INTO log SELECT id, f(), NULL FROM untimed;
INSERT INTO log SELECT id, f(v, id, 1), NULL FROM untimed;
INSERT INTO log SELECT id, f(DISTINCT v), NULL FROM untimed;
INSERT INTO log SELECT id, f(a => 1), NULL FROM untimed;
INSERT INTO log SELECT id, f(v) OVER (), NULL FROM untimed;
-- case: functions that double what they are given
CREATE FUNCTION f1(x integer) RETURNS integer RETURN x + x;
CREATE FUNCTION f2(x integer) RETURNS integer RETURN f1(f1(f1(f1(x))));
CREATE FUNCTION f3(x integer) RETURNS integer RETURN f2(f2(f2(f2(x))));
INSERT INTO log SELECT id, f3(v), NULL FROM untimed;
-- case: a function that reads the clock
CREATE FUNCTION age_of(t timestamptz) RETURNS interval RETURN now() - t;
CREATE VIEW old AS SELECT * FROM payments WHERE age_of(event_time) > interval '1 day';
INSERT INTO log SELECT event_id, 1, NULL FROM old;
-- case: columns of a view that are computed, renamed: by the names that the query has for them
CREATE VIEW placed (who, place) AS SELECT user_id, CASE WHEN channel = 'web' THEN 'far' ELSE 'near' END FROM payments;
INSERT INTO totals SELECT place, 1, count(*), NULL FROM placed GROUP BY who;
INSERT INTO totals SELECT who, 1, count(*), NULL FROM placed GROUP BY place;
INSERT INTO totals SELECT upper(place), 1, count(*), NULL FROM placed GROUP BY who;
-- case: session() is read by GROUP BY, and by a WHERE between; it reads rows that come once
CREATE VIEW ranked AS SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY event_time) AS n FROM payments;
INSERT INTO log SELECT user_id, 1, window_end FROM session(payments, event_time, interval '1 minute', user_id);
INSERT INTO log SELECT DISTINCT user_id, 1, window_end FROM session(payments, event_time, interval '1 minute', user_id);
INSERT INTO log SELECT s.user_id, count(*), window_end FROM session(payments, event_time, interval '1 minute', user_id) s
    JOIN untimed u ON u.id = s.user_id GROUP BY s.user_id, window_start, window_end;
INSERT INTO log SELECT user_id, count(*), window_end FROM session(payments, event_time, interval '1 minute', user_id), unnest(ARRAY[1, 2]) AS e
    GROUP BY user_id, window_start, window_end;
INSERT INTO log SELECT user_id, count(*), window_end FROM session(payments, event_time, interval '1 minute', user_id) s
    WHERE EXISTS (SELECT 1 FROM untimed u WHERE u.id = s.user_id) GROUP BY user_id, window_start, window_end;
INSERT INTO log SELECT user_id, count(*), window_end FROM session(payments, event_time, interval '1 minute', user_id)
    WHERE window_end > event_time + interval '1 hour' GROUP BY user_id, window_start, window_end;
INSERT INTO log SELECT user_id, count(*), window_end FROM session(ranked, event_time, interval '1 minute', user_id) GROUP BY user_id, window_start, window_end;
-- case: rows that come at the end of all input, beside a stream
INSERT INTO log SELECT event_id, v.n, NULL FROM payments p LEFT JOIN (SELECT n FROM (VALUES (1), (2)) AS c (n) ORDER BY n LIMIT 1) AS v ON v.n = length(p.channel);
INSERT INTO log SELECT event_id, 1, NULL FROM payments UNION ALL (SELECT t, 1, NULL FROM (VALUES ('a')) AS v (t) LIMIT 1);
-- case: windows as other systems write them; arguments that are none
INSERT INTO log SELECT channel, count(*), window_end FROM TUMBLE(TABLE payments, DESCRIPTOR(event_time), '5 minutes') GROUP BY channel, window_end;
INSERT INTO log SELECT channel, count(*), NULL FROM payments GROUP BY channel, window(event_time, '5 minutes');
INSERT INTO log SELECT channel, count(*), window_end FROM tumble(payments, event_time, 5) GROUP BY channel, window_end;
INSERT INTO log SELECT channel, count(*), window_end FROM hop(payments, event_time, interval '1 us', interval '1 day') GROUP BY channel, window_end;
INSERT INTO log SELECT channel, count(*), window_end FROM tumble(payments, event_time, interval '4000000 days') GROUP BY channel, window_end;
INSERT INTO log SELECT channel, count(*), window_end FROM session(payments, event_time, interval '5 minutes') GROUP BY channel, window_end;
-- case: rows that may always change, into a table without a key: what would close them
INSERT INTO log SELECT p.event_id, u.v, NULL FROM payments p LEFT JOIN untimed u ON u.id = p.user_id;
INSERT INTO log SELECT event_id, row_number() OVER (PARTITION BY user_id ORDER BY event_time), NULL FROM payments;
-- case: subqueries that read the row around through groups
INSERT INTO log SELECT id, v, NULL FROM untimed u WHERE EXISTS (SELECT 1 FROM untimed x WHERE x.v = u.v GROUP BY x.id HAVING count(*) > 1);
INSERT INTO log SELECT id, v, NULL FROM untimed u WHERE u.v IN (SELECT max(x.v) FROM untimed x WHERE x.id = u.id);
INSERT INTO log SELECT id, v, NULL FROM untimed u WHERE EXISTS (SELECT 1 FROM untimed x WHERE x.v = v UNION SELECT 1 FROM untimed x WHERE x.v = u.v);
