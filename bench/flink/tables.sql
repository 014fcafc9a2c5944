-- The events of Nexmark, a JSON object a line, and the three streams in them. ${EVENTS} says where they are: files or
-- partitions of a topic, each read by one task, in order.
CREATE TABLE events (
    event_type INT,
    person ROW<id BIGINT, name STRING, email_address STRING, credit_card STRING, city STRING, state STRING,
               date_time TIMESTAMP_LTZ(3), extra STRING>,
    auction ROW<id BIGINT, item_name STRING, description STRING, initial_bid BIGINT, reserve BIGINT,
                date_time TIMESTAMP_LTZ(3), expires TIMESTAMP_LTZ(3), seller BIGINT, category BIGINT, extra STRING>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, date_time TIMESTAMP_LTZ(3),
            extra STRING>,
    date_time AS CASE event_type WHEN 0 THEN person.date_time WHEN 1 THEN auction.date_time ELSE bid.date_time END,
    p_time AS PROCTIME(),
    WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND
) WITH (${EVENTS}, 'format' = 'json',
        'json.timestamp-format.standard' = 'ISO-8601');

CREATE TEMPORARY VIEW person AS
SELECT person.id AS id, person.name AS name, person.email_address AS email_address, person.credit_card AS credit_card,
       person.city AS city, person.state AS state, date_time, person.extra AS extra
FROM events WHERE event_type = 0;

CREATE TEMPORARY VIEW auction AS
SELECT auction.id AS id, auction.item_name AS item_name, auction.description AS description,
       auction.initial_bid AS initial_bid, auction.reserve AS reserve, date_time, auction.expires AS expires,
       auction.seller AS seller, auction.category AS category, auction.extra AS extra
FROM events WHERE event_type = 1;

CREATE TEMPORARY VIEW bid AS
SELECT bid.auction AS auction, bid.bidder AS bidder, bid.price AS price, bid.channel AS channel, bid.url AS url,
       date_time, p_time, bid.extra AS extra
FROM events WHERE event_type = 2;
