-- case: a query over given relations, sorted and cut
-- query
SELECT user_id, total / n AS average FROM metrics WHERE n > 0 ORDER BY average DESC LIMIT 3;
-- case: several SELECTs, a view, the first column names what is wrong
-- query
CREATE VIEW v AS SELECT sum(n) AS n FROM metrics;
SELECT 'too many' AS wrong, n FROM v WHERE n > 10;
SELECT 'too few' AS wrong, n FROM v WHERE n < 1;
SELECT count(*) FROM bourn.ledger;
-- case: two equal SELECTs are two results
-- query
SELECT 1; SELECT 1;
-- case: unknown relations
-- query
SELECT * FROM metric;
SELECT * FROM bourn.ledgr;
-- case: only SELECT can be queried
-- query
INSERT INTO metrics SELECT * FROM metrics;
-- case: nothing to query
-- query
CREATE VIEW v AS SELECT 1 AS a;
