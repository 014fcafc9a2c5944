-- Nexmark 3: who sells in category 10 from three states.

CREATE FOREIGN TABLE q3 (
    name  text,
    city  text,
    state text,
    id    bigint
) SERVER results OPTIONS (format 'json');

INSERT INTO q3
SELECT p.name, p.city, p.state, a.id
FROM auction AS a
JOIN person AS p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');
