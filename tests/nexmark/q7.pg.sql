SELECT b.auction, b.bidder, b.price, b.date_time, b.extra
FROM bid AS b
JOIN (
    SELECT max(price) AS most, date_bin('10 s', date_time, 'epoch') AS window_start
    FROM bid
    GROUP BY 2
    HAVING closed(date_bin('10 s', date_time, 'epoch') + interval '10 s')
) AS highest
ON b.price = highest.most AND b.date_time BETWEEN window_start AND window_start + interval '10 s'
