-- Nexmark 5: the auctions with most bids in the last 10 seconds, every 2 seconds. Those with equally many are all there.

CREATE FOREIGN TABLE q5 (
    window_start timestamptz,
    window_end   timestamptz,
    auction      bigint,
    bids         bigint
) SERVER results OPTIONS (format 'json');

INSERT INTO q5
SELECT counted.window_start, counted.window_end, counted.auction, counted.bids
FROM (
    SELECT auction, count(*) AS bids, window_start, window_end
    FROM hop(bid, date_time, interval '2 s', interval '10 s')
    GROUP BY auction, window_start, window_end
) AS counted
JOIN (
    SELECT max(bids) AS most, window_start, window_end
    FROM (
        SELECT auction, count(*) AS bids, window_start, window_end
        FROM hop(bid, date_time, interval '2 s', interval '10 s')
        GROUP BY auction, window_start, window_end
    ) AS again
    GROUP BY window_start, window_end
) AS hottest
ON counted.window_start = hottest.window_start AND counted.window_end = hottest.window_end
   AND counted.bids >= hottest.most;
