SELECT bidder, count(*), min(date_time), max(date_time) + interval '10 s'
FROM (
    SELECT bidder, date_time, count(*) FILTER (WHERE begins) OVER (PARTITION BY bidder ORDER BY date_time, n) AS session
    FROM (
        SELECT bidder, date_time, n,
               date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time, n) > interval '10 s' AS begins
        FROM bid
    ) AS gaps
) AS sessions
GROUP BY bidder, session
HAVING closed(max(date_time) + interval '10 s')
