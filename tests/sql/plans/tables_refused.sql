-- case: columns
CREATE FOREIGN TABLE a (x numeric) SERVER events;
CREATE FOREIGN TABLE b (x numeric(50,2)) SERVER events;
CREATE FOREIGN TABLE c (x text, x text) SERVER events;
CREATE FOREIGN TABLE d (x smallint) SERVER events;
CREATE FOREIGN TABLE e (x text[][]) SERVER events;
CREATE FOREIGN TABLE f (x varchar(10)) SERVER events;
CREATE FOREIGN TABLE g (x integer DEFAULT 1) SERVER events;
CREATE FOREIGN TABLE h (x text COLLATE "de_DE") SERVER events;
CREATE FOREIGN TABLE i () SERVER events;
CREATE FOREIGN TABLE j (x text UNIQUE) SERVER events;
CREATE FOREIGN TABLE k (x integer GENERATED ALWAYS AS (1) STORED) SERVER events;
CREATE FOREIGN TABLE l (x timestamptz(3)) SERVER events;
CREATE FOREIGN TABLE bourn.m (x text) SERVER events;
CREATE FOREIGN TABLE other.n (x text) SERVER events;
CREATE FOREIGN TABLE payments (x text) SERVER events;
-- case: constraints
CREATE FOREIGN TABLE a (x integer, CONSTRAINT r CHECK (x)) SERVER events;
CREATE FOREIGN TABLE b (x integer, CONSTRAINT r CHECK (y > 0)) SERVER events;
CREATE FOREIGN TABLE c (x integer, CONSTRAINT r CHECK (x > 0), CONSTRAINT r CHECK (x > 1)) SERVER events;
CREATE FOREIGN TABLE d (x integer, CHECK (sum(x) > 0)) SERVER events;
CREATE FOREIGN TABLE e (x integer, PRIMARY KEY (y)) SERVER lake;
CREATE FOREIGN TABLE f (x integer PRIMARY KEY, PRIMARY KEY (x)) SERVER lake;
CREATE FOREIGN TABLE g (x integer, PRIMARY KEY (x, x)) SERVER lake;
CREATE FOREIGN TABLE h (x integer NOT NULL NOT NULL) SERVER lake;
CREATE FOREIGN TABLE i (x integer NOT NULL OPTIONS (watermark '1 day')) SERVER events;
CREATE FOREIGN TABLE j (x integer REFERENCES k (x)) SERVER events;
-- case: time columns and metadata
CREATE FOREIGN TABLE a (x text OPTIONS (watermark '1 day')) SERVER events;
CREATE FOREIGN TABLE b (x timestamptz OPTIONS (watermark '1 day'), y timestamptz OPTIONS (watermark '1 day')) SERVER events;
CREATE FOREIGN TABLE c (x timestamptz OPTIONS (watermark '1 month')) SERVER events;
CREATE FOREIGN TABLE d (x timestamptz OPTIONS (watermrk '1 day')) SERVER events;
CREATE FOREIGN TABLE e (x bigint OPTIONS (metadata 'ofset')) SERVER events;
CREATE FOREIGN TABLE f (x text OPTIONS (metadata 'offset')) SERVER events;
CREATE FOREIGN TABLE g (x bigint OPTIONS (metadata 'offset')) SERVER folder;
CREATE FOREIGN TABLE h (x timestamptz OPTIONS (watermark '1 day')) SERVER lake;
INSERT INTO h SELECT event_time FROM payments;
-- case: options
CREATE SERVER a FOREIGN DATA WRAPPER stream OPTIONS (bootstrap_servers 'x');
CREATE SERVER b FOREIGN DATA WRAPPER stream OPTIONS (topic '${');
CREATE SERVER c FOREIGN DATA WRAPPER stream OPTIONS (topic '${NOT_SET}');
CREATE SERVER d FOREIGN DATA WRAPPER stream OPTIONS (topic '${1X}');
CREATE SERVER e FOREIGN DATA WRAPPER stream OPTIONS (password 'env:X');
CREATE SERVER events FOREIGN DATA WRAPPER stream;
CREATE USER MAPPING FOR CURRENT_USER SERVER events OPTIONS (password 'hunter2');
CREATE USER MAPPING FOR CURRENT_USER SERVER evnets OPTIONS (password 'env:X');
CREATE FOREIGN TABLE t (x text) SERVER events OPTIONS (start 'late');
CREATE FOREIGN TABLE u (x text) SERVER events OPTIONS (format 'jsn');
CREATE FOREIGN TABLE v (x text) SERVER folder OPTIONS (format 'csv', headr 'true');
CREATE FOREIGN TABLE w (x text) SERVER file;
INSERT INTO log (id) SELECT x FROM w;
CREATE FOREIGN TABLE x (x text) SERVER lake OPTIONS (commit_interval 'soon');
CREATE FOREIGN TABLE y (x text) SERVER lake OPTIONS (dedup_horizon '1 day');
INSERT INTO y SELECT event_id FROM payments;
-- case: settings
SET bourn.epoch_interva = '1 s';
SET bourn.epoch_interval = 'soon';
SET bourn.on_error = 'ignore';
SET search_path = 'x';
SET bourn.epoch_interval TO DEFAULT;
SET LOCAL bourn.epoch_interval = '1 s', '2 s';
-- case: a secret never shows
CREATE SERVER z FOREIGN DATA WRAPPER stream;
CREATE USER MAPPING FOR CURRENT_USER SERVER z OPTIONS (password 'env:SECRET');
CREATE FOREIGN TABLE zt (a text) SERVER z;
INSERT INTO log (id) SELECT a FROM zt;
