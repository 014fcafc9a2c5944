-- Nexmark 9: the winning bid of each auction.

CREATE FOREIGN TABLE q9 (
    id          bigint PRIMARY KEY,
    item_name   text,
    description text,
    initial_bid bigint,
    reserve     bigint,
    date_time   timestamptz,
    expires     timestamptz,
    seller      bigint,
    category    bigint,
    extra       text,
    auction     bigint,
    bidder      bigint,
    price       bigint,
    bid_time    timestamptz,
    bid_extra   text
) SERVER results OPTIONS (format 'json');

INSERT INTO q9
SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra,
       auction, bidder, price, bid_time, bid_extra
FROM (
    SELECT a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category, a.extra,
           b.auction, b.bidder, b.price, b.date_time AS bid_time, b.extra AS bid_extra,
           row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder, b.extra) AS place
    FROM auction AS a
    JOIN bid AS b ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
) AS ranked
WHERE place = 1;
