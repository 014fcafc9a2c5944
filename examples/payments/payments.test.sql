-- Tests of payments.sql: bourn test payments.test.sql. Nothing else is needed. docs/testing.md says what the statements mean.
SET test.pipeline = 'payments.sql';
SET test.now = '2026-01-10 12:00:00Z';

-- ---- the contract ----

SET test.name = 'an event that keeps every rule is counted';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 12.50, 1);
SELECT user_id, total_deposits, total_withdrawals, deposit_count, withdrawal_count, first_seen, last_seen, updated_at
FROM user_metrics;
VALUES ('u1', 12.50, 0, 1, 0, '2026-01-10 10:00:00Z', '2026-01-10 10:00:00Z', '2026-01-10 12:00:00Z');
SELECT rules FROM bourn.rejected; -- no VALUES: no row

SET test.name = 'each rule rejects what breaks it, and only that';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    (NULL, '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 1, 1),
    ('e2', NULL,                   'u1', 'deposit_completed', 'web', 'GBP', 1, 1),
    ('e3', '2026-01-10 10:00:00Z', NULL, 'deposit_completed', 'web', 'GBP', 1, 1),
    ('e4', '2026-01-10 10:00:00Z', 'u1', NULL,                'web', 'GBP', 1, 1),
    ('e5', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', NULL,  'GBP', 1, 1),
    ('e6', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', NULL,  1, 1),
    ('e7', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', NULL, 1),
    ('e8', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 1, NULL),
    ('e9', '2026-01-10 10:00:00Z', 'u1', 'refund_completed',  'web', 'GBP', 1, 1),
    ('ea', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'fax', 'GBP', 1, 1),
    ('eb', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'EUR', 1, 1),
    ('ec', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', -1, 1);
SELECT "offset", rules FROM rejected ORDER BY "offset";
VALUES (0, 'R010'), (1, 'R020'), (2, 'R030'), (3, 'R040'), (4, 'R050'), (5, 'R060'), (6, 'R070'), (7, 'R080'),
       (8, 'R090'), (9, 'R100'), (10, 'R110'), (11, 'R120');
SELECT user_id FROM user_metrics;
SELECT deposit_count, withdrawal_count FROM net_flow;
VALUES (0, 0);

SET test.name = 'nothing is not an amount: zero is rejected, a penny is not';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 0, 1),
    ('e2', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 0.01, 1);
SELECT "offset", rules FROM bourn.rejected;
VALUES (0, 'R120');
SELECT user_id, total_deposits FROM user_metrics;
VALUES ('u1', 0.01);

SET test.name = 'an event that breaks every rule at once is rejected once, by all of them';
INSERT INTO transactions (raw) VALUES
    ('{"event_type": "refund", "channel": "fax", "currency": "EUR", "amount": -3}'),
    ('{}');
SELECT rules FROM rejected ORDER BY "offset";
VALUES ('R010,R020,R030,R080,R090,R100,R110,R120'), ('R010,R020,R030,R040,R050,R060,R070,R080');
SELECT source, rule, count FROM bourn.rules WHERE rule IN ('R010', 'R120');
VALUES ('transactions', 'R010', 2), ('transactions', 'R120', 1);

SET test.name = 'a message that is no JSON is kept among the dead letters as it came';
INSERT INTO transactions (raw) VALUES ('{"event_id": "e1", '), ('');
SELECT rules, raw FROM rejected ORDER BY "offset";
VALUES ('parse', '{"event_id": "e1", '), ('parse', '');
SELECT deposit_count + withdrawal_count FROM net_flow;
VALUES (0);

SET test.name = 'a value of the wrong type is rejected by its column; rules about that column say nothing';
INSERT INTO transactions (raw) VALUES
    ('{"event_id":"e1","event_time":"2026-01-10T10:00:00Z","user_id":"u1","event_type":"deposit_completed","channel":"web","currency":"GBP","amount":"much","schema_version":1}'),
    ('{"event_id":"e2","event_time":"yesterday","user_id":"u1","event_type":"deposit_completed","channel":"web","currency":"GBP","amount":1,"schema_version":1}'),
    ('{"event_id":"e3","event_time":"2026-01-10T10:00:00Z","user_id":"u1","event_type":"deposit_completed","channel":"web","currency":"GBP","amount":10.005,"schema_version":1}'),
    ('{"event_id":"e4","event_time":"2026-01-10T10:00:00Z","user_id":"u1","event_type":"deposit_completed","channel":"web","currency":"GBP","amount":10.00,"schema_version":1}');
SELECT "offset", rules FROM rejected ORDER BY "offset";
VALUES (0, 'type:amount'), (1, 'type:event_time'), (2, 'type:amount');
SELECT user_id, total_deposits FROM user_metrics;
VALUES ('u1', 10);

-- ---- duplicates ----

SET test.name = 'a duplicate counts once, in one batch and from one epoch to the next';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1),
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1),
    ('e2', '2026-01-10 10:00:01Z', 'u1', 'deposit_completed', 'web', 'GBP', 7, 1);
CHECKPOINT;
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1),
    ('e2', '2026-01-10 10:00:02Z', 'u2', 'deposit_completed', 'api', 'GBP', 900, 1);
SELECT user_id, deposit_count, total_deposits FROM user_metrics;
VALUES ('u1', 2, 12);
SELECT channel, event_count FROM channel_distribution;
VALUES ('web', 2);
SELECT sum(duplicate) FROM bourn.ledger;
VALUES (3);

SET test.name = 'the first event of an id counts, if it keeps the rules';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', -5, 1),
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1),
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 6, 1);
SELECT deposit_count, total_deposits FROM user_metrics;
VALUES (1, 5);

SET test.name = 'an id is forgotten a day later';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-08 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1);
SET test.watermark = '2026-01-09 12:00:00Z';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-09 12:30:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 6, 1);
SELECT deposit_count, total_deposits FROM user_metrics;
VALUES (2, 11);

-- ---- time ----

SET test.name = 'a late event is a dead letter, with the watermark that it missed';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-08 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1);
SET test.watermark = '2026-01-09 00:00:00Z';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e2', '2026-01-08 23:59:59Z', 'u1', 'deposit_completed', 'web', 'GBP', 6, 1),
    ('e3', '2026-01-09 00:00:01Z', 'u1', 'deposit_completed', 'web', 'GBP', 7, 1);
SELECT rules, watermark FROM rejected;
VALUES ('late', '2026-01-09 00:00:00Z');
SELECT deposit_count, total_deposits FROM user_metrics;
VALUES (2, 12);

SET test.name = 'the watermark stays a day behind the newest event, and works from the epoch after next';
SET test.cuts = 'as written'; -- late is what comes epochs later
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 1, 1);
CHECKPOINT;
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e2', '2026-01-09 09:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 2, 1);
CHECKPOINT;
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e3', '2026-01-09 09:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 4, 1),
    ('e4', '2026-01-09 11:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 8, 1);
SELECT total_deposits FROM user_metrics;
VALUES (11);
SELECT id, rules FROM rejected;
VALUES ('transactions/0/2', 'late');

SET test.name = 'an event from the future is rejected, until its time comes';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 14:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1);
SELECT rules, rejected_at FROM rejected;
VALUES ('future', '2026-01-10 12:00:00Z');
SET test.now = '2026-01-10 13:30:00Z';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 14:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 5, 1);
SELECT user_id, updated_at FROM user_metrics;
VALUES ('u1', '2026-01-10 13:30:00Z');

-- ---- the results ----

SET test.name = 'net flow: totals, averages and ratio of each side';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed',    'web',    'GBP', 100, 1),
    ('e2', '2026-01-10 10:00:01Z', 'u2', 'deposit_completed',    'mobile', 'GBP', 50.01, 1),
    ('e3', '2026-01-10 10:00:02Z', 'u1', 'withdrawal_completed', 'api',    'GBP', 30, 1),
    ('e4', '2026-01-10 10:00:03Z', 'u1', 'withdrawal_completed', 'web',    'GBP', 10, 1),
    ('e5', '2026-01-10 10:00:04Z', 'u1', 'withdrawal_completed', 'web',    'GBP', 5, 1);
SELECT * FROM net_flow;
VALUES (1, 150.01, 45, 105.01, 2, 3, 75.005, 15, 3.333556, '2026-01-10 12:00:00Z');

SET test.name = 'the ratio is unknown while there are no withdrawals';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 10, 1);
SELECT total_deposits, total_withdrawals, avg_withdrawal, deposit_to_withdrawal_ratio FROM net_flow;
VALUES (10, 0, NULL, NULL);
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e2', '2026-01-10 10:00:00Z', 'u1', 'withdrawal_completed', 'web', 'GBP', 40, 1);
SELECT total_deposits, total_withdrawals, net_flow, avg_withdrawal, deposit_to_withdrawal_ratio FROM net_flow;
VALUES (10, 40, -30, 40, 0.25);

SET test.name = 'a user: both sides, first and last seen whatever the order of arrival';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed',    'web', 'GBP', 10, 1),
    ('e2', '2026-01-10 08:00:00Z', 'u1', 'withdrawal_completed', 'web', 'GBP', 4, 1),
    ('e3', '2026-01-10 09:00:00Z', 'u1', 'deposit_completed',    'web', 'GBP', 1, 1),
    ('e4', '2026-01-10 09:00:00Z', 'u2', 'withdrawal_completed', 'web', 'GBP', 3, 1);
SELECT user_id, total_deposits, total_withdrawals, deposit_count, withdrawal_count, first_seen, last_seen
FROM user_metrics ORDER BY user_id;
VALUES ('u1', 11, 4, 2, 1, '2026-01-10 08:00:00Z', '2026-01-10 10:00:00Z'),
       ('u2', 0, 3, 0, 1, '2026-01-10 09:00:00Z', '2026-01-10 09:00:00Z');

SET test.name = 'only a row that changed has a new updated_at';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 10, 1),
    ('e2', '2026-01-10 10:00:00Z', 'u2', 'deposit_completed', 'api', 'GBP', 20, 1);
SET test.now = '2026-01-10 12:05:00Z';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e3', '2026-01-10 10:00:00Z', 'u2', 'deposit_completed', 'api', 'GBP', 30, 1),
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 10, 1);
SELECT user_id, total_deposits, updated_at FROM user_metrics;
VALUES ('u1', 10, '2026-01-10 12:00:00Z'), ('u2', 50, '2026-01-10 12:05:00Z');

SET test.name = 'channels: a row for each channel and type that there is';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed',    'web',    'GBP', 1, 1),
    ('e2', '2026-01-10 10:00:00Z', 'u2', 'deposit_completed',    'web',    'GBP', 2, 1),
    ('e3', '2026-01-10 10:00:00Z', 'u3', 'withdrawal_completed', 'web',    'GBP', 4, 1),
    ('e4', '2026-01-10 10:00:00Z', 'u4', 'deposit_completed',    'mobile', 'GBP', 8, 1),
    ('e5', '2026-01-10 10:00:00Z', 'u5', 'withdrawal_completed', 'api',    'GBP', 16, 1);
SELECT channel, event_type, event_count, total_amount FROM channel_distribution;
VALUES ('web', 'deposit_completed', 2, 3), ('web', 'withdrawal_completed', 1, 4),
       ('mobile', 'deposit_completed', 1, 8), ('api', 'withdrawal_completed', 1, 16);

SET test.name = 'money is exact: pennies and the largest amounts together';
INSERT INTO transactions (event_id, event_time, user_id, event_type, channel, currency, amount, schema_version) VALUES
    ('e1', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 0.1, 1),
    ('e2', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 0.2, 1),
    ('e3', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 9999999999999999.99, 1),
    ('e4', '2026-01-10 10:00:00Z', 'u1', 'deposit_completed', 'web', 'GBP', 9999999999999999.99, 1);
SELECT total_deposits FROM user_metrics;
VALUES (20000000000000000.28);
SELECT total_deposits, net_flow, avg_deposit FROM net_flow;
VALUES (20000000000000000.28, 20000000000000000.28, 5000000000000000.07);
