-- Payments from Kafka, held to a contract, each once, to a pipe at every epoch: one in a hundred of them, with the time at
-- which its producer sent it.
SET bourn.commit_interval = '1 ms';
CREATE SERVER events FOREIGN DATA WRAPPER kafka
    OPTIONS ("bootstrap.servers" '${KAFKA}', topic '${TOPIC}', start 'latest');

CREATE FOREIGN TABLE transactions (
    event_id   text        NOT NULL,
    event_time timestamptz OPTIONS (watermark '1 day') NOT NULL,
    amount     numeric(18,2) CHECK (amount > 0) NOT NULL,
    nth        bigint      OPTIONS (metadata 'offset'),
    sent       timestamptz OPTIONS (metadata 'timestamp')
) SERVER events;

CREATE FOREIGN TABLE seen (sent timestamptz) SERVER console OPTIONS (format 'json');

INSERT INTO seen
SELECT sent
FROM (SELECT DISTINCT ON (event_id) * FROM transactions) AS once
WHERE mod(nth, 100) = 0;
