-- case: upsert without a unique key
INSERT INTO totals SELECT user_id, amount, 1, NULL FROM payments;
-- case: DISTINCT ON within a watermark is no key for ever
INSERT INTO totals SELECT DISTINCT ON (user_id) user_id, amount, 1, event_time FROM payments;
-- case: upsert by another key than the rows'
INSERT INTO totals SELECT user_id, sum(amount), 1, NULL FROM payments GROUP BY user_id, channel;
-- case: upsert by a rank that ties
CREATE FOREIGN TABLE ranked (channel text, r bigint, user_id text, PRIMARY KEY (channel, r)) SERVER lake;
CREATE VIEW users AS SELECT user_id, channel, count(*) AS n FROM payments GROUP BY user_id, channel;
INSERT INTO ranked SELECT channel, r, user_id FROM (SELECT channel, user_id, rank() OVER (PARTITION BY channel ORDER BY n) AS r
    FROM users) x WHERE r <= 3;
-- case: upsert by what an outer join may leave NULL; by a count of what is unique; by one row of each
CREATE FOREIGN TABLE joined (channel text, r bigint, user_id text, PRIMARY KEY (channel, r)) SERVER lake;
CREATE FOREIGN TABLE counted (n bigint PRIMARY KEY, m bigint) SERVER lake;
CREATE VIEW channels AS SELECT channel AS c, count(*) AS n FROM payments GROUP BY channel;
CREATE VIEW one AS SELECT count(*) AS n FROM payments;
INSERT INTO joined SELECT y.c, 1, NULL FROM channels x LEFT JOIN channels y ON x.c = y.c;
INSERT INTO counted SELECT count(c), n FROM channels GROUP BY n;
INSERT INTO one_row SELECT 1, x.n FROM one x FULL JOIN one y ON x.n = y.n;
-- case: a key through a cast that loses values
CREATE FOREIGN TABLE by_amount (amount integer PRIMARY KEY, n bigint) SERVER lake;
INSERT INTO by_amount SELECT amount, count(*) FROM payments GROUP BY amount;
-- case: a key with now() beside it, of a few values, of event time, of rows that are final
CREATE FOREIGN TABLE ages (channel text, age interval, at timestamptz, PRIMARY KEY (channel)) SERVER lake;
INSERT INTO ages SELECT channel, now() - event_time, now() FROM payments;
CREATE FOREIGN TABLE at_time (event_time timestamptz, user_id text, PRIMARY KEY (event_time)) SERVER lake;
INSERT INTO at_time SELECT event_time, user_id FROM payments;
CREATE FOREIGN TABLE closed (window_end timestamptz, n bigint, PRIMARY KEY (window_end)) SERVER lake OPTIONS (emit 'on close');
INSERT INTO closed SELECT window_end, count(*) FROM tumble(payments, event_time, interval '1 minute')
    GROUP BY window_start, window_end, channel;
