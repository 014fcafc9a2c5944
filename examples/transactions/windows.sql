-- What sells by the minute. Put it behind transactions.sql:
--
--     bourn run local.sql transactions.sql windows.sql

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
) SERVER console OPTIONS (mode 'complete', num_rows '20', truncate 'false', commit_interval '10 s');

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
) SERVER console OPTIONS (mode 'complete', num_rows '20', truncate 'false', commit_interval '10 s');

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
) SERVER lake OPTIONS (path 'category_history', commit_interval '1 minute');

INSERT INTO category_history
SELECT window_start, window_end, category, count(*), sum(amount), avg(amount), max(amount)
FROM tumble(once, "timestamp", interval '5 minutes')
GROUP BY window_start, window_end, category;
