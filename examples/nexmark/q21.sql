-- Nexmark 21: a number for each channel: of the big ones a known one, of others what their page's address says.

CREATE FOREIGN TABLE q21 (
    auction    bigint,
    bidder     bigint,
    price      bigint,
    channel    text,
    channel_id text
) SERVER results OPTIONS (format 'json');

INSERT INTO q21
SELECT
    auction,
    bidder,
    price,
    channel,
    CASE lower(channel)
        WHEN 'apple' THEN '0'
        WHEN 'google' THEN '1'
        WHEN 'facebook' THEN '2'
        WHEN 'baidu' THEN '3'
        ELSE substring(url FROM '(?:&|^)channel_id=([^&]*)')
    END
FROM bid
WHERE substring(url FROM '(?:&|^)channel_id=([^&]*)') IS NOT NULL
   OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');
