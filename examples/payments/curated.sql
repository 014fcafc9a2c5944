-- The accepted events themselves, appended to a table partitioned by day. Put it behind payments.sql:
--
--     bourn run local.sql payments.sql curated.sql

CREATE FOREIGN TABLE curated_events (
    event_date     date NOT NULL,
    event_id       text NOT NULL,
    event_time     timestamptz NOT NULL,
    user_id        text NOT NULL,
    event_type     text NOT NULL,
    channel        text NOT NULL,
    currency       text NOT NULL,
    amount         numeric(18,2) NOT NULL,
    schema_version integer NOT NULL
) SERVER lake OPTIONS (path 'curated/events', partition_by 'event_date');

INSERT INTO curated_events
SELECT event_time::date, event_id, event_time, user_id, event_type, channel, currency, amount, schema_version
FROM payments;
