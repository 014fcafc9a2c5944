-- Nexmark 10: bids with their day and minute, to be kept apart by them.

CREATE FOREIGN TABLE q10 (
    auction   bigint,
    bidder    bigint,
    price     bigint,
    date_time timestamptz,
    extra     text,
    day       text,
    minute    text
) SERVER results OPTIONS (format 'json');

INSERT INTO q10
SELECT auction, bidder, price, date_time, extra, to_char(date_time, 'YYYY-MM-DD'), to_char(date_time, 'HH24:MI')
FROM bid;
