-- Nexmark on made-up events; results are printed. 10,000 of them make a second of event time, of which three pass in one of
-- ours: what windows give is seen soon. RATE: events a second (0: as fast as they are taken); SEED: which ones.
--
--     bourn run generator.sql q5.sql
CREATE SERVER events FOREIGN DATA WRAPPER generator
    OPTIONS (generator 'nexmark', rate '${RATE:-30000}', seed '${SEED:-1}');
CREATE SERVER results FOREIGN DATA WRAPPER console;

-- ---- the same in generator.sql, kafka.sql and file.sql: the events, and what they are about ----

CREATE FOREIGN TABLE events (
    event_type    integer,  -- 0: a person, 1: an auction, 2: a bid
    date_time     timestamptz OPTIONS (watermark '4 s'),
    extra         text,
    id            bigint,   -- of a person or an auction
    name          text,
    email_address text,
    credit_card   text,
    city          text,
    state         text,
    item_name     text,
    description   text,
    initial_bid   bigint,
    reserve       bigint,
    expires       timestamptz,
    seller        bigint,
    category      bigint,
    auction       bigint,
    bidder        bigint,
    price         bigint,
    channel       text,
    url           text
) SERVER events OPTIONS (format 'json', flatten 'person auction bid');

CREATE VIEW person AS
SELECT id, name, email_address, credit_card, city, state, date_time, extra
FROM events
WHERE event_type = 0;

CREATE VIEW auction AS
SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra
FROM events
WHERE event_type = 1;

CREATE VIEW bid AS
SELECT auction, bidder, price, channel, url, date_time, extra
FROM events
WHERE event_type = 2;
