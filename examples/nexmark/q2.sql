-- Nexmark 2: bids for some auctions.

CREATE FOREIGN TABLE q2 (
    auction bigint,
    price   bigint
) SERVER results OPTIONS (format 'json');

INSERT INTO q2
SELECT auction, price
FROM bid
WHERE mod(auction, 123) = 0;
