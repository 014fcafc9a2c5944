-- Nexmark 17: per auction and day, the bids and their prices.

CREATE FOREIGN TABLE q17 (
    auction    bigint,
    day        text,
    total_bids bigint,
    rank1_bids bigint,
    rank2_bids bigint,
    rank3_bids bigint,
    min_price  bigint,
    max_price  bigint,
    avg_price  numeric(38,6),
    sum_price  numeric(38,0),
    PRIMARY KEY (auction, day)
) SERVER results OPTIONS (format 'json');

INSERT INTO q17
SELECT
    auction,
    to_char(date_time, 'YYYY-MM-DD'),
    count(*),
    count(*) FILTER (WHERE price < 10000),
    count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
    count(*) FILTER (WHERE price >= 1000000),
    min(price),
    max(price),
    avg(price),
    sum(price)
FROM bid
GROUP BY auction, to_char(date_time, 'YYYY-MM-DD');
