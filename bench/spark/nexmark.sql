-- Nexmark for Spark Structured Streaming, a SELECT each over the views of nexmark.py; what it selects is thrown away
-- (q10: goes into files). Where Spark cannot run a query as a stream, what it says is the result.

-- q0
SELECT auction, bidder, price, date_time, extra FROM bid;

-- q1
SELECT auction, bidder, price * 0.908 AS price, date_time, extra FROM bid;

-- q2
SELECT auction, price FROM bid WHERE auction % 123 = 0;

-- q3
SELECT p.name, p.city, p.state, a.id
FROM auction AS a JOIN person AS p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');

-- q4
SELECT category, avg(final) AS average
FROM (
    SELECT a.id, a.category, max(b.price) AS final
    FROM auction AS a JOIN bid AS b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires
    GROUP BY a.id, a.category
) AS won
GROUP BY category;

-- q5
WITH counted AS (
    SELECT auction, count(*) AS bids, window
    FROM bid
    GROUP BY auction, window(date_time, '10 seconds', '2 seconds')
)
SELECT c.auction, c.bids, c.window
FROM counted AS c
JOIN (SELECT max(bids) AS most, window(window, '2 seconds') AS slide, max(window) AS window
      FROM counted GROUP BY window(window, '2 seconds')) AS m
    ON c.window = m.window AND c.bids >= m.most;

-- q6
SELECT seller, avg(final) OVER (PARTITION BY seller ORDER BY date_time ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
FROM (
    SELECT a.seller, b.price AS final, b.date_time,
           row_number() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC) AS nth
    FROM auction AS a JOIN bid AS b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires
) AS bids
WHERE nth <= 1;

-- q7
SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid AS b
JOIN (SELECT highest, window_time(window) AS last_moment
      FROM (SELECT max(price) AS highest, window FROM bid GROUP BY window(date_time, '10 seconds')) AS highs) AS w
    ON b.price = w.highest AND b.date_time > w.last_moment - INTERVAL '10' SECOND AND b.date_time <= w.last_moment;

-- q8
SELECT p.id, p.name, p.window.start
FROM (SELECT id, name, window FROM person GROUP BY id, name, window(date_time, '10 seconds')) AS p
JOIN (SELECT seller, window FROM auction GROUP BY seller, window(date_time, '10 seconds')) AS a
    ON p.id = a.seller AND p.window = a.window;

-- q9
SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra, auction, bidder,
       price, bid_time, bid_extra
FROM (
    SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_time, b.extra AS bid_extra,
           row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS nth
    FROM auction AS a JOIN bid AS b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires
) AS bids
WHERE nth <= 1;

-- q10
SELECT auction, bidder, price, date_time, extra, date_format(date_time, 'yyyy-MM-dd') AS dt,
       date_format(date_time, 'HH:mm') AS hm
FROM bid;

-- q11
SELECT bidder, count(*) AS bids, session_window
FROM bid
GROUP BY bidder, session_window(date_time, '10 seconds');

-- q12
SELECT bidder, count(*) AS bids, window
FROM (SELECT bidder, current_timestamp() AS p_time FROM bid) AS timed
GROUP BY bidder, window(p_time, '10 seconds');

-- q13
SELECT auction, bidder, price, date_time, side.value AS side FROM bid JOIN side ON auction % 10000 = side.key;

-- q14
SELECT auction, bidder, price * 0.908 AS price,
       CASE WHEN hour(date_time) BETWEEN 8 AND 18 THEN 'dayTime'
            WHEN hour(date_time) <= 6 OR hour(date_time) >= 20 THEN 'nightTime'
            ELSE 'otherTime' END AS bid_time_type,
       date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
FROM bid
WHERE price * 0.908 > 1000000 AND price * 0.908 < 50000000;

-- q15
SELECT date_format(date_time, 'yyyy-MM-dd') AS bid_day, count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid
GROUP BY date_format(date_time, 'yyyy-MM-dd');

-- q16
SELECT channel, date_format(date_time, 'yyyy-MM-dd') AS bid_day, max(date_format(date_time, 'HH:mm')) AS last_minute,
       count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid
GROUP BY channel, date_format(date_time, 'yyyy-MM-dd');

-- q17
SELECT auction, date_format(date_time, 'yyyy-MM-dd') AS bid_day, count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
FROM bid
GROUP BY auction, date_format(date_time, 'yyyy-MM-dd');

-- q18
SELECT auction, bidder, price, channel, url, date_time, extra
FROM (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) AS nth FROM bid) AS ranked
WHERE nth <= 1;

-- q19
SELECT *
FROM (
    SELECT auction, bidder, price, channel, url, date_time, extra,
           row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS nth
    FROM bid
) AS ranked
WHERE nth <= 10;

-- q20
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time AS bid_time, b.extra AS bid_extra, a.item_name,
       a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category, a.extra
FROM bid AS b JOIN auction AS a ON b.auction = a.id
WHERE a.category = 10;

-- q21
SELECT auction, bidder, price, channel,
       CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
FROM bid
WHERE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) != ''
   OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');

-- q22
SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2,
       split_part(url, '/', 6) AS dir3
FROM bid;
