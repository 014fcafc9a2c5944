-- Nexmark 18: the last bid of each bidder for each auction. Of two in one millisecond it is the one that came first.

CREATE FOREIGN TABLE q18 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    channel   text,
    url       text,
    date_time timestamptz,
    extra     text,
    PRIMARY KEY (bidder, auction)
) SERVER results OPTIONS (format 'json');

INSERT INTO q18
SELECT auction, bidder, price, channel, url, date_time, extra
FROM (
    SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) AS place
    FROM bid
) AS ranked
WHERE place = 1;
