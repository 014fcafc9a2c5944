-- Nexmark 11: bids of each bidder, from one pause of 10 seconds to the next.

CREATE FOREIGN TABLE q11 (
    bidder       bigint,
    bids         bigint,
    window_start timestamptz,
    window_end   timestamptz
) SERVER results OPTIONS (format 'json');

INSERT INTO q11
SELECT bidder, count(*), window_start, window_end
FROM session(bid, date_time, interval '10 s', bidder)
GROUP BY bidder, window_start, window_end;
