-- Nexmark 1: prices in another currency.

CREATE FOREIGN TABLE q1 (
    auction   bigint,
    bidder    bigint,
    price     numeric(23,3),
    date_time timestamptz,
    extra     text
) SERVER results OPTIONS (format 'json');

INSERT INTO q1
SELECT auction, bidder, 0.908 * price, date_time, extra
FROM bid;
