-- Every SELECT must return no row over the published tables. Its first column says what would be wrong.
--
--     bourn verify local.sql transactions.sql --evidence evidence.sql

SELECT 'a transaction is there twice' AS wrong, transaction_id, count(*) AS rows
FROM all_transactions
GROUP BY transaction_id
HAVING count(*) > 1;

SELECT 'a category is not the sum of its transactions' AS wrong, category, sum(transactions) AS transactions,
       sum(revenue) AS revenue
FROM (
    SELECT category, transactions, revenue FROM category_totals
    UNION ALL
    SELECT category, -1, -amount FROM all_transactions
) AS difference
GROUP BY category
HAVING sum(transactions) <> 0 OR sum(revenue) <> 0;

SELECT 'a transaction breaks the contract' AS wrong, *
FROM all_transactions
WHERE amount <= 0 OR location NOT IN ('US', 'UK', 'EU', 'APAC');

SELECT 'a transaction lies under another day' AS wrong, *
FROM all_transactions
WHERE event_date <> "timestamp"::date;

SELECT 'a rejected event names no rule' AS wrong, id, rules
FROM rejected_transactions
WHERE rules IS NULL OR rules = '';
