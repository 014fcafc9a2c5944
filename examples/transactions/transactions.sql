-- Transactions of customers: kept as they came, kept once each, and counted as they come, by the minute and in all.
--
--     bourn run local.sql transactions.sql        made-up events, nothing else needed
--     bourn run file.sql transactions.sql         EVENTS=events.ndjson
--     bourn run kafka.sql transactions.sql        KAFKA=broker:9092
--     bourn run eventhubs.sql transactions.sql    EVENT_HUB_CONNECTION_STRING=...
--
-- The other file says what the servers `events` and `lake` are.

-- ---- in ----

CREATE FOREIGN TABLE transactions (
    transaction_id  text          CONSTRAINT "T010" NOT NULL,
    customer_id     text          CONSTRAINT "T020" NOT NULL,
    amount          numeric(18,2) CONSTRAINT "T030" NOT NULL,
    category        text          CONSTRAINT "T040" NOT NULL,
    "timestamp"     timestamptz   OPTIONS (watermark '10 minutes') CONSTRAINT "T050" NOT NULL,
    location        text          CONSTRAINT "T060" NOT NULL,
    payment_method  text          CONSTRAINT "T070" NOT NULL,
    ingestion_time  timestamptz   OPTIONS (metadata 'timestamp'),       -- when the broker got it; NULL of a file
    "partition"     integer       OPTIONS (metadata 'partition'),
    "offset"        bigint        OPTIONS (metadata 'offset'),
    sequence_number bigint        OPTIONS (metadata 'offset'),          -- Event Hubs' name: its offset in Kafka's protocol
    processing_time timestamptz   OPTIONS (metadata 'processing_time'), -- of the epoch: a run that is repeated has it again
    CONSTRAINT "T080" CHECK (amount > 0),
    CONSTRAINT "T090" CHECK (category IN ('electronics', 'clothing', 'groceries', 'books', 'sports')),
    CONSTRAINT "T100" CHECK (location IN ('US', 'UK', 'EU', 'APAC')),
    CONSTRAINT "T110" CHECK (payment_method IN ('credit_card', 'debit_card', 'paypal'))
) SERVER events;

CREATE VIEW enriched AS
SELECT *,
       processing_time::date AS processing_date,
       CASE location WHEN 'UK' THEN amount * 1.27 WHEN 'EU' THEN amount * 1.08 ELSE amount END AS amount_usd
FROM transactions;

-- The first of each id, within ten minutes of event time. What comes later than that is in bourn.rejected, as `late`.
CREATE VIEW once AS
SELECT DISTINCT ON (transaction_id) *
FROM enriched;

-- ---- kept: every event, also what came twice or late, by the day it came ----

CREATE FOREIGN TABLE all_transactions (
    transaction_id  text NOT NULL,
    customer_id     text NOT NULL,
    amount          numeric(18,2) NOT NULL,
    amount_usd      numeric(18,2) NOT NULL,
    category        text NOT NULL,
    "timestamp"     timestamptz NOT NULL,
    location        text NOT NULL,
    payment_method  text NOT NULL,
    ingestion_time  timestamptz,
    "partition"     integer,
    "offset"        bigint,
    sequence_number bigint,
    processing_time timestamptz NOT NULL,
    processing_date date NOT NULL
) SERVER lake OPTIONS (path 'all_transactions', partition_by 'processing_date', commit_interval '10 s');

INSERT INTO all_transactions
SELECT transaction_id, customer_id, amount, amount_usd, category, "timestamp", location, payment_method, ingestion_time,
       "partition", "offset", sequence_number, processing_time, processing_date
FROM enriched;

-- ---- kept: every transaction once, by the day it was made ----

CREATE FOREIGN TABLE unique_transactions (
    transaction_id  text NOT NULL,
    customer_id     text NOT NULL,
    amount          numeric(18,2) NOT NULL,
    amount_usd      numeric(18,2) NOT NULL,
    category        text NOT NULL,
    "timestamp"     timestamptz NOT NULL,
    location        text NOT NULL,
    payment_method  text NOT NULL,
    processing_time timestamptz NOT NULL,
    event_date      date NOT NULL
) SERVER lake OPTIONS (path 'transactions', partition_by 'event_date', commit_interval '10 s');

INSERT INTO unique_transactions
SELECT transaction_id, customer_id, amount, amount_usd, category, "timestamp", location, payment_method, processing_time,
       "timestamp"::date
FROM once;

-- ---- kept: how each category sells ----

CREATE FOREIGN TABLE category_totals (
    category     text PRIMARY KEY,
    transactions bigint NOT NULL,
    revenue      numeric(38,2) NOT NULL,
    average      numeric(38,2) NOT NULL,
    highest      numeric(18,2) NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT has_transactions CHECK (transactions > 0 AND revenue > 0)
) SERVER lake OPTIONS (path 'category_totals', commit_interval '10 s');

INSERT INTO category_totals
SELECT category, count(*), sum(amount), avg(amount), max(amount), now()
FROM once
GROUP BY category;

-- ---- shown: each category in every 5 minutes ----

CREATE FOREIGN TABLE category_windows (
    window_start timestamptz,
    window_end   timestamptz NOT NULL,
    category     text,
    transactions bigint NOT NULL,
    revenue      numeric(38,2) NOT NULL,
    average      numeric(38,2) NOT NULL,
    highest      numeric(18,2) NOT NULL,
    PRIMARY KEY (window_start, category)
) SERVER console OPTIONS (mode 'complete', num_rows '${NUM_ROWS:-20}', truncate 'false', commit_interval '10 s');

INSERT INTO category_windows
SELECT window_start, window_end, category, count(*), sum(amount), avg(amount), max(amount)
FROM tumble(once, "timestamp", interval '5 minutes')
GROUP BY window_start, window_end, category;

-- ---- shown: each location in every 10 minutes, anew every 5 ----

CREATE FOREIGN TABLE location_windows (
    window_start timestamptz,
    window_end   timestamptz NOT NULL,
    location     text,
    transactions bigint NOT NULL,
    revenue      numeric(38,2) NOT NULL,
    PRIMARY KEY (window_start, location)
) SERVER console OPTIONS (emit 'on change', mode 'complete', num_rows '${NUM_ROWS:-20}', truncate 'false',
    commit_interval '10 s');

INSERT INTO location_windows
SELECT window_start, window_end, location, count(*), sum(amount)
FROM hop(once, "timestamp", interval '5 minutes', interval '10 minutes')
GROUP BY window_start, window_end, location;

-- ---- kept: each category in every 5 minutes, once the watermark has passed their end ----

CREATE FOREIGN TABLE category_history (
    window_start timestamptz NOT NULL,
    window_end   timestamptz NOT NULL,
    category     text NOT NULL,
    transactions bigint NOT NULL,
    revenue      numeric(38,2) NOT NULL,
    average      numeric(38,2) NOT NULL,
    highest      numeric(18,2) NOT NULL
) SERVER lake OPTIONS (path 'category_history', commit_interval '1 min');

INSERT INTO category_history
SELECT window_start, window_end, category, count(*), sum(amount), avg(amount), max(amount)
FROM tumble(once, "timestamp", interval '5 minutes')
GROUP BY window_start, window_end, category;

-- ---- kept: what was rejected, and why ----

CREATE FOREIGN TABLE rejected_transactions (
    id          text,
    "partition" integer,
    "offset"    bigint,
    rejected_at timestamptz,
    rules       text,
    error       text,
    raw         bytea
) SERVER lake OPTIONS (path 'rejected');

INSERT INTO rejected_transactions
SELECT id, "partition", "offset", rejected_at, rules, error, raw
FROM bourn.rejected;
