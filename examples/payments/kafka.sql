-- Kafka, into a lake on this machine. KAFKA: brokers, host:port with commas between; TOPIC: by default transactions.
-- Any option of librdkafka may be added under its own name, secrets as references: "ssl.ca.location" '...' .
CREATE SERVER events FOREIGN DATA WRAPPER kafka OPTIONS ("bootstrap.servers" '${KAFKA}', topic '${TOPIC:-transactions}');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
