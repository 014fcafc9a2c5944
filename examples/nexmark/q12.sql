-- Nexmark 12: bids of each bidder in every 10 seconds of the clock: of the time at which they were read.

CREATE FOREIGN TABLE bids_as_read (
    event_type integer,
    bidder     bigint,
    read_at    timestamptz OPTIONS (metadata 'ingestion_time', watermark '0 s')
) SERVER events OPTIONS (format 'json', flatten 'person auction bid');

CREATE VIEW bid_as_read AS
SELECT bidder, read_at
FROM bids_as_read
WHERE event_type = 2;

CREATE FOREIGN TABLE q12 (
    bidder       bigint,
    bids         bigint,
    window_start timestamptz,
    window_end   timestamptz
) SERVER results OPTIONS (format 'json');

INSERT INTO q12
SELECT bidder, count(*), window_start, window_end
FROM tumble(bid_as_read, read_at, interval '10 s')
GROUP BY bidder, window_start, window_end;
