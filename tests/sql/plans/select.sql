-- case: a filter and a projection into an append-only sink
INSERT INTO log SELECT event_id, 1, event_time FROM payments WHERE amount > 10 AND channel = 'web';
-- case: a view is no step of its own; columns by name; missing ones are NULL
CREATE VIEW big AS SELECT event_id AS id, amount * 2 AS twice, event_time AS t FROM payments WHERE amount > 1000;
INSERT INTO log (at, id) SELECT t, id FROM big;
-- case: star, qualified star, quoted names, comments
CREATE VIEW "Mixed Case" AS SELECT u.*, id || '!' AS "Id!" FROM untimed AS u; /* a comment */
INSERT INTO log (id, v) SELECT "Id!", v FROM "Mixed Case" -- another
-- case: CASE, COALESCE, IN, BETWEEN, LIKE, IS NULL, IS DISTINCT FROM
INSERT INTO log SELECT CASE WHEN note LIKE 'a%' THEN 'a' ELSE coalesce(note, '-') END, 1, NULL FROM payments
WHERE user_id IN ('a', 'b') AND amount BETWEEN 1 AND 2 AND note IS NOT NULL AND user_id IS DISTINCT FROM event_id
  AND (amount > 1) IS NOT FALSE AND nullif(note, '') IS NULL AND channel NOT IN ('web');
-- case: VALUES
INSERT INTO out VALUES (1, 'a'), (2, NULL);
-- case: VALUES in FROM, renamed, ordered
INSERT INTO out SELECT k, n FROM (VALUES (1, 'a'), (2.5, 'b')) AS v (k, n) ORDER BY n DESC LIMIT 1;
-- case: SELECT without FROM
INSERT INTO out SELECT 1 + 1, upper('x');
-- case: UNION ALL takes common types and is flat
INSERT INTO out SELECT id, name FROM finite UNION ALL SELECT v, 'x' FROM finite UNION ALL SELECT 3, NULL;
-- case: UNION removes duplicates
INSERT INTO out SELECT id, name FROM finite UNION SELECT v, name FROM finite;
-- case: WITH, shared by two readers
INSERT INTO log WITH a AS (SELECT DISTINCT ON (event_id) * FROM payments), b (i, t) AS (SELECT event_id, event_time FROM a)
SELECT i, 1, t FROM b UNION ALL SELECT user_id, 2, event_time FROM a;
-- case: ORDER BY an expression, a name, a position
INSERT INTO out SELECT id, name AS n FROM finite ORDER BY v + 1, n DESC NULLS LAST, 1 OFFSET 2;
-- case: two INSERTs into one append-only sink become one
INSERT INTO log SELECT event_id, 1, event_time FROM payments;
INSERT INTO log (id) SELECT id FROM untimed;
-- case: the dead-letter queue
INSERT INTO dead SELECT source, rules, raw FROM bourn.rejected;
-- case: settings, the last one counts
SET bourn.epoch_interval = '1 s';
SET bourn.epoch_interval = '2 s';
INSERT INTO out VALUES (1, 'a');
-- case: a connector named as server; metadata columns; watermark in the table
CREATE FOREIGN TABLE raw (body jsonb, o bigint OPTIONS (metadata 'offset'), p integer OPTIONS (metadata 'partition'))
SERVER stream OPTIONS (topic 'raw', start 'latest');
INSERT INTO log SELECT body ->> 'id', o, NULL FROM raw;
-- case: assignment casts round and fit, as in PostgreSQL
INSERT INTO log SELECT v, id, '2026-01-01' FROM finite;
-- case: functions of the pipeline: the body is what runs, and they may be used before they stand
INSERT INTO log SELECT id, gross(v), NULL FROM untimed WHERE is_big(v);
CREATE FUNCTION gross(v bigint, rate integer DEFAULT 19) RETURNS bigint RETURN v + v * rate / 100;
CREATE FUNCTION is_big(v bigint) RETURNS boolean STRICT RETURN gross(v) > 100;
-- case: rows of arrays, of what a function returns, and of none
INSERT INTO log SELECT p.event_id, i.n, p.event_time FROM payments p, unnest(ARRAY[p.user_id, p.note]) WITH ORDINALITY AS i (x, n) WHERE i.x LIKE 'a%' AND p.amount > 1;
INSERT INTO log SELECT id, length(part), NULL FROM untimed LEFT JOIN LATERAL string_to_table(id, ',') AS part ON true;
INSERT INTO log SELECT id, x, NULL FROM untimed LEFT JOIN LATERAL unnest(ARRAY[v, 2]) AS u (x) ON x > v;
INSERT INTO log SELECT id, x, NULL FROM untimed u LEFT JOIN LATERAL (SELECT e + 1 AS x FROM unnest(ARRAY[u.v, 2]) AS e WHERE e > 1) AS s ON x < u.v;
INSERT INTO log SELECT id, x, NULL FROM untimed u, LATERAL (SELECT u.v + 1 AS x) AS s WHERE x > 2;
INSERT INTO log SELECT r.name, r.n, NULL FROM untimed u, jsonb_to_recordset(jsonb_build_array(u.id)) AS r (n bigint, name text);
INSERT INTO log SELECT 'x', g, NULL FROM generate_series(1, 3) AS g;
-- case: rows of functions side by side, of one function beside another, in a SELECT list
INSERT INTO log SELECT id, x, NULL FROM untimed, unnest(ARRAY[v], ARRAY[id]) AS u (x, y), jsonb_each_text(jsonb_build_object('k', y)) AS e WHERE e.value = y;
INSERT INTO log SELECT id, generate_series(1, v), NULL FROM untimed;
-- case: rows that change are made into rows that change, and what tells them apart is kept
CREATE VIEW sums AS SELECT user_id, array_agg(event_id) AS events, count(*) AS n FROM payments GROUP BY user_id;
CREATE FOREIGN TABLE items (user_id text, n bigint, event text, PRIMARY KEY (user_id, n)) SERVER lake;
CREATE FOREIGN TABLE numbers (user_id text, n bigint, PRIMARY KEY (user_id, n)) SERVER lake;
INSERT INTO items SELECT user_id, i, e FROM sums t, unnest(t.events) WITH ORDINALITY AS u (e, i);
INSERT INTO numbers SELECT user_id, g FROM sums t, generate_series(1, t.n) AS g;
-- case: windows and their watermark pass through
INSERT INTO log SELECT x, count(*), window_end FROM tumble(payments, event_time, '1 minute'), unnest(ARRAY[user_id, note]) AS x GROUP BY x, window_end;
