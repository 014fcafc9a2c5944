WITH counted AS (
    SELECT w AS window_start, w + interval '10 s' AS window_end, auction, count(*) AS bids
    FROM bid, generate_series(date_bin('2 s', date_time, 'epoch') - interval '8 s',
                              date_bin('2 s', date_time, 'epoch'), interval '2 s') AS w
    GROUP BY w, auction
)
SELECT window_start, window_end, auction, bids
FROM counted
WHERE closed(window_end) AND (window_start, bids) IN (SELECT window_start, max(bids) FROM counted GROUP BY window_start)
