-- Every SELECT must return no row over the published tables. Its first column says what would be wrong.
--
--     bourn verify local.sql transactions.sql --evidence evidence.sql

SELECT 'a transaction is there twice' AS wrong, transaction_id, count(*) AS rows
FROM unique_transactions
GROUP BY transaction_id
HAVING count(*) > 1;

SELECT 'a transaction is not among all that came' AS wrong, transaction_id
FROM unique_transactions u
WHERE NOT EXISTS (
    SELECT FROM all_transactions a WHERE a.transaction_id = u.transaction_id AND a.amount = u.amount
);

SELECT 'an offset was read twice' AS wrong, "partition", "offset", count(*) AS rows
FROM all_transactions
GROUP BY "partition", "offset"
HAVING count(*) > 1;

SELECT 'a category is not the sum of its transactions' AS wrong, category, sum(transactions) AS transactions,
       sum(revenue) AS revenue
FROM (
    SELECT category, transactions, revenue FROM category_totals
    UNION ALL
    SELECT category, -1, -amount FROM unique_transactions
) AS difference
GROUP BY category
HAVING sum(transactions) <> 0 OR sum(revenue) <> 0;

SELECT 'a closed window is not the sum of its transactions' AS wrong, h.window_start, h.category, h.transactions,
       w.transactions AS in_the_table
FROM category_history h
LEFT JOIN (
    SELECT window_start, category, count(*) AS transactions, sum(amount) AS revenue, max(amount) AS highest
    FROM tumble(unique_transactions, "timestamp", interval '5 minutes')
    GROUP BY window_start, category
) AS w ON w.window_start = h.window_start AND w.category = h.category
WHERE h.transactions IS DISTINCT FROM w.transactions
   OR h.revenue IS DISTINCT FROM w.revenue
   OR h.highest IS DISTINCT FROM w.highest;

SELECT 'a window was closed twice' AS wrong, window_start, category, count(*) AS rows
FROM category_history
GROUP BY window_start, category
HAVING count(*) > 1;

SELECT 'a transaction breaks the contract' AS wrong, *
FROM all_transactions
WHERE amount <= 0 OR location NOT IN ('US', 'UK', 'EU', 'APAC');

SELECT 'a transaction lies under another day' AS wrong, *
FROM unique_transactions
WHERE event_date <> "timestamp"::date;

SELECT 'a rejected event names no rule' AS wrong, id, rules
FROM rejected_transactions
WHERE rules IS NULL OR rules = '';
