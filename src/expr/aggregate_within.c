/* percentile_cont, percentile_disc and mode: aggregates WITHIN GROUP (ORDER BY x). The state is every value of x with
 * its count, and once what is the same for all rows: the direction and the fractions. Exact, whatever the order of
 * rows; a value takes 16 bytes and a third more, and its own length if it is longer than 8.
 *
 * The constant of a call is bytes: u8 flags, then per fraction u8 whether it is there, and 8 bytes of a double.
 */
#include <math.h>

#include "column/array.h"
#include "column/rowkey.h"
#include "expr/aggregate_values.h"
#include "expr/calendar.h"
#include "expr/packed.h"

enum { DESCENDING = 1, NO_FRACTIONS = 2 /* a NULL in place of their array */, FRACTION_BYTES = 9, MOST_BYTES = MIB(1) };

/* ---- the constant ---- */

static enum status put_fractions(struct buf *out, const struct aggregate_call *call, struct arena *a, struct error *err)
{
    struct expr *arg = call->args[0];
    bool many = arg->type.id == TYPE_ARRAY;
    struct type type = many ? type_array(TYPE(TYPE_FLOAT8)) : TYPE(TYPE_FLOAT8);
    uint32_t n = 1;
    if (many || !expr_is_null_const(arg)) /* a NULL alone has the type text by now */
        TRY(expr_cast(a, arg, type, CAST_IMPLICIT, arg->location, &arg, err));
    if (!expr_is_const(arg)) {
        (void)error_set(err, ERR_UNSUPPORTED, "a fraction of %s() that is not a constant is not supported", call->name);
        return error_hint(err, "the median of x is %s(0.5) WITHIN GROUP (ORDER BY x)", call->name);
    }
    struct column values = arg->value;
    if (many && expr_is_null_const(arg))
        out->data[0] |= NO_FRACTIONS;
    else if (many)
        values = array_open(view_slice(column_view(&arg->value, 0)), type, a, &n);
    for (uint32_t i = 0; i < n && !(out->data[0] & NO_FRACTIONS); i++) {
        bool null = column_is_null(&values, i);
        double fraction = null ? 0 : ((const double *)values.data)[i];
        if (!(fraction >= 0 && fraction <= 1))
            return error_set(err, ERR_SQL, "percentile value %g is not between 0 and 1", fraction);
        buf_put_u8(out, !null);
        buf_put(out, &fraction, sizeof fraction);
    }
    return out->overflow ? error_set(err, ERR_LIMIT, "%s() has too many fractions", call->name) : OK;
}

enum status within_constant(struct arena *a, const struct aggregate_call *call, struct expr **ret, struct error *err)
{
    AUTO(buf) bytes = BUF(MOST_BYTES);
    buf_put_u8(&bytes, call->order->descending ? DESCENDING : 0);
    if (call->nargs)
        TRY(put_fractions(&bytes, call, a, err));
    *ret = expr_const(a, TYPE(TYPE_BYTEA), false, call->order->key->location);
    *(struct view *)(*ret)->value.data = view_copy(view_of(bytes.data, bytes.len), a);
    return OK;
}

/* ---- the state ---- */

struct within {
    struct multiset values;
    char *constant; /* NULL as long as there are no values */
    uint64_t len;
};

static void set_constant(struct within *s, struct slice constant)
{
    if (s->values.used == 0) {
        state_free(s->constant, s->len);
        s->constant = NULL;
        s->len = 0;
    } else if (!s->constant) {
        s->constant = state_alloc(constant.len);
        s->len = constant.len;
        memcpy(s->constant, constant.data, constant.len);
    }
}

/* A row: the key of x, an array of the interval as it is written if x is one, the constant. `x` is a column of one. */
static void add_row(struct within *s, struct slice packed, int64_t weight, struct column *x, struct arena *a)
{
    struct reader in = packed_payload(packed), key = reader_of(packed);
    struct slice value = {packed.data, (size_t)((const char *)in.p - packed.data)};
    const char *written;
    if (value_is_word(x->type)) {
        bool good = rowkey_get(&key, x, 0, a);
        assert(good);
        multiset_add_word(&s->values, value_word(x, 0), weight);
    } else if (x->type.id == TYPE_INTERVAL) {
        char bytes[64];
        bool good = reader_bytes(&in, sizeof(uint32_t) + sizeof(struct interval), &written);
        assert(good && value.len + sizeof(struct interval) <= sizeof bytes);
        memcpy(bytes, value.data, value.len);
        memcpy(bytes + value.len, written + sizeof(uint32_t), sizeof(struct interval));
        multiset_add_bytes(&s->values, (struct slice){bytes, value.len + sizeof(struct interval)}, weight);
    } else {
        multiset_add_bytes(&s->values, value, weight);
    }
    set_constant(s, (struct slice){(const char *)in.p, reader_left(&in)});
}

static void within_update(void *const *states, const struct column *arg, const uint32_t *rows, uint32_t n,
                          const int64_t *weights)
{
    AUTO(arena) scratch = {0};
    struct column x = column_make(&scratch, packed_element(arg->type), 1, true);
    UPDATE_LOOP(struct within, add_row(state, view_slice(column_view(arg, r)), w, &x, &scratch));
}

static void within_merge(void *into, const void *from)
{
    struct within *s = into;
    const struct within *f = from;
    multiset_merge(&s->values, &f->values);
    set_constant(s, (struct slice){f->constant, f->len});
}

static void within_release(void *state)
{
    struct within *s = state;
    multiset_release(&s->values);
    set_constant(s, (struct slice){0});
}

/* varint length of the constant, the constant, the values. */
static void within_pack(const void *state, struct buf *out)
{
    const struct within *s = state;
    buf_put_varint(out, s->len);
    buf_put(out, s->constant, s->len);
    multiset_pack(&s->values, out);
}

static bool within_unpack(struct reader *in, void *state)
{
    struct within *s = state;
    uint64_t len;
    const char *constant;
    *s = (struct within){0};
    if (!reader_varint(in, &len) || len > MOST_BYTES || (len && len % FRACTION_BYTES != 1) ||
        !reader_bytes(in, len, &constant) || !multiset_unpack(in, &s->values))
        return false;
    if (!len != !s->values.used) {
        multiset_release(&s->values);
        return false;
    }
    set_constant(s, (struct slice){constant, len});
    return true;
}

/* ---- the values in their order ---- */

struct sorted {
    const struct within *state;
    struct multiset_slot *slots; /* ascending */
    uint32_t n;
    int64_t rows;
};

static bool descends(const struct within *s)
{
    return s->constant[0] & DESCENDING;
}

static struct sorted sort_values(const struct within *s, struct arena *a)
{
    struct sorted all = {.state = s};
    all.slots = values_sorted(&s->values, a, &all.n);
    for (uint32_t i = 0; i < all.n; i++)
        all.rows += all.slots[i].count;
    return all;
}

/* The value of the row at `rank`, from 0, in the order asked for. */
static const struct multiset_slot *at_rank(const struct sorted *s, int64_t rank)
{
    int64_t seen = 0;
    uint32_t i = 0;
    rank = descends(s->state) ? s->rows - 1 - rank : rank;
    for (seen = s->slots[0].count; seen <= rank && i + 1 < s->n; seen += s->slots[i].count)
        i++;
    return &s->slots[i];
}

/* One percentile into a row of `out`; false: *ret_sqlstate. */
typedef bool percentile_fn(const struct sorted *s, double fraction, struct column *out, size_t row, struct arena *a,
                           const char **ret_sqlstate);

static bool put_value(const struct sorted *s, double fraction, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    (void)ret_sqlstate;
    int64_t rank = (int64_t)ceil(fraction * (double)s->rows) - 1;
    value_get(at_rank(s, MAX(rank, 0)), out, row, a);
    return true;
}

static bool put_between(const struct sorted *s, double fraction, struct column *out, size_t row, struct arena *a,
                        const char **ret_sqlstate)
{
    double place = fraction * (double)(s->rows - 1);
    struct column ends = column_make(a, out->type, 2, false);
    value_get(at_rank(s, (int64_t)floor(place)), &ends, 0, a);
    value_get(at_rank(s, (int64_t)ceil(place)), &ends, 1, a);
    double part = place - floor(place);
    bool exact = floor(place) == ceil(place), good = true;
    if (out->type.id == TYPE_INTERVAL) {
        const struct interval *v = ends.data;
        struct interval *to = (struct interval *)out->data + row;
        *to = v[0];
        good = exact || interval_between(v[0], v[1], part, to);
    } else {
        const double *v = ends.data;
        ((double *)out->data)[row] = exact ? v[0] : v[0] + part * (v[1] - v[0]);
    }
    if (!good)
        *ret_sqlstate = "22008";
    return good;
}

/* ---- results ---- */

static bool get_fraction(struct reader *in, bool *ret_null, double *ret)
{
    uint8_t there;
    const char *bytes;
    if (!reader_u8(in, &there) || !reader_bytes(in, sizeof *ret, &bytes))
        return false;
    *ret_null = !there;
    memcpy(ret, bytes, sizeof *ret);
    return true;
}

static struct reader fractions_of(const struct within *s)
{
    return reader_of((struct slice){s->constant + 1, s->len - 1});
}

static bool one_final(const struct within *s, percentile_fn *put, struct column *out, size_t row, struct arena *a,
                      const char **ret_sqlstate)
{
    AUTO(arena) scratch = {0};
    struct sorted all = sort_values(s, &scratch);
    struct reader in = fractions_of(s);
    double fraction;
    bool null;
    return get_fraction(&in, &null, &fraction) && !null && put(&all, fraction, out, row, a, ret_sqlstate);
}

static bool many_final(const struct within *s, percentile_fn *put, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) bytes = BUF(ARRAY_MAX_BYTES);
    struct sorted all = sort_values(s, &scratch);
    struct reader in = fractions_of(s);
    uint32_t n = 0;
    double fraction;
    bool null;
    struct column values = column_make(&scratch, type_element(out->type), s->len / FRACTION_BYTES, true);
    if (s->constant[0] & NO_FRACTIONS)
        return false;
    for (; get_fraction(&in, &null, &fraction); n++) {
        if (null)
            continue;
        if (!put(&all, fraction, &values, n, &scratch, ret_sqlstate))
            return false;
        bit_set(values.valid, n);
    }
    array_put(&bytes, &values, 0, n);
    if (bytes.overflow) {
        *ret_sqlstate = "54000";
        return false;
    }
    ((struct view *)out->data)[row] = view_copy(view_of(bytes.data, bytes.len), a);
    return true;
}

#define PERCENTILE_FINAL(NAME, FINAL, PUT)                                                                             \
    static bool NAME(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,              \
                     const char **ret_sqlstate)                                                                        \
    {                                                                                                                  \
        (void)arg;                                                                                                     \
        const struct within *s = state;                                                                                \
        return s->values.present && FINAL(s, PUT, out, row, a, ret_sqlstate);                                          \
    }
PERCENTILE_FINAL(value_of_one, one_final, put_value)
PERCENTILE_FINAL(values_of_many, many_final, put_value)
PERCENTILE_FINAL(between_of_one, one_final, put_between)
PERCENTILE_FINAL(between_of_many, many_final, put_between)

/* Equal intervals that are written otherwise are one value. */
static bool is_same(const struct multiset *s, const struct multiset_slot *x, const struct multiset_slot *y,
                    struct type type)
{
    if (type.id != TYPE_INTERVAL)
        return false;
    assert(s->bytes);
    return memcmp(multiset_key(x).data, multiset_key(y).data, multiset_key(x).len - sizeof(struct interval)) == 0;
}

/* Of values that are there as often the first. */
static bool mode_final(const void *state, struct type arg, struct column *out, size_t row, struct arena *a,
                       const char **ret_sqlstate)
{
    (void)arg, (void)ret_sqlstate;
    AUTO(arena) scratch = {0};
    const struct within *s = state;
    uint32_t n, best = 0;
    struct multiset_slot *slots = values_sorted(&s->values, &scratch, &n);
    int64_t most = 0;
    for (uint32_t first = 0, next; first < n; first = next) {
        int64_t rows = 0;
        for (next = first; next < n && (next == first || is_same(&s->values, &slots[first], &slots[next], out->type));)
            rows += slots[next++].count;
        if (rows > most || (rows == most && descends(s))) {
            most = rows;
            best = first;
        }
    }
    if (n)
        value_get(&slots[best], out, row, a);
    return n > 0;
}

static struct type result_element(struct type arg)
{
    return packed_element(arg);
}
static struct type result_elements(struct type arg)
{
    return type_array(packed_element(arg));
}

#define WITHIN(NAME, DIRECT, TAKES, FINAL, RESULT, HELP)                                                               \
    {                                                                                                                  \
        .name = NAME, .arg = DIRECT, .shape = SHAPE_WITHIN, .takes = TAKES, .state_size = sizeof(struct within),       \
        .retracts = true, .heap = true, .grows = true, .update = within_update, .merge = within_merge, .final = FINAL, \
        .result = RESULT, .release = within_release, .pack = within_pack, .unpack = within_unpack, .help = HELP        \
    }

const struct aggregate aggregates_within[] = {
    WITHIN(
        "percentile_cont", TYPE_FLOAT8, "fraction ORDER BY x", between_of_one, result_element,
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY x): the percentile, between two values where it falls there; of "
        "double precision or interval, the fraction a constant"),
    WITHIN("percentile_cont", TYPE_ARRAY, "fractions ORDER BY x", between_of_many, result_elements,
           "the percentiles of an array of fractions, as an array; up to 16 MiB"),
    WITHIN("percentile_disc", TYPE_FLOAT8, "fraction ORDER BY any", value_of_one, result_element,
           "percentile_disc(0.5) WITHIN GROUP (ORDER BY x): the first value that so many are at or before"),
    WITHIN("percentile_disc", TYPE_ARRAY, "fractions ORDER BY any", values_of_many, result_elements,
           "the same of an array of fractions, as an array; up to 16 MiB"),
    WITHIN("mode", TYPE_UNKNOWN, "ORDER BY any", mode_final, result_element,
           "mode() WITHIN GROUP (ORDER BY x): the value that is there most often; of several, the first"),
    {0},
};
