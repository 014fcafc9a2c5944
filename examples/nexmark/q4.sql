-- Nexmark 4: the average winning price of each category.

CREATE FOREIGN TABLE q4 (
    category bigint PRIMARY KEY,
    average  numeric(38,6)
) SERVER results OPTIONS (format 'json');

INSERT INTO q4
SELECT category, avg(final)
FROM (
    SELECT max(b.price) AS final, a.category
    FROM auction AS a
    JOIN bid AS b ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
    GROUP BY a.id, a.category
) AS winning
GROUP BY category;
