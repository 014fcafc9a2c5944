-- Nexmark 12: bids of each bidder in every 10 seconds of the clock.

CREATE FOREIGN TABLE q12 (
    bidder       bigint,
    bids         bigint,
    window_start timestamptz,
    window_end   timestamptz
) SERVER results OPTIONS (format 'json');

INSERT INTO q12
SELECT bidder, count(*), window_start, window_end
FROM tumble(bid, now(), interval '10 s')
GROUP BY bidder, window_start, window_end;
