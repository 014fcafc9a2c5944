-- Nexmark 13: bids with what a table of 10,000 rows knows of their auction.

CREATE TABLE side_input (
    key   bigint PRIMARY KEY,
    value text
);
COPY side_input FROM 'side_input.csv' WITH (FORMAT csv, HEADER true);

CREATE FOREIGN TABLE q13 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    date_time timestamptz,
    value     text
) SERVER results OPTIONS (format 'json');

INSERT INTO q13
SELECT b.auction, b.bidder, b.price, b.date_time, s.value
FROM bid AS b
JOIN side_input AS s ON mod(b.auction, 10000) = s.key;
