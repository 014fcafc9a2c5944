-- Payments: from a stream of deposits and withdrawals to three exactly-once tables and a dead-letter table.
--
--     bourn run local.sql payments.sql          made-up events, nothing else needed
--     bourn run file.sql payments.sql           EVENTS=events.ndjson
--     bourn run kafka.sql payments.sql          KAFKA=broker:9092
--     bourn run eventhubs.sql payments.sql      EVENT_HUB_CONNECTION_STRING=...
--
-- The other file says what the servers `events` and `lake` are. Add curated.sql behind payments.sql to keep the accepted events, too.

-- ---- in: the events, and the contract they are held to ----

-- The name of a constraint is the id of the rule. An event that breaks any rule is in none of the results; it is in
-- bourn.rejected, with all the rules it broke.
CREATE FOREIGN TABLE transactions (
    event_id       text        CONSTRAINT "R010" NOT NULL,
    event_time     timestamptz OPTIONS (watermark '1 day') CONSTRAINT "R020" NOT NULL,
    user_id        text        CONSTRAINT "R030" NOT NULL,
    event_type     text        CONSTRAINT "R040" NOT NULL,
    channel        text        CONSTRAINT "R050" NOT NULL,
    currency       text        CONSTRAINT "R060" NOT NULL,
    amount         numeric(18,2) CONSTRAINT "R070" NOT NULL,
    schema_version integer     CONSTRAINT "R080" NOT NULL,
    CONSTRAINT "R090" CHECK (event_type IN ('deposit_completed', 'withdrawal_completed')),
    CONSTRAINT "R100" CHECK (channel IN ('web', 'mobile', 'api')),
    CONSTRAINT "R110" CHECK (currency = 'GBP'),
    CONSTRAINT "R120" CHECK (amount > 0)
) SERVER events;

-- The first of each event_id, within a day of event time: later ones are duplicates.
CREATE VIEW payments AS
SELECT DISTINCT ON (event_id) *
FROM transactions;

-- ---- out: the net flow of money, one row ----

CREATE FOREIGN TABLE net_flow (
    id                          integer PRIMARY KEY,
    total_deposits              numeric(38,2) NOT NULL,
    total_withdrawals           numeric(38,2) NOT NULL,
    net_flow                    numeric(38,2) NOT NULL,
    deposit_count               bigint NOT NULL,
    withdrawal_count            bigint NOT NULL,
    avg_deposit                 numeric(38,6),
    avg_withdrawal              numeric(38,6),
    deposit_to_withdrawal_ratio numeric(38,6),
    updated_at                  timestamptz NOT NULL,
    CONSTRAINT one_row CHECK (id = 1),
    CONSTRAINT counts_not_negative CHECK (deposit_count >= 0 AND withdrawal_count >= 0),
    CONSTRAINT totals_not_negative CHECK (total_deposits >= 0 AND total_withdrawals >= 0),
    CONSTRAINT net_flow_balances CHECK (net_flow = total_deposits - total_withdrawals)
) SERVER lake OPTIONS (path 'metrics/net_flow');

INSERT INTO net_flow
SELECT
    1,
    deposits,
    withdrawals,
    deposits - withdrawals,
    deposit_count,
    withdrawal_count,
    avg_deposit,
    avg_withdrawal,
    deposits / NULLIF(withdrawals, 0), -- NULL while there are no withdrawals
    now()
FROM (
    SELECT
        coalesce(sum(amount) FILTER (WHERE event_type = 'deposit_completed'), 0)    AS deposits,
        coalesce(sum(amount) FILTER (WHERE event_type = 'withdrawal_completed'), 0) AS withdrawals,
        count(*) FILTER (WHERE event_type = 'deposit_completed')                    AS deposit_count,
        count(*) FILTER (WHERE event_type = 'withdrawal_completed')                 AS withdrawal_count,
        avg(amount) FILTER (WHERE event_type = 'deposit_completed')                 AS avg_deposit,
        avg(amount) FILTER (WHERE event_type = 'withdrawal_completed')              AS avg_withdrawal
    FROM payments
) AS totals;

-- ---- out: a row per user ----

CREATE FOREIGN TABLE user_metrics (
    user_id           text PRIMARY KEY,
    total_deposits    numeric(38,2) NOT NULL,
    total_withdrawals numeric(38,2) NOT NULL,
    deposit_count     bigint NOT NULL,
    withdrawal_count  bigint NOT NULL,
    first_seen        timestamptz NOT NULL,
    last_seen         timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL, -- the epoch in which this user's row last changed
    CONSTRAINT counts_not_negative CHECK (deposit_count >= 0 AND withdrawal_count >= 0),
    CONSTRAINT totals_not_negative CHECK (total_deposits >= 0 AND total_withdrawals >= 0),
    CONSTRAINT has_payments CHECK (deposit_count + withdrawal_count > 0),
    CONSTRAINT seen_in_order CHECK (first_seen <= last_seen)
) SERVER lake OPTIONS (path 'metrics/user_metrics');

INSERT INTO user_metrics
SELECT
    user_id,
    coalesce(sum(amount) FILTER (WHERE event_type = 'deposit_completed'), 0),
    coalesce(sum(amount) FILTER (WHERE event_type = 'withdrawal_completed'), 0),
    count(*) FILTER (WHERE event_type = 'deposit_completed'),
    count(*) FILTER (WHERE event_type = 'withdrawal_completed'),
    min(event_time),
    max(event_time),
    now()
FROM payments
GROUP BY user_id;

-- ---- out: how payments spread over channels ----

CREATE FOREIGN TABLE channel_distribution (
    channel      text,
    event_type   text,
    event_count  bigint NOT NULL,
    total_amount numeric(38,2) NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (channel, event_type),
    CONSTRAINT has_payments CHECK (event_count > 0 AND total_amount > 0)
) SERVER lake OPTIONS (path 'metrics/channel_distribution');

INSERT INTO channel_distribution
SELECT channel, event_type, count(*), sum(amount), now()
FROM payments
GROUP BY channel, event_type;

-- ---- out: what was rejected, and why ----

CREATE FOREIGN TABLE rejected (
    id           text,        -- source, partition and offset
    source       text,
    topic        text,
    "partition"  integer,
    "offset"     bigint,
    message_time timestamptz,
    key          bytea,
    epoch        bigint,
    rejected_at  timestamptz,
    rules        text,        -- ids of all broken rules: R070,R110
    error        text,
    watermark    timestamptz, -- of a late event: how far the stream was
    step         text,
    row_key      text,
    raw          bytea        -- the message as it came
) SERVER lake;

INSERT INTO rejected
SELECT id, source, topic, "partition", "offset", message_time, key, epoch, rejected_at, rules, error, watermark, step,
       row_key, raw
FROM bourn.rejected;
