-- Nexmark 20: bids for auctions of category 10, with what is known of the auction.

CREATE FOREIGN TABLE q20 (
    auction      bigint,
    bidder       bigint,
    price        bigint,
    channel      text,
    url          text,
    bid_time     timestamptz,
    bid_extra    text,
    item_name    text,
    description  text,
    initial_bid  bigint,
    reserve      bigint,
    auction_time timestamptz,
    expires      timestamptz,
    seller       bigint,
    category     bigint,
    extra        text
) SERVER results OPTIONS (format 'json');

INSERT INTO q20
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra, a.item_name, a.description, a.initial_bid,
       a.reserve, a.date_time, a.expires, a.seller, a.category, a.extra
FROM bid AS b
JOIN auction AS a ON b.auction = a.id
WHERE a.category = 10;
