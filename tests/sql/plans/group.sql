-- case: GROUP BY with all aggregates, FILTER, HAVING, now() at the end
INSERT INTO totals
SELECT user_id, sum(amount) - coalesce(sum(amount) FILTER (WHERE channel = 'web'), 0), count(*), now()
FROM payments GROUP BY user_id HAVING count(*) > 1 AND min(amount) < max(amount);
-- case: no GROUP BY gives one row, also with a constant key
INSERT INTO one_row SELECT 1, sum(amount) FROM payments;
-- case: count(*) alone
INSERT INTO one_row SELECT 1, count(*) FROM payments;
-- case: GROUP BY a position, a name of the list, an expression
INSERT INTO out SELECT n, u FROM (SELECT upper(name) AS u, count(*) AS n FROM finite GROUP BY 1) x;
-- case: GROUP BY over a finite input, sorted
INSERT INTO out SELECT count(*), upper(name) AS u FROM finite GROUP BY u ORDER BY count(*) DESC, u;
-- case: an expression over a group
INSERT INTO out SELECT sum(v), upper(name) || '!' FROM finite GROUP BY upper(name) ORDER BY 1;
-- case: equal aggregates are computed once
INSERT INTO totals SELECT user_id, sum(amount), count(amount) + count(amount), NULL FROM payments GROUP BY user_id
HAVING sum(amount) > 0;
-- case: aggregates over aggregates
INSERT INTO one_row SELECT 1, sum(n) FROM (SELECT user_id, count(*) AS n FROM payments GROUP BY user_id) u;
-- case: groups with a domain are bounded
CREATE FOREIGN TABLE by_channel (channel text, big boolean, n bigint, PRIMARY KEY (channel, big)) SERVER lake;
INSERT INTO by_channel SELECT channel, amount > 100, count(*) FROM payments WHERE amount IS NOT NULL GROUP BY 1, 2;
-- case: DISTINCT ON keeps the first, within the watermark
INSERT INTO log SELECT DISTINCT ON (event_id) event_id, 1, event_time FROM payments;
-- case: DISTINCT ON an expression, hidden time column
INSERT INTO log (id) SELECT DISTINCT ON (upper(user_id)) note FROM payments;
-- case: dedup_horizon set apart from the watermark
CREATE FOREIGN TABLE p2 (id text, ts timestamptz OPTIONS (watermark '1 hour')) SERVER events OPTIONS (dedup_horizon '7 days');
INSERT INTO log (id) SELECT id FROM (SELECT DISTINCT ON (id) * FROM p2) x;
-- case: DISTINCT rows
INSERT INTO out SELECT DISTINCT v, name FROM finite ORDER BY name;
-- case: DISTINCT rows of a stream stay append-only
INSERT INTO log (id) SELECT DISTINCT user_id FROM payments;
-- case: min(DISTINCT) is min
INSERT INTO one_row SELECT 1, min(DISTINCT amount) FROM payments;
-- case: a key through a widening cast
CREATE FOREIGN TABLE wide (id bigint PRIMARY KEY, n bigint) SERVER lake;
INSERT INTO wide SELECT id, count(*) FROM finite GROUP BY id;
-- case: what cannot take back waits for the end
INSERT INTO one_row SELECT 1, max(n) FROM (SELECT name, count(*) AS n FROM finite GROUP BY name) q;
-- case: min and max over rows that change keep every value; so does DISTINCT
INSERT INTO one_row SELECT 1, max(n) FROM (SELECT user_id, count(*) AS n FROM payments GROUP BY user_id) q;
-- case: several values of each group are kept
INSERT INTO one_row SELECT 1, count(DISTINCT user_id) + sum(DISTINCT amount) FILTER (WHERE amount > 1) FROM payments;
-- case: keys: of the groups, of the input within them, of a partition with its number; through equality and constants
CREATE FOREIGN TABLE by_channel (channel text PRIMARY KEY, n bigint) SERVER lake;
CREATE FOREIGN TABLE numbered (channel text, r bigint, user_id text, PRIMARY KEY (channel, r)) SERVER lake;
CREATE VIEW users AS SELECT user_id, channel, count(*) AS n FROM payments GROUP BY user_id, channel;
CREATE VIEW channels AS SELECT channel AS c, max(amount) AS n FROM payments GROUP BY channel;
INSERT INTO by_channel SELECT x.channel, c.n::bigint FROM users x JOIN channels c ON x.channel = c.c AND x.user_id = 'a';
INSERT INTO numbered SELECT channel, r, user_id FROM (
    SELECT channel, user_id, n, row_number() OVER (PARTITION BY channel ORDER BY n DESC, user_id) AS r FROM users) x
WHERE r <= 3;
-- case: partitions by a view's CASE, which is a key; by an expression; both computed once
CREATE VIEW placed AS SELECT user_id, CASE WHEN channel = 'web' THEN 'far' ELSE 'near' END AS place, amount, event_time FROM payments;
CREATE FOREIGN TABLE newest (user_id text, place text, amount numeric(18,2), PRIMARY KEY (user_id, place)) SERVER lake;
CREATE FOREIGN TABLE largest (name text, r bigint, amount numeric(18,2), PRIMARY KEY (name, r)) SERVER lake;
INSERT INTO newest SELECT user_id, place, amount FROM (SELECT *, row_number() OVER (PARTITION BY user_id, place
    ORDER BY event_time DESC) AS r FROM placed) x WHERE r = 1;
INSERT INTO largest SELECT name, r, amount FROM (SELECT lower(user_id) AS name, amount, row_number()
    OVER (PARTITION BY lower(user_id) ORDER BY amount * 2) AS r FROM payments) x WHERE r <= 2;
-- case: session windows of some rows, of some keys; what each session keeps
INSERT INTO log SELECT user_id, count(*), window_end FROM session(payments, event_time, interval '1 minute', user_id)
WHERE amount > 5 AND user_id <> 'a' GROUP BY user_id, window_start, window_end
HAVING max(amount) FILTER (WHERE channel = 'web') > 9 AND cardinality(array_agg(note)) > 1;
-- case: what several arguments keep, and sketches with their error
CREATE FOREIGN TABLE kept (user_id text PRIMARY KEY, a text, b jsonb, c bigint, d text, e double precision) SERVER lake;
INSERT INTO kept SELECT user_id, arg_min(event_id, amount), jsonb_object_agg(event_id, amount), approx_count_distinct(event_id),
    string_agg(DISTINCT upper(event_id), ',') FILTER (WHERE channel = 'web'), approx_percentile(amount::double precision, 0.99)
FROM payments GROUP BY user_id;
-- case: a row is told by its partition and its offset
CREATE FOREIGN TABLE placed (v bigint[], part integer OPTIONS (metadata 'partition'), place bigint OPTIONS (metadata 'offset')) SERVER events;
CREATE FOREIGN TABLE elements (place bigint, part integer, i bigint, e bigint, PRIMARY KEY (part, place, i)) SERVER lake;
INSERT INTO elements SELECT place, part, i, e FROM placed, unnest(v) WITH ORDINALITY AS u (e, i);
-- case: joins by time, and by bourn.join_ttl: until when each side's rows are kept
SET bourn.join_ttl = '1 hour';
CREATE FOREIGN TABLE clicks (id text, at timestamptz OPTIONS (watermark '1 minute') NOT NULL) SERVER events;
INSERT INTO log SELECT p.event_id, NULL, c.at FROM payments p LEFT JOIN clicks c ON c.id = p.user_id
AND c.at BETWEEN p.event_time AND p.event_time + interval '10 minutes';
INSERT INTO log SELECT p.event_id, NULL, c.at FROM payments p JOIN clicks c ON c.id = p.user_id;
-- case: windows that leave gaps are told of
INSERT INTO log SELECT channel, count(*), window_end FROM hop(payments, event_time, interval '10 minutes', interval '5 minutes') GROUP BY channel, window_end;
-- case: subqueries as values: of groups by what ties them, of all rows, of the first ones
CREATE VIEW users AS SELECT user_id, sum(amount) AS total FROM payments GROUP BY user_id;
INSERT INTO totals SELECT u.user_id, (SELECT u.total + sum(p.amount) FROM payments p WHERE p.user_id = u.user_id AND p.channel = 'web'),
    (SELECT count(*) FROM finite), NULL FROM users u;
INSERT INTO one_row SELECT f.id, (SELECT p.amount FROM payments p WHERE p.user_id = f.name ORDER BY p.event_time DESC LIMIT 1)
    FROM (SELECT DISTINCT id, name FROM finite) AS f;
-- case: LATERAL subqueries over tables: an interval join, first rows, groups
CREATE FOREIGN TABLE pairs (a text, b text) SERVER lake;
INSERT INTO pairs SELECT o.event_id, s.e FROM payments o, LATERAL (SELECT i.event_id AS e FROM payments i
    WHERE i.user_id = o.user_id AND i.event_time BETWEEN o.event_time AND o.event_time + interval '1 hour') AS s;
CREATE FOREIGN TABLE best (channel text, amount numeric(18,2), n bigint, PRIMARY KEY (channel, amount)) SERVER lake;
INSERT INTO best SELECT c.channel, s.amount, s.n FROM (SELECT DISTINCT channel FROM payments) AS c
    JOIN LATERAL (SELECT p.amount, p.n FROM (SELECT channel, amount, count(*) AS n FROM payments GROUP BY channel, amount) AS p
                       WHERE p.channel = c.channel ORDER BY p.n DESC, p.amount LIMIT 2) AS s ON true;
