-- Tests of transactions.sql: bourn test transactions.test.sql. Nothing else is needed. docs/testing.md says what the statements mean.
SET test.pipeline = 'transactions.sql';
SET test.now = '2026-01-10 12:00:00Z';

SET test.name = 'every event is kept with its dollars, where it lay, and when it came';
INSERT INTO transactions (raw, ingestion_time) VALUES
    ('{"transaction_id":"T1","customer_id":"C001","amount":10.00,"category":"books","timestamp":"2026-01-09T23:59:00Z","location":"UK","payment_method":"paypal"}', '2026-01-10 11:59:01Z'),
    ('{"transaction_id":"T2","customer_id":"C002","amount":10.00,"category":"books","timestamp":"2026-01-09T23:59:00Z","location":"EU","payment_method":"paypal"}', '2026-01-10 11:59:02Z'),
    ('{"transaction_id":"T3","customer_id":"C003","amount":10.00,"category":"books","timestamp":"2026-01-09T23:59:00Z","location":"US","payment_method":"paypal"}', NULL);
SET test.now = '2026-01-10 12:01:00Z';
INSERT INTO transactions (raw) VALUES
    ('{"transaction_id":"T1","customer_id":"C001","amount":10.00,"category":"books","timestamp":"2026-01-09T23:59:00Z","location":"UK","payment_method":"paypal"}');
SELECT transaction_id, amount, amount_usd, ingestion_time, "partition", "offset", sequence_number, processing_time, processing_date
FROM all_transactions ORDER BY "offset";
VALUES ('T1', 10, 12.7, '2026-01-10 11:59:01Z', 0, 0, 0, '2026-01-10 12:00:00Z', '2026-01-10'),
       ('T2', 10, 10.8, '2026-01-10 11:59:02Z', 0, 1, 1, '2026-01-10 12:00:00Z', '2026-01-10'),
       ('T3', 10, 10,   NULL,                   0, 2, 2, '2026-01-10 12:00:00Z', '2026-01-10'),
       ('T1', 10, 12.7, NULL,                   0, 3, 3, '2026-01-10 12:01:00Z', '2026-01-10');
SELECT transaction_id, event_date, processing_time FROM unique_transactions;
VALUES ('T1', '2026-01-09', '2026-01-10 12:00:00Z'), ('T2', '2026-01-09', '2026-01-10 12:00:00Z'),
       ('T3', '2026-01-09', '2026-01-10 12:00:00Z');

SET test.name = 'totals of a category: count, revenue, average, highest';
INSERT INTO transactions (transaction_id, customer_id, amount, category, "timestamp", location, payment_method) VALUES
    ('T1', 'C001', 10.00, 'books',  '2026-01-10 11:50:00Z', 'US', 'paypal'),
    ('T2', 'C002', 20.01, 'books',  '2026-01-10 11:51:00Z', 'US', 'paypal'),
    ('T2', 'C002', 20.01, 'books',  '2026-01-10 11:51:00Z', 'US', 'paypal'),
    ('T3', 'C003', 99.99, 'sports', '2026-01-10 11:52:00Z', 'EU', 'credit_card'),
    ('T4', 'C003', 99.99, 'garden', '2026-01-10 11:52:00Z', 'EU', 'credit_card');
SELECT * FROM category_totals;
VALUES ('books', 2, 30.01, 15.01, 20.01, '2026-01-10 12:00:00Z'),
       ('sports', 1, 99.99, 99.99, 99.99, '2026-01-10 12:00:00Z');
SELECT rules FROM rejected_transactions;
VALUES ('T090');

SET test.name = 'five minutes of a category change while they are open, and are kept once they have closed';
INSERT INTO transactions (transaction_id, customer_id, amount, category, "timestamp", location, payment_method) VALUES
    ('T1', 'C001', 10, 'books', '2026-01-10 11:00:00Z', 'US', 'paypal'),
    ('T2', 'C001', 30, 'books', '2026-01-10 11:04:59Z', 'US', 'paypal'),
    ('T3', 'C001', 50, 'books', '2026-01-10 11:05:00Z', 'US', 'paypal');
SELECT window_start, transactions, revenue FROM category_windows ORDER BY window_start;
VALUES ('2026-01-10 11:00:00Z', 2, 40), ('2026-01-10 11:05:00Z', 1, 50);
SELECT * FROM category_history;
SET test.watermark = '2026-01-10 11:05:00Z';
SELECT * FROM category_history;
VALUES ('2026-01-10 11:00:00Z', '2026-01-10 11:05:00Z', 'books', 2, 40, 20, 30);

SET test.name = 'what comes after its window has closed is late';
INSERT INTO transactions (transaction_id, customer_id, amount, category, "timestamp", location, payment_method) VALUES
    ('T1', 'C001', 10, 'books', '2026-01-10 11:00:00Z', 'US', 'paypal');
SET test.watermark = '2026-01-10 11:05:00Z';
INSERT INTO transactions (transaction_id, customer_id, amount, category, "timestamp", location, payment_method) VALUES
    ('T2', 'C001', 10, 'books', '2026-01-10 11:04:00Z', 'US', 'paypal');
SELECT "offset", rules FROM rejected_transactions;
VALUES (1, 'late');
SELECT window_start, transactions FROM category_history;
VALUES ('2026-01-10 11:00:00Z', 1);

SET test.name = 'the end of the input closes every window; ten minutes of a location overlap';
INSERT INTO transactions (transaction_id, customer_id, amount, category, "timestamp", location, payment_method) VALUES
    ('T1', 'C001', 10, 'books',  '2026-01-10 11:03:00Z', 'US', 'paypal'),
    ('T2', 'C001', 20, 'sports', '2026-01-10 11:07:00Z', 'US', 'paypal');
CLOSE transactions;
SELECT window_start, window_end, transactions, revenue FROM location_windows ORDER BY window_start;
VALUES ('2026-01-10 10:55:00Z', '2026-01-10 11:05:00Z', 1, 10),
       ('2026-01-10 11:00:00Z', '2026-01-10 11:10:00Z', 2, 30),
       ('2026-01-10 11:05:00Z', '2026-01-10 11:15:00Z', 1, 20);
SELECT window_start, category FROM category_history ORDER BY window_start;
VALUES ('2026-01-10 11:00:00Z', 'books'), ('2026-01-10 11:05:00Z', 'sports');
