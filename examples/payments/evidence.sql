-- The proof: every SELECT must return no row over the published tables. Its first column says what would be wrong.
--
--     bourn verify local.sql payments.sql --evidence evidence.sql

SELECT 'net_flow has more than one row' AS wrong, count(*) AS rows
FROM net_flow
HAVING count(*) > 1;

SELECT 'net flow is not deposits minus withdrawals' AS wrong, *
FROM net_flow
WHERE net_flow <> total_deposits - total_withdrawals;

SELECT 'an average is not total by count' AS wrong, *
FROM net_flow
WHERE avg_deposit IS DISTINCT FROM round(total_deposits / NULLIF(deposit_count, 0), 6)
   OR avg_withdrawal IS DISTINCT FROM round(total_withdrawals / NULLIF(withdrawal_count, 0), 6);

SELECT 'the ratio is not deposits by withdrawals' AS wrong, *
FROM net_flow
WHERE deposit_to_withdrawal_ratio IS DISTINCT FROM round(total_deposits / NULLIF(total_withdrawals, 0), 6);

SELECT 'the users do not add up to the net flow' AS wrong, sum(deposits) AS deposits, sum(withdrawals) AS withdrawals,
       sum(deposit_count) AS deposit_count, sum(withdrawal_count) AS withdrawal_count
FROM (
    SELECT total_deposits AS deposits, total_withdrawals AS withdrawals, deposit_count, withdrawal_count FROM net_flow
    UNION ALL
    SELECT -total_deposits, -total_withdrawals, -deposit_count, -withdrawal_count FROM user_metrics
) AS difference
HAVING sum(deposits) <> 0 OR sum(withdrawals) <> 0 OR sum(deposit_count) <> 0 OR sum(withdrawal_count) <> 0;

SELECT 'the channels do not add up to the net flow' AS wrong, event_type, sum(amount) AS amount, sum(events) AS events
FROM (
    SELECT 'deposit_completed' AS event_type, total_deposits AS amount, deposit_count AS events FROM net_flow
    UNION ALL
    SELECT 'withdrawal_completed', total_withdrawals, withdrawal_count FROM net_flow
    UNION ALL
    SELECT event_type, -total_amount, -event_count FROM channel_distribution
) AS difference
GROUP BY event_type
HAVING sum(amount) <> 0 OR sum(events) <> 0;

-- bourn.ledger is read as of the same epoch as the tables.
SELECT 'the accepted events, less late ones and duplicates, are not those in the net flow' AS wrong,
       sum(accepted) AS accepted, sum(left_out) AS left_out, sum(counted) AS counted
FROM (
    SELECT rows_out AS accepted, 0 AS left_out, 0 AS counted FROM bourn.ledger WHERE kind = 'source'
    UNION ALL
    SELECT 0, late + duplicate + error, 0 FROM bourn.ledger WHERE kind = 'step'
    UNION ALL
    SELECT 0, 0, deposit_count + withdrawal_count FROM net_flow
) AS events
HAVING sum(accepted) - sum(left_out) <> sum(counted);

SELECT 'the rejected and late events are not those among the dead letters' AS wrong, sum(counted) AS counted,
       sum(kept) AS kept
FROM (
    SELECT rejected + late + error AS counted, 0 AS kept FROM bourn.ledger
    UNION ALL
    SELECT 0, 1 FROM rejected
) AS letters
HAVING sum(counted) <> sum(kept);

SELECT 'there are more than six channel rows' AS wrong, count(*) AS rows
FROM channel_distribution
HAVING count(*) > 6;

SELECT 'a channel or type breaks the contract' AS wrong, *
FROM channel_distribution
WHERE channel NOT IN ('web', 'mobile', 'api') OR event_type NOT IN ('deposit_completed', 'withdrawal_completed');

SELECT 'a user was last seen before being first seen' AS wrong, *
FROM user_metrics
WHERE last_seen < first_seen;

SELECT 'a user has no payments' AS wrong, *
FROM user_metrics
WHERE deposit_count + withdrawal_count <= 0 OR deposit_count < 0 OR withdrawal_count < 0;

SELECT 'two rows are of one user' AS wrong, user_id, count(*) AS rows
FROM user_metrics
GROUP BY user_id
HAVING count(*) > 1;

SELECT 'a rejected event names no rule' AS wrong, id, rules
FROM rejected
WHERE rules IS NULL OR rules = '';

SELECT 'an event was rejected twice at one step' AS wrong, id, coalesce(step, 'contract') AS at, count(*) AS rows
FROM rejected
GROUP BY id, coalesce(step, 'contract')
HAVING count(*) > 1;
