-- Nexmark 19: the ten highest bids of each auction. Of two equal ones the one that came first is before the other.

CREATE FOREIGN TABLE q19 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    channel   text,
    url       text,
    date_time timestamptz,
    extra     text,
    place     bigint,
    PRIMARY KEY (auction, place)
) SERVER results OPTIONS (format 'json');

INSERT INTO q19
SELECT auction, bidder, price, channel, url, date_time, extra, place
FROM (
    SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS place
    FROM bid
) AS ranked
WHERE place <= 10;
