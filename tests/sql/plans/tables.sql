-- What every case may use.
CREATE SERVER events FOREIGN DATA WRAPPER stream OPTIONS ("bootstrap.servers" 'b1:9092');
CREATE SERVER folder FOREIGN DATA WRAPPER file OPTIONS (path '/data');
CREATE FOREIGN TABLE payments (
    event_id text CONSTRAINT "R010" NOT NULL,
    event_time timestamptz OPTIONS (watermark '1 day') NOT NULL,
    user_id text,
    channel text CONSTRAINT "R100" CHECK (channel IN ('web', 'mobile', 'api')),
    amount numeric(18,2),
    note text,
    CONSTRAINT "R120" CHECK (amount > 0)
) SERVER events;
CREATE FOREIGN TABLE untimed (id text, v bigint) SERVER events;
CREATE FOREIGN TABLE finite (id integer, v bigint, name text) SERVER folder OPTIONS (format 'csv');
CREATE FOREIGN TABLE totals (user_id text PRIMARY KEY, total numeric(38,2), n bigint, at timestamptz) SERVER lake;
CREATE FOREIGN TABLE one_row (id integer PRIMARY KEY, total numeric(38,2)) SERVER lake;
CREATE FOREIGN TABLE log (id text, v bigint, at timestamptz) SERVER lake;
CREATE FOREIGN TABLE out (id bigint, name text) SERVER console;
CREATE FOREIGN TABLE dead (source text, rules text, raw bytea) SERVER lake;
