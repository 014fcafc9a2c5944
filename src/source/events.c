#include "source/events.h"

#include <stdlib.h>

#include "base/hash.h"

enum { WHOLE = 65536, DUPLICATE_REACH = 1000 };

static const struct event_generator *const generators[] = {&event_generator_payments, &event_generator_transactions,
                                                           &event_generator_nexmark};

const char event_generator_names[] = "payments transactions nexmark";

const struct event_generator *event_generator_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(generators); i++)
        if (strcmp(generators[i]->name, name) == 0)
            return generators[i];
    return NULL;
}

bool events_parse_share(const char *text, uint32_t *ret)
{
    char *end;
    double share = strtod(text, &end);
    if (end == text)
        return false;
    if (*end == '%') {
        share /= 100;
        end++;
    }
    if (*end != 0 || !(share >= 0 && share <= 0.5))
        return false;
    *ret = (uint32_t)(share * WHOLE + 0.5);
    return true;
}

bool events_check_shares(const struct events *e)
{
    return e->bad + e->duplicate + e->late <= WHOLE / 2;
}

int64_t events_time(const struct events *e, uint64_t n)
{
    uint64_t seconds = n / e->nominal_rate, rest = n % e->nominal_rate;
    return e->base_us + (int64_t)(seconds * 1000000 + rest * 1000000 / e->nominal_rate);
}

uint64_t events_random(const struct events *e, uint64_t n, uint64_t k)
{
    return hash_mix(hash_mix(e->seed + 1) + (n * 4 + k) * UINT64_C(0x9e3779b97f4a7c15));
}

enum event_kind events_kind(const struct events *e, uint64_t n)
{
    uint32_t lot = (uint32_t)(events_random(e, n, 0) & (WHOLE - 1));
    if (lot < e->bad)
        return EVENT_BAD;
    lot -= e->bad;
    if (lot < e->duplicate)
        return n > 0 ? EVENT_DUPLICATE : EVENT_GOOD;
    lot -= e->duplicate;
    return lot < e->late ? EVENT_LATE : EVENT_GOOD;
}

uint64_t events_original(const struct events *e, uint64_t n)
{
    uint64_t back = 1 + (events_random(e, n, 0) >> 16) % DUPLICATE_REACH;
    for (uint64_t m = n - MIN(back, n);; m--) {
        if (events_kind(e, m) == EVENT_GOOD)
            return m;
        if (m == 0)
            return n;
    }
}
