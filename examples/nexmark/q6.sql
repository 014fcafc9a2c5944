-- Nexmark 6: the average price of the last ten auctions that a seller had sold, and of this one.

CREATE FOREIGN TABLE q6 (
    seller  bigint,
    auction bigint PRIMARY KEY,
    average numeric(38,6)
) SERVER results OPTIONS (format 'json');

INSERT INTO q6
SELECT seller, id, avg(price) OVER (
    PARTITION BY seller ORDER BY bid_time, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
FROM (
    SELECT a.id, a.seller, b.price, b.date_time AS bid_time,
           row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder, b.extra) AS place
    FROM auction AS a
    JOIN bid AS b ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
) AS ranked
WHERE place = 1;
