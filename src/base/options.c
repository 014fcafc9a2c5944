#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/os.h"

enum { NEAREST_MAX_NAME = 64 };

/* ---- looking up ---- */

static const struct option *given_option(const struct options *o, const char *name)
{
    for (uint32_t i = 0; o && i < o->count; i++)
        if (strcmp(o->items[i].name, name) == 0)
            return &o->items[i];
    return NULL;
}

static bool spec_matches(const struct option_spec *spec, const char *name, bool exact)
{
    size_t len = strlen(spec->name);
    bool open = len > 0 && spec->name[len - 1] == '*';
    if (open != !exact)
        return false;
    return open ? strncmp(spec->name, name, len - 1) == 0 : strcmp(spec->name, name) == 0;
}

const struct option_spec *option_find(const struct option_spec *const *tables, size_t ntables, const char *name)
{
    for (int exact = 1; exact >= 0; exact--)
        for (size_t t = 0; t < ntables; t++)
            for (const struct option_spec *spec = tables[t]; spec && spec->name; spec++)
                if (spec_matches(spec, name, exact))
                    return spec;
    return NULL;
}

const char *option_text(const struct options *o, const struct option_spec *specs, const char *name)
{
    const struct option *given = given_option(o, name);
    if (given && !given->unset)
        return given->value;
    const struct option_spec *spec = option_find(&specs, 1, name);
    return spec ? spec->value : NULL;
}

bool option_bool(const struct options *o, const struct option_spec *specs, const char *name)
{
    const char *text = option_text(o, specs, name);
    bool value = false;
    bool parsed = !text || option_parse_bool(text, &value);
    assert(parsed); /* checked at plan time */
    return value;
}

int64_t option_int(const struct options *o, const struct option_spec *specs, const char *name)
{
    const char *text = option_text(o, specs, name);
    const struct option_spec *spec = option_find(&specs, 1, name);
    int64_t value = 0;
    assert(spec);
    if (!text)
        return 0;
    bool parsed = spec->type == OPT_BYTES      ? option_parse_bytes(text, &value)
                  : spec->type == OPT_INTERVAL ? option_parse_interval(text, &value)
                                               : option_parse_int(text, &value);
    assert(parsed); /* checked at plan time */
    return value;
}

bool option_given(const struct options *o, const char *name) { return given_option(o, name) != NULL; }

/* ---- parsing values ---- */

bool option_parse_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"on", true}, {"yes", true}, {"1", true},
                 {"false", false}, {"off", false}, {"no", false}, {"0", false}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    return false;
}

struct options options_join(const struct options *near, const struct options *far, struct arena *a)
{
    uint32_t first = near ? near->count : 0, second = far ? far->count : 0;
    struct options joined = {.count = first + second, .items = arena_array(a, first + second, sizeof(struct option))};
    if (first > 0)
        memcpy(joined.items, near->items, first * sizeof *joined.items);
    if (second > 0)
        memcpy(joined.items + first, far->items, second * sizeof *joined.items);
    return joined;
}

enum status option_needs_variable(const char *option, const char *variable, const struct place *place,
                                  struct error *err)
{
    (void)error_set(err, ERR_SQL, "option \"%s\" needs the environment variable %s, which is not set", option,
                    variable);
    err->place = *place;
    return error_hint(err, "set it: %s=... bourn ..., or in a file .env", variable);
}

enum status option_must_be_set(const struct options *o, const char *name, struct error *err)
{
    const struct option *given = given_option(o, name);
    return given && given->unset ? option_needs_variable(name, given->unset, &given->place, err) : OK;
}

enum status option_blame(const struct options *o, const char *name, struct error *err)
{
    const struct option *given = given_option(o, name);
    if (given)
        err->place = given->place;
    return FAILED;
}

bool option_parse_int(const char *text, int64_t *ret)
{
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *ret = value;
    return true;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* "12.5" times `unit` (an exact number of the smallest unit), added to *sum; more fraction digits than the unit
 * resolves are refused. */
static bool scaled_number(const char *digits, const char *end, int64_t unit, int64_t *sum)
{
    int64_t whole = 0, fraction = 0, divisor = 1;
    bool after_point = false;
    for (const char *p = digits; p < end; p++) {
        if (*p == '.') {
            after_point = true;
            continue;
        }
        int64_t *into = after_point ? &fraction : &whole;
        if (__builtin_mul_overflow(*into, 10, into) || __builtin_add_overflow(*into, *p - '0', into))
            return false;
        if (after_point && __builtin_mul_overflow(divisor, 10, &divisor))
            return false;
    }
    int64_t scaled;
    if (__builtin_mul_overflow(fraction, unit, &scaled) || scaled % divisor)
        return false;
    int64_t value;
    return !__builtin_mul_overflow(whole, unit, &value) && !__builtin_add_overflow(value, scaled / divisor, &value) &&
           !__builtin_add_overflow(*sum, value, sum);
}

/* Digits with at most one point; NULL: none here. */
static const char *number_end(const char *p)
{
    const char *start = p;
    bool point = false;
    while (isdigit((unsigned char)*p) || (*p == '.' && !point && p > start)) {
        point |= *p == '.';
        p++;
    }
    return p == start || p[-1] == '.' ? NULL : p;
}

struct unit {
    const char *name;
    int64_t size;
};

static const struct unit byte_units[] = {
    {"", 1},           {"B", 1},
    {"kB", 1000},      {"KiB", INT64_C(1) << 10},
    {"MB", 1000000},   {"MiB", INT64_C(1) << 20},
    {"GB", 1000000000}, {"GiB", INT64_C(1) << 30},
    {"TB", INT64_C(1000000000000)}, {"TiB", INT64_C(1) << 40},
};

static const struct unit time_units[] = {
    {"us", 1}, {"microsecond", 1}, {"microseconds", 1},
    {"ms", 1000}, {"millisecond", 1000}, {"milliseconds", 1000},
    {"s", 1000000}, {"sec", 1000000}, {"secs", 1000000}, {"second", 1000000}, {"seconds", 1000000},
    {"m", 60000000}, {"min", 60000000}, {"mins", 60000000}, {"minute", 60000000}, {"minutes", 60000000},
    {"h", INT64_C(3600000000)}, {"hour", INT64_C(3600000000)}, {"hours", INT64_C(3600000000)},
    {"d", INT64_C(86400000000)}, {"day", INT64_C(86400000000)}, {"days", INT64_C(86400000000)},
    {"w", INT64_C(604800000000)}, {"week", INT64_C(604800000000)}, {"weeks", INT64_C(604800000000)},
};

/* One "number unit" pair; *at is moved past it. */
static bool parse_quantity(const char **at, const struct unit *units, size_t nunits, int64_t *sum)
{
    const char *number = skip_blanks(*at), *end = number_end(number);
    if (!end)
        return false;
    const char *word = skip_blanks(end), *word_end = word;
    while (isalpha((unsigned char)*word_end))
        word_end++;
    for (size_t i = 0; i < nunits; i++)
        if (strlen(units[i].name) == (size_t)(word_end - word) &&
            strncasecmp(units[i].name, word, (size_t)(word_end - word)) == 0) {
            *at = skip_blanks(word_end);
            return scaled_number(number, end, units[i].size, sum);
        }
    return false;
}

bool option_parse_bytes(const char *text, int64_t *ret)
{
    int64_t sum = 0;
    if (!parse_quantity(&text, byte_units, ARRAY_LEN(byte_units), &sum) || *text)
        return false;
    *ret = sum;
    return true;
}

bool option_parse_interval(const char *text, int64_t *ret_us)
{
    int64_t sum = 0;
    do {
        if (!parse_quantity(&text, time_units, ARRAY_LEN(time_units), &sum))
            return false;
    } while (*text);
    *ret_us = sum;
    return true;
}

/* ---- checking ---- */

static bool is_reference(const char *value)
{
    return (strncmp(value, "env:", 4) == 0 && value[4]) || (strncmp(value, "file:", 5) == 0 && value[5]);
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && memcmp(p, value, len) == 0)
            return true;
        p += word + strspn(p + word, " ");
    }
    return false;
}

static bool in_range(const struct option_spec *spec, int64_t value)
{
    return (spec->min == 0 && spec->max == 0) || (value >= spec->min && value <= spec->max);
}

static enum status check_number(const struct option_spec *spec, const struct option *given, struct error *err)
{
    static const char *const wants[] = {
        [OPT_INT] = "a whole number",
        [OPT_BYTES] = "a size such as '64 MB' or '1 GiB'",
        [OPT_INTERVAL] = "a time such as '30 s', '10 minutes' or '1 day'",
    };
    int64_t value;
    bool parsed = spec->type == OPT_BYTES      ? option_parse_bytes(given->value, &value)
                  : spec->type == OPT_INTERVAL ? option_parse_interval(given->value, &value)
                                               : option_parse_int(given->value, &value);
    if (!parsed)
        return error_set(err, ERR_SQL, "option \"%s\" wants %s, not '%s'", given->name, wants[spec->type],
                         given->value);
    if (!in_range(spec, value))
        return error_set(err, ERR_SQL, "option \"%s\" is out of range: %s is not within %lld..%lld%s", given->name,
                         given->value, (long long)spec->min, (long long)spec->max,
                         spec->type == OPT_BYTES      ? " bytes"
                         : spec->type == OPT_INTERVAL ? " microseconds"
                                                      : "");
    return OK;
}

static enum status check_value(const struct option_spec *spec, const struct option *given, struct error *err)
{
    bool flag;
    switch (spec->type) {
    case OPT_TEXT: return OK;
    case OPT_BOOL:
        if (option_parse_bool(given->value, &flag))
            return OK;
        return error_set(err, ERR_SQL, "option \"%s\" wants true or false, not '%s'", given->name, given->value);
    case OPT_INT:
    case OPT_BYTES:
    case OPT_INTERVAL: return check_number(spec, given, err);
    case OPT_SECRET: /* what stands there may be the secret itself: never print it */
        if (is_reference(given->value))
            return OK;
        (void)error_set(err, ERR_SQL, "option \"%s\" is a secret and must be a reference", given->name);
        return error_hint(err, "write 'env:NAME' or 'file:/path/to/secret'; a secret never stands in a pipeline");
    case OPT_CHOICE:
        if (is_choice(spec->choices, given->value))
            return OK;
        (void)error_set(err, ERR_SQL, "option \"%s\" cannot be '%s'", given->name, given->value);
        return error_hint(err, "one of: %s", spec->choices);
    }
    assert(!"an option has one of the types above");
    return FAILED;
}

enum status option_check_value(const struct option_spec *spec, const struct option *given, struct error *err)
{
    enum status status = check_value(spec, given, err);
    if (status != OK)
        err->place = given->place;
    return status;
}

static const char *const where_names[] = {
    [OPTION_ON_SERVER] = "SERVER",
    [OPTION_ON_TABLE] = "FOREIGN TABLE",
    [OPTION_ON_COLUMN] = "column",
    [OPTION_ON_MAPPING] = "USER MAPPING",
};

static bool spec_allows(const struct option_spec *spec, enum option_where where)
{
    bool anywhere = !spec->on_server && !spec->on_table && !spec->on_column && !spec->on_mapping;
    switch (where) {
    case OPTION_ON_SERVER: return anywhere || spec->on_server;
    case OPTION_ON_TABLE: return anywhere || spec->on_table;
    case OPTION_ON_COLUMN: return spec->on_column;
    case OPTION_ON_MAPPING: return spec->on_mapping;
    }
    return false;
}

static enum option_where first_allowed(const struct option_spec *spec)
{
    enum option_where where = OPTION_ON_SERVER;
    while (where < OPTION_ON_MAPPING && !spec_allows(spec, where))
        where++;
    return where;
}

static enum status unknown_option(const struct option *given, enum option_where where,
                                  const struct option_spec *const *tables, size_t ntables, const char *what,
                                  struct error *err)
{
    const char *names[256] = {0};
    size_t n = 0;
    for (size_t t = 0; t < ntables; t++)
        for (const struct option_spec *spec = tables[t]; spec && spec->name && n < ARRAY_LEN(names); spec++)
            if (spec_allows(spec, where))
                names[n++] = spec->name;
    const char *near = nearest_name(given->name, names, n);
    (void)error_set(err, ERR_SQL, "unknown option \"%s\" %s%s%s%s", given->name, what, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
    if (!near && n == 0)
        (void)error_hint(err, "it takes no options here");
    err->place = given->place;
    return FAILED;
}

static enum status check_one(const struct option *given, enum option_where where,
                             const struct option_spec *const *tables, size_t ntables, const char *what,
                             struct error *err)
{
    const struct option_spec *spec = option_find(tables, ntables, given->name);
    if (!spec)
        return unknown_option(given, where, tables, ntables, what, err);
    if (spec_allows(spec, where))
        return given->unset ? OK : option_check_value(spec, given, err);
    (void)error_set(err, ERR_SQL, "option \"%s\" %s does not stand on the %s", given->name, what, where_names[where]);
    (void)error_hint(err, "write it on the %s", where_names[first_allowed(spec)]);
    err->place = given->place;
    return FAILED;
}

enum status options_check(const struct options *given, enum option_where where,
                          const struct option_spec *const *tables, size_t ntables, const char *what,
                          struct error *err)
{
    for (uint32_t i = 0; i < given->count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(given->items[i].name, given->items[j].name) == 0) {
                (void)error_set(err, ERR_SQL, "option \"%s\" %s is given twice", given->items[i].name, what);
                err->place = given->items[i].place;
                return FAILED;
            }
        TRY(check_one(&given->items[i], where, tables, ntables, what, err));
    }
    return OK;
}

enum status options_require(const struct options *const *given, size_t ngiven,
                            const struct option_spec *const *tables, size_t ntables, const char *what,
                            const struct place *place, struct error *err)
{
    for (size_t t = 0; t < ntables; t++)
        for (const struct option_spec *spec = tables[t]; spec && spec->name; spec++) {
            bool found = !spec->required;
            for (size_t g = 0; g < ngiven && !found; g++)
                found = option_given(given[g], spec->name);
            if (found)
                continue;
            (void)error_set(err, ERR_SQL, "option \"%s\" %s is missing", spec->name, what);
            if (spec->help)
                (void)error_hint(err, "%s: %s; write it on the %s", spec->name, spec->help,
                                 where_names[first_allowed(spec)]);
            err->place = *place;
            return FAILED;
        }
    return OK;
}

/* ---- secrets ---- */

enum status secret_resolve(const char *reference, struct buf *into, struct error *err)
{
    if (!is_reference(reference)) {
        (void)error_set(err, ERR_USAGE, "a secret must be a reference");
        return error_hint(err, "write 'env:NAME' or 'file:/path/to/secret'");
    }
    if (strncmp(reference, "env:", 4) == 0) {
        const char *value = os_env(reference + 4);
        if (!value || !*value) {
            (void)error_set(err, ERR_USAGE, "environment variable %s is not set", reference + 4);
            return error_hint(err, "it holds a secret that the pipeline refers to as '%s'", reference);
        }
        buf_puts(into, value);
    } else {
        size_t before = into->len;
        TRY(os_file_slurp(reference + 5, into, err));
        if (into->len > before && into->data[into->len - 1] == '\n')
            into->len--;
        if (into->len > before && into->data[into->len - 1] == '\r')
            into->len--;
        if (into->len == before)
            return error_set(err, ERR_USAGE, "the secret's file %s is empty", reference + 5);
    }
    if (into->overflow)
        return error_set(err, ERR_LIMIT, "the secret %s is longer than %zu bytes", reference, into->max);
    return OK;
}

void secret_wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    b->len = 0;
}

/* ---- did you mean ---- */

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NEAREST_MAX_NAME + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            size_t best = above[j - 1] + (x != y);
            best = MIN(best, above[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
                best = MIN(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *nearest_name(const char *name, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t len = strlen(name), best = SIZE_MAX;
    if (len > NEAREST_MAX_NAME)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > NEAREST_MAX_NAME)
            continue;
        size_t distance = edit_distance(name, len, names[i], other);
        if (distance < best && distance * 3 <= MAX(len, other)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
