-- Kafka, into a lake on this machine. KAFKA: brokers, host:port with commas between; TOPIC: by default transactions.
-- START: earliest, or latest for what comes from now on. Any option of librdkafka may be added under its own name; for SASL_SSL:
--
--     "security.protocol" 'SASL_SSL', "sasl.mechanism" 'PLAIN', "ssl.ca.location" 'ca.pem'
--
-- and name and password as references to variables:
--
--     CREATE USER MAPPING FOR CURRENT_USER SERVER events
--         OPTIONS ("sasl.username" 'env:KAFKA_USER', "sasl.password" 'env:KAFKA_PASSWORD');
CREATE SERVER events FOREIGN DATA WRAPPER kafka OPTIONS (
    "bootstrap.servers" '${KAFKA}',
    topic '${TOPIC:-transactions}',
    "group.id" '${GROUP:-bourn-transactions}', -- where lag tools see how far we are; the positions are in bourn's log
    start '${START:-earliest}',                -- where a new state begins
    on_lost_offsets 'error',                   -- messages deleted before they were read: stop and say so, or 'earliest'
    "socket.timeout.ms" '60000'
);
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
