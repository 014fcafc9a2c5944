-- Nexmark 0: bids as they are.

CREATE FOREIGN TABLE q0 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    date_time timestamptz,
    extra     text
) SERVER results OPTIONS (format 'json');

INSERT INTO q0
SELECT auction, bidder, price, date_time, extra
FROM bid;
