-- Transactions of customers: kept as they came, in a table partitioned by day, and counted as they come.
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
    ingestion_time  timestamptz   OPTIONS (metadata 'timestamp'), -- when the broker got it
    "partition"     integer       OPTIONS (metadata 'partition'),
    sequence_number bigint        OPTIONS (metadata 'offset'),
    CONSTRAINT "T080" CHECK (amount > 0),
    CONSTRAINT "T090" CHECK (category IN ('electronics', 'clothing', 'groceries', 'books', 'sports')),
    CONSTRAINT "T100" CHECK (location IN ('US', 'UK', 'EU', 'APAC')),
    CONSTRAINT "T110" CHECK (payment_method IN ('credit_card', 'debit_card', 'paypal'))
) SERVER events;

-- The first of each id, within ten minutes of event time.
CREATE VIEW once AS
SELECT DISTINCT ON (transaction_id) *
FROM transactions;

-- ---- out: every transaction, enriched ----

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
    sequence_number bigint,
    event_date      date NOT NULL -- replayed, an event lies where it lay: the date of the clock would not do that
) SERVER lake OPTIONS (path 'transactions', partition_by 'event_date', commit_interval '10 s');

INSERT INTO all_transactions
SELECT
    transaction_id,
    customer_id,
    amount,
    CASE location WHEN 'UK' THEN amount * 1.27 WHEN 'EU' THEN amount * 1.08 ELSE amount END,
    category,
    "timestamp",
    location,
    payment_method,
    ingestion_time,
    "partition",
    sequence_number,
    "timestamp"::date
FROM once;

-- ---- out: how each category sells ----

CREATE FOREIGN TABLE category_totals (
    category     text PRIMARY KEY,
    transactions bigint NOT NULL,
    revenue      numeric(38,2) NOT NULL,
    average      numeric(38,2) NOT NULL,
    highest      numeric(18,2) NOT NULL,
    processing_time timestamptz NOT NULL,
    CONSTRAINT has_transactions CHECK (transactions > 0 AND revenue > 0)
) SERVER lake OPTIONS (path 'category_totals', commit_interval '10 s');

INSERT INTO category_totals
SELECT category, count(*), sum(amount), avg(amount), max(amount), now()
FROM once
GROUP BY category;

-- ---- out: what was rejected, and why ----

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
