-- Nexmark 8: persons who opened an auction in the 10 seconds in which they came.

CREATE FOREIGN TABLE q8 (
    id           bigint,
    name         text,
    window_start timestamptz
) SERVER results OPTIONS (format 'json');

INSERT INTO q8
SELECT p.id, p.name, p.window_start
FROM (
    SELECT id, name, window_start, window_end
    FROM tumble(person, date_time, interval '10 s')
    GROUP BY id, name, window_start, window_end
) AS p
JOIN (
    SELECT seller, window_start, window_end
    FROM tumble(auction, date_time, interval '10 s')
    GROUP BY seller, window_start, window_end
) AS a
ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end;
