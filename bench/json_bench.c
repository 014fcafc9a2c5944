/* How long one JSON event takes: nanoseconds of processor time an event, one thread, best of several rounds.
 *
 *   json_bench [EVENTS [WORD]]      payments events: as generated; keys shuffled; with escapes; read by the plain
 *                                   reader; only the ways whose name has the word in it
 *   json_bench shuffle <IN >OUT     the events of a file, their keys shuffled and an escape in each
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/os.h"
#include "format/formats.h"
#include "format/json.h"
#include "source/payments.h"

enum { ROUNDS = 7, COLUMNS = 8 };

static const char *names[COLUMNS] = {"event_id", "event_time", "user_id", "event_type",
                                     "channel",  "currency",   "amount",  "schema_version"};
static struct type types[COLUMNS] = {{TYPE_TEXT}, {TYPE_TIMESTAMPTZ}, {TYPE_TEXT},           {TYPE_TEXT},
                                     {TYPE_TEXT}, {TYPE_TEXT},        {TYPE_NUMERIC, 18, 2}, {TYPE_INT4}};

struct messages {
    struct view *raw;
    uint32_t count;
    uint64_t bytes;
};

/* The members of a flat object in another order. */
static size_t shuffle(const char *text, size_t len, uint64_t seed, char *out)
{
    const char *start[16];
    size_t size[16], n = 0;
    for (const char *p = text + 1, *end = text + len - 1; p < end && n < 16; n++) {
        const char *q = p;
        while (q < end && !(*q == ',' && q[1] == '"'))
            q++;
        start[n] = p;
        size[n] = (size_t)(q - p);
        p = q + 1;
    }
    char *to = out;
    *to++ = '{';
    for (size_t left = n; left > 0; left--) {
        seed = hash_mix(seed + 1);
        size_t pick = seed % left;
        memcpy(to, start[pick], size[pick]);
        to += size[pick];
        *to++ = left > 1 ? ',' : '}';
        start[pick] = start[left - 1];
        size[pick] = size[left - 1];
    }
    return (size_t)(to - out);
}

/* user_0042 -> user\u005f0042 */
static size_t escape(const char *text, size_t len, char *out)
{
    const char *user = memmem(text, len, "\"user_0", 7);
    if (!user) {
        memcpy(out, text, len);
        return len;
    }
    size_t before = (size_t)(user + 5 - text);
    memcpy(out, text, before);
    memcpy(out + before, "\\u005f", 6);
    memcpy(out + before + 6, user + 6, len - before - 1);
    return len + 5;
}

enum variant { AS_MADE, SHUFFLED, ESCAPED, BOTH };

/* An event as the variant has it; `out` has room for 8 bytes more than the text. */
static size_t vary(enum variant variant, const char *text, size_t len, uint64_t seed, char *out)
{
    char between[PAYMENT_BYTES];
    if ((variant == SHUFFLED || variant == BOTH) && len > 2 && text[0] == '{') {
        len = shuffle(text, len, seed, between);
        text = between;
    }
    if (variant == ESCAPED || variant == BOTH)
        return escape(text, len, out);
    memcpy(out, text, len);
    return len;
}

static struct messages make(uint32_t count, enum variant variant, uint32_t bad, struct arena *a)
{
    struct events p = {.seed = 1, .bad = bad, .nominal_rate = 1000};
    struct messages m = {arena_array(a, count, sizeof *m.raw), count, 0};
    for (uint32_t n = 0; n < count; n++) {
        char text[PAYMENT_BYTES], other[PAYMENT_BYTES + 8];
        size_t len = vary(variant, text, payments_make(&p, n, text), n, other);
        m.raw[n] = view_of(arena_dup(a, other, len), len);
        m.bytes += len;
    }
    return m;
}

static int shuffle_input(void)
{
    char *line = NULL, other[PAYMENT_BYTES + 9];
    size_t cap = 0;
    ssize_t len;
    for (uint64_t n = 0; (len = getline(&line, &cap, stdin)) > 0; n++) {
        if (len > PAYMENT_BYTES)
            return 1;
        size_t size = vary(BOTH, line, (size_t)len - 1, n, other);
        other[size++] = '\n';
        fwrite(other, 1, size, stdout);
    }
    free(line);
    return 0;
}

static const char *wanted = "";

static void run(const char *what, const struct messages *m, bool plain)
{
    if (!strstr(what, wanted))
        return;
    struct schema schema = {.ncols = COLUMNS, .names = names, .types = types};
    uint64_t decode = (1 << COLUMNS) - 1;
    struct options none = {0};
    struct error err;
    struct decoder *d;
    if (format_json.decoder_new(&schema, &decode, &none, &d, &err) != OK)
        abort();
    json_decoder_set_plain(d, plain);
    AUTO(arena) a = {0};
    int64_t best = INT64_MAX;
    uint64_t bad = 0, fields = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t since = os_cpu_us();
        bad = fields = 0;
        for (uint32_t i = 0; i < m->count; i += BATCH_ROWS) {
            arena_reset(&a);
            struct decoded got;
            uint32_t rows = MIN(m->count - i, (uint32_t)BATCH_ROWS);
            struct batch *b = batch_make(&a, types, COLUMNS, rows);
            d->ops->decode(d, m->raw + i, rows, b, &a, &got);
            bad += got.nbad;
            fields += got.nfields;
        }
        best = MIN(best, os_cpu_us() - since);
    }
    double ns = (double)best * 1000 / m->count;
    printf("%-28s %6.1f ns/event  %5.2f M events/s  %5.2f GB/s  (%.0f B/event, %llu bad, %llu bad fields)\n", what, ns,
           1000 / ns, (double)m->bytes / m->count / ns, (double)m->bytes / m->count, (unsigned long long)bad,
           (unsigned long long)fields);
    decoder_free(d);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "shuffle") == 0)
        return shuffle_input();
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    if (argc > 2)
        wanted = argv[2];
    AUTO(arena) a = {0};
    struct messages made = make(count, AS_MADE, 0, &a), bad = make(count, AS_MADE, 1966, &a);
    struct messages shuffled = make(count, SHUFFLED, 0, &a), escaped = make(count, ESCAPED, 0, &a);
    struct messages both = make(count, BOTH, 0, &a);
    run("guessed order", &made, false);
    run("guessed order, 3 % bad", &bad, false);
    run("keys shuffled", &shuffled, false);
    run("one escape an event", &escaped, false);
    run("keys shuffled, one escape", &both, false);
    run("plain reader", &made, true);
    return 0;
}
