/* The events of Nexmark, an auction site (events.h): of 50 events one is a person, three are auctions, 46 are bids.
 *
 *   {"event_type":0,"person":{"id":1000,"name":"...","email_address":"...","credit_card":"...","city":"...",
 *    "state":"...","date_time":"2020-01-01T00:00:00.000Z","extra":"..."},"auction":null,"bid":null}
 *   {"event_type":1,"person":null,"auction":{"id":1000,"item_name":"...","description":"...","initial_bid":1,
 *    "reserve":2,"date_time":"...","expires":"...","seller":1000,"category":10,"extra":"..."},"bid":null}
 *   {"event_type":2,"person":null,"auction":null,"bid":{"auction":1000,"bidder":1000,"price":1,"channel":"...",
 *    "url":"...","date_time":"...","extra":"..."}}
 *
 * Ids ascend from 1000. A bid is for the hot auction (the last whose number divides by 100) in one of two cases, else
 * for one of the last hundred or of ten that are still to come; its bidder is the hot one (a person's number that
 * divides by 100, plus 1) in three of four, else one of the last thousand or of ten to come; an auction's seller
 * likewise. Prices are 10^(6u) dollars in cents; an auction lasts up to twice the time of 1,666 events.
 */
#include "base/hash.h"
#include "source/event_text.h"

enum {
    ROUND = 50, /* events: PERSONS, then AUCTIONS, then bids */
    PERSONS = 1,
    AUCTIONS = 3,
    FIRST_ID = 1000,
    ACTIVE_PERSONS = 1000,
    OPEN_AUCTIONS = 100,
    LEAD = 10, /* ids that are still to come */
    HOT_EVERY = 100,
    OPEN_FOR = OPEN_AUCTIONS * ROUND / AUCTIONS, /* events */
    CATEGORIES = 5,
    CHANNELS = 10000,
    HOT_CHANNELS = 4,
    PERSON_SIZE = 200,
    AUCTION_SIZE = 500,
    BID_SIZE = 100,
    NEXMARK_BYTES = 1280
};

/* ---- random ---- */

struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *d)
{
    d->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(d->state);
}

static uint64_t below(struct dice *d, uint64_t n)
{
    return (uint64_t)((uint128)roll(d) * n >> 64);
}

static struct dice dice_of(const struct events *e, uint64_t n)
{
    return (struct dice){hash_mix(hash_mix(e->seed + 1) ^ hash_mix(n))};
}

/* 2^x for 0 <= x < 1, from products and sums alone: the same digits on every machine. */
static double exp2_fraction(double x)
{
    double y = x * 0.69314718055994531, sum = 1;
    for (int i = 14; i > 0; i--)
        sum = 1 + sum * y / i;
    return sum;
}

/* Cents: 10^(6u) dollars. */
static uint64_t random_price(struct dice *d)
{
    double u = (double)(roll(d) >> 11) * 0x1p-53, power = u * 6 * 3.3219280948873623;
    unsigned whole = (unsigned)power;
    return (uint64_t)(exp2_fraction(power - whole) * (double)(UINT64_C(1) << whole) * 100 + 0.5);
}

/* ---- ids ---- */

/* Numbers from 0: of the last person and the last auction up to event n. */
static uint64_t last_person(uint64_t n)
{
    return n / ROUND;
}

static uint64_t last_auction(uint64_t n)
{
    uint64_t round = n / ROUND, at = n % ROUND;
    if (at < PERSONS)
        return round > 0 ? round * AUCTIONS - 1 : 0;
    return round * AUCTIONS + MIN(at - PERSONS, AUCTIONS - 1);
}

static uint64_t random_person(struct dice *d, uint64_t n)
{
    uint64_t persons = last_person(n) + 1, active = MIN(persons, ACTIVE_PERSONS);
    return persons - active + below(d, active + LEAD);
}

static uint64_t random_auction(struct dice *d, uint64_t n)
{
    uint64_t last = last_auction(n), least = last > OPEN_AUCTIONS ? last - OPEN_AUCTIONS : 0;
    return least + below(d, last - least + 1 + LEAD);
}

/* ---- text ---- */

/* What ten random bits are: a to z, and in one of 13 cases `{`, which stands for a space. */
static const char letters[1025] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbcccccccccccccccccccccccccccccccccccc"
    "cdddddddddddddddddddddddddddddddddddddeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeefffffffffffffffffffffffffffffffffff"
    "ffggggggggggggggggggggggggggggggggggggghhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
    "iiijjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkklllllllllllllllllllllllllllllllllll"
    "lmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnoooooooooooooooooooooooooooooooooooop"
    "pppppppppppppppppppppppppppppppppppqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrsss"
    "sssssssssssssssssssssssssssssssssttttttttttttttttttttttttttttttttttttuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuvvvvv"
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxyyyyyyy"
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"
    "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{";

/* `filler` where the letters have a space. */
static char *put_exactly(struct dice *d, char *to, uint64_t n, char filler)
{
    uint64_t word = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (i % 6 == 0)
            word = roll(d);
        char c = letters[word & 1023];
        to[i] = c == '{' ? filler : c;
        word >>= 10;
    }
    return to + n;
}

/* 3 to `most` characters. */
static char *put_word(struct dice *d, char *to, uint64_t most, char filler)
{
    return put_exactly(d, to, 3 + below(d, most - 2), filler);
}

/* What fills an event of `used` bytes up to about `size`, give or take a fifth. */
static char *put_extra(struct dice *d, char *to, uint64_t used, uint64_t size)
{
    to = PUT(to, ",\"extra\":\"");
    if (used < size) {
        uint64_t rest = size - used, delta = (2 * rest + 5) / 10;
        to = put_exactly(d, to, rest - delta + (delta > 0 ? below(d, 2 * delta) : 0), ' ');
    }
    return PUT(to, "\"}");
}

static char *put_instant(struct events *e, char *to, uint64_t ms)
{
    return PUT(put_time(e, to, (int64_t)ms * 1000, 3), "Z\"");
}

static uint64_t time_ms(const struct events *e, uint64_t n)
{
    return (uint64_t)events_time(e, n) / 1000;
}

#define CHOOSE(d, texts) (texts)[below(d, ARRAY_LEN(texts))]

/* ---- events ---- */

static char *put_person(struct events *e, struct dice *d, uint64_t n, char *to)
{
    static const char *const first[] = {"Peter", "Paul",  "Luke",   "John",  "Saul",  "Vicky",
                                        "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
    static const char *const last[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                       "Walton", "Smith",  "Jones",   "Noris"};
    static const char *const cities[] = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                         "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
    static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    to = put_number(PUT(to, "{\"event_type\":0,\"person\":{\"id\":"), FIRST_ID + last_person(n), 1);
    const char *text = CHOOSE(d, first), *name = to = PUT(to, ",\"name\":\"");
    to = put(to, text, strlen(text));
    *to++ = ' ';
    text = CHOOSE(d, last);
    to = put(to, text, strlen(text));
    uint64_t used = 8 + (uint64_t)(to - name);
    const char *email = to = PUT(to, "\",\"email_address\":\"");
    to = put_word(d, to, 7, ' ');
    *to++ = '@';
    to = PUT(put_word(d, to, 5, ' '), ".com");
    used += (uint64_t)(to - email);
    const char *card = to = PUT(to, "\",\"credit_card\":\"");
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *to++ = ' ';
        to = put_number(to, below(d, 10000), 4);
    }
    used += (uint64_t)(to - card);
    text = CHOOSE(d, cities);
    used += strlen(text) + 2;
    to = put(PUT(to, "\",\"city\":\""), text, strlen(text));
    text = CHOOSE(d, states);
    to = put(PUT(to, "\",\"state\":\""), text, strlen(text));
    to = put_instant(e, PUT(to, "\",\"date_time\":\""), time_ms(e, n));
    return PUT(put_extra(d, to, used, PERSON_SIZE), ",\"auction\":null,\"bid\":null}");
}

static char *put_auction(struct events *e, struct dice *d, uint64_t n, char *to)
{
    uint64_t ms = time_ms(e, n), horizon = time_ms(e, n + OPEN_FOR) - ms;
    to = put_number(PUT(to, "{\"event_type\":1,\"person\":null,\"auction\":{\"id\":"), FIRST_ID + last_auction(n), 1);
    const char *name = to = PUT(to, ",\"item_name\":\"");
    to = put_word(d, to, 20, ' ');
    uint64_t used = 64 + (uint64_t)(to - name);
    const char *description = to = PUT(to, "\",\"description\":\"");
    to = put_word(d, to, 100, ' ');
    used += (uint64_t)(to - description);
    uint64_t price = random_price(d);
    to = put_number(PUT(to, "\",\"initial_bid\":"), price, 1);
    to = put_number(PUT(to, ",\"reserve\":"), price + random_price(d), 1);
    to = put_instant(e, PUT(to, ",\"date_time\":\""), ms);
    to = put_instant(e, PUT(to, ",\"expires\":\""), ms + 1 + below(d, MAX(2 * horizon, 1)));
    bool hot = below(d, 4) > 0;
    uint64_t seller = hot ? last_person(n) / HOT_EVERY * HOT_EVERY : random_person(d, n);
    to = put_number(PUT(to, ",\"seller\":"), FIRST_ID + seller, 1);
    to = put_number(PUT(to, ",\"category\":"), 10 + below(d, CATEGORIES), 1);
    return PUT(put_extra(d, to, used, AUCTION_SIZE), ",\"bid\":null}");
}

/* Channel i has its own page, for the whole stream. Numbers from CHANNELS on are the hot ones'. */
static char *put_url(struct events *e, uint64_t i, char *to)
{
    struct dice d = dice_of(e, UINT64_MAX - i);
    to = PUT(to, "https://www.nexmark.com/");
    for (int k = 0; k < 3; k++) {
        to = put_word(&d, to, 5, '_');
        *to++ = '/';
    }
    to = PUT(to, "item.htm?query=1");
    if (i >= CHANNELS || below(&d, 10) == 0)
        return to;
    uint32_t reversed = 0;
    for (unsigned bit = 0; bit < 32; bit++)
        reversed |= (uint32_t)(i >> bit & 1) << (31 - bit);
    return put_number(PUT(to, "&channel_id="), reversed >> 31 ? -reversed : reversed, 1);
}

static char *put_bid(struct events *e, struct dice *d, uint64_t n, char *to)
{
    static const char *const hot_channels[HOT_CHANNELS] = {"Google", "Facebook", "Baidu", "Apple"};
    bool hot_auction = below(d, 2) > 0, hot_bidder = below(d, 4) > 0, hot_channel = below(d, 2) > 0;
    uint64_t auction = hot_auction ? last_auction(n) / HOT_EVERY * HOT_EVERY : random_auction(d, n);
    uint64_t bidder = hot_bidder ? last_person(n) / HOT_EVERY * HOT_EVERY + 1 : random_person(d, n);
    to = put_number(PUT(to, "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":"),
                    FIRST_ID + auction, 1);
    to = put_number(PUT(to, ",\"bidder\":"), FIRST_ID + bidder, 1);
    to = put_number(PUT(to, ",\"price\":"), random_price(d), 1);
    to = PUT(to, ",\"channel\":\"");
    uint64_t channel = below(d, hot_channel ? HOT_CHANNELS : CHANNELS);
    if (hot_channel)
        to = put(to, hot_channels[channel], strlen(hot_channels[channel]));
    else
        to = put_number(PUT(to, "channel-"), channel, 1);
    to = put_url(e, hot_channel ? CHANNELS + channel : channel, PUT(to, "\",\"url\":\""));
    to = put_instant(e, PUT(to, "\",\"date_time\":\""), time_ms(e, n));
    return PUT(put_extra(d, to, 4 * sizeof(int64_t), BID_SIZE), "}");
}

static size_t nexmark_make(struct events *e, uint64_t n, char *out, struct slice *ret_key)
{
    struct dice d = dice_of(e, n);
    uint64_t at = n % ROUND;
    char *end = at < PERSONS              ? put_person(e, &d, n, out)
                : at < PERSONS + AUCTIONS ? put_auction(e, &d, n, out)
                                          : put_bid(e, &d, n, out);
    assert(end - out <= NEXMARK_BYTES);
    *ret_key = (struct slice){0};
    return (size_t)(end - out);
}

const struct event_generator event_generator_nexmark = {
    .name = "nexmark",
    .help = "an auction site: persons, auctions, bids",
    .nominal_rate = 10000,
    .most = NEXMARK_BYTES,
    .make = nexmark_make,
};
