-- Nexmark 14: bids of middling price, the time of day, and a count of letters.

CREATE FOREIGN TABLE q14 (
    auction   bigint,
    bidder    bigint,
    price     numeric(23,3),
    time_type text,
    date_time timestamptz,
    extra     text,
    c_counts  bigint
) SERVER results OPTIONS (format 'json');

INSERT INTO q14
SELECT
    auction,
    bidder,
    0.908 * price,
    CASE
        WHEN extract(hour FROM date_time) >= 8 AND extract(hour FROM date_time) <= 18 THEN 'dayTime'
        WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'nightTime'
        ELSE 'otherTime'
    END,
    date_time,
    extra,
    length(extra) - length(replace(extra, 'c', ''))
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
