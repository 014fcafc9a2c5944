-- Nexmark 7: the highest bid of every 10 seconds.

CREATE FOREIGN TABLE q7 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    date_time timestamptz,
    extra     text
) SERVER results OPTIONS (format 'json');

INSERT INTO q7
SELECT b.auction, b.bidder, b.price, b.date_time, b.extra
FROM bid AS b
JOIN (
    SELECT max(price) AS most, window_start, window_end
    FROM tumble(bid, date_time, interval '10 s')
    GROUP BY window_start, window_end
) AS highest
ON b.price = highest.most AND b.date_time BETWEEN highest.window_start AND highest.window_end;
