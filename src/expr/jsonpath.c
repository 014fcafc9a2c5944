/* Paths run over documents, and the functions that do. An item is JSON text in normal form: a part of the document, or
 * a number or string that was computed. What each step does in lax and strict mode is PostgreSQL's. */
#include "expr/jsonpath.h"

#include <math.h>
#include <stdio.h>

#include "column/decimal.h"
#include "column/float8.h"
#include "column/jsonb.h"
#include "expr/array.h"

enum { RESULT_MAX = MIB(16) };

/* ---- state of one run ---- */

struct items {
    struct slice *list;
    uint32_t n, cap;
};

enum outcome { FOUND, NOT_FOUND, BROKEN };
enum truth { NO, YES, UNKNOWN };

struct run {
    struct arena *a;
    bool lax, ignores_structure; /* whether a missing member is no error */
    bool silent;                 /* inside a condition, or asked for: errors are not kept */
    struct slice root, current, vars;
    struct document {
        struct slice text;
        int64_t id;
    } base;          /* what the item is a part of: .keyvalue() tells objects apart by it */
    int64_t next_id; /* of a document that is made */
    bool lenient_vars; /* an operator has none: each is null */
    uint32_t innermost; /* elements of the array of the innermost subscript */
    uint32_t steps;
    bool hard; /* the error is one that nothing suppresses */
    char sqlstate[6];
    char text[200];
};

static enum outcome fail(struct run *r, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum outcome fail(struct run *r, const char *sqlstate, const char *format, ...)
{
    va_list args;
    if (r->silent || r->hard)
        return BROKEN;
    memcpy(r->sqlstate, sqlstate, 6);
    va_start(args, format);
    vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
    return BROKEN;
}

/* An error whatever is to be suppressed. */
static enum outcome fail_hard(struct run *r, const char *sqlstate, const char *text)
{
    r->silent = false;
    fail(r, sqlstate, "%s", text);
    r->hard = true;
    return BROKEN;
}

static void add(struct run *r, struct items *to, struct slice item)
{
    to->list = arena_grow(r->a, to->list, to->n, &to->cap, sizeof *to->list);
    to->list[to->n++] = item;
}

static bool is_array(struct slice s) { return s.data[0] == '['; }
static bool is_object(struct slice s) { return s.data[0] == '{'; }
static bool is_string(struct slice s) { return s.data[0] == '"'; }
static bool is_number(struct slice s) { return s.data[0] == '-' || (unsigned char)(s.data[0] - '0') < 10; }
static bool is_null(struct slice s) { return s.data[0] == 'n'; }

static uint32_t count(struct slice array)
{
    uint32_t n = 0;
    struct jsonb_walk w = jsonb_walk(array);
    for (struct slice key, value; jsonb_next(&w, &key, &value);)
        n++;
    return n;
}

static struct slice text_item(struct run *r, const char *text, size_t n)
{
    return (struct slice){arena_dup(r->a, text, n), n};
}

static enum outcome run_item(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                             struct items *to);
static enum truth test(struct run *r, const struct jsonpath_node *n, struct slice item);

/* What follows a step: the next one, or the result. to NULL: only whether there is one is asked. */
static enum outcome go_on(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    if (n->next)
        return run_item(r, n->next, item, r->lax, to);
    if (to)
        add(r, to, item);
    return FOUND;
}

/* Over each element of an array; n NULL: the elements are the result. */
static enum outcome each_element(struct run *r, const struct jsonpath_node *n, struct slice array, bool unwrap,
                                 struct items *to)
{
    enum outcome all = NOT_FOUND;
    struct jsonb_walk w = jsonb_walk(array);
    for (struct slice key, value; jsonb_next(&w, &key, &value);) {
        enum outcome one = FOUND;
        if (n)
            one = run_item(r, n, value, unwrap, to);
        else if (to)
            add(r, to, value);
        if (one == BROKEN || (one == FOUND && !to))
            return one;
        all = one == FOUND ? FOUND : all;
    }
    return all;
}

/* The items of an operand, arrays among them unwrapped in lax mode; errors are the caller's. */
static enum outcome operand(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                            struct items *ret)
{
    struct items found = {0};
    enum outcome outcome = run_item(r, n, item, r->lax, &found);
    if (outcome == BROKEN)
        return BROKEN;
    for (uint32_t i = 0; i < found.n; i++)
        if (unwrap && r->lax && is_array(found.list[i]))
            (void)each_element(r, NULL, found.list[i], false, ret);
        else
            add(r, ret, found.list[i]);
    return ret->n ? FOUND : NOT_FOUND;
}

/* As go_on, for an item that is a part of another document. */
static enum outcome go_on_in(struct run *r, const struct jsonpath_node *n, struct slice text, int64_t id,
                             struct slice item, struct items *to)
{
    struct document outer = r->base;
    r->base = (struct document){text, id};
    enum outcome outcome = go_on(r, n, item, to);
    r->base = outer;
    return outcome;
}

/* ---- members and elements ---- */

static enum outcome step_key(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                             struct items *to)
{
    struct slice value;
    if (is_object(item)) {
        if (jsonb_field(item, n->text, &value))
            return go_on(r, n, value, to);
        if (!r->ignores_structure)
            return fail(r, "2203A", "JSON object does not contain key \"%.*s\"", (int)MIN(n->text.len, (size_t)100),
                        n->text.data);
        return NOT_FOUND;
    }
    if (unwrap && is_array(item))
        return each_element(r, n, item, false, to);
    if (!r->ignores_structure)
        return fail(r, "2203A", "jsonpath member accessor can only be applied to an object");
    return NOT_FOUND;
}

static enum outcome step_any_key(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                                 struct items *to)
{
    if (is_object(item))
        return each_element(r, n->next, item, r->lax, to);
    if (unwrap && is_array(item))
        return each_element(r, n, item, false, to);
    if (!r->ignores_structure)
        return fail(r, "2203C", "jsonpath wildcard member accessor can only be applied to an object");
    return NOT_FOUND;
}

static enum outcome step_any_index(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    if (is_array(item))
        return each_element(r, n->next, item, r->lax, to);
    if (r->lax)
        return go_on(r, n, item, to);
    if (!r->ignores_structure)
        return fail(r, "22039", "jsonpath wildcard array accessor can only be applied to an array");
    return NOT_FOUND;
}

/* A subscript is one number, whose fraction is cut off. */
static enum outcome get_index(struct run *r, const struct jsonpath_node *n, struct slice item, int64_t *ret)
{
    struct items found = {0};
    int128 value;
    unsigned scale;
    bool overflow;
    enum outcome outcome = operand(r, n, item, false, &found);
    if (outcome == BROKEN)
        return BROKEN;
    if (found.n != 1 || !is_number(found.list[0]))
        return fail(r, "22033", "jsonpath array subscript is not a single numeric value");
    if (!decimal_parse(found.list[0], &value, &scale, &overflow))
        return fail(r, "22033", "jsonpath array subscript is out of integer range");
    value /= decimal_pow10[scale];
    if (value < INT32_MIN || value > INT32_MAX)
        return fail(r, "22033", "jsonpath array subscript is out of integer range");
    *ret = (int64_t)value;
    return FOUND;
}

static enum outcome over_range(struct run *r, const struct jsonpath_node *n, const struct jsonpath_range *range,
                               struct slice item, uint32_t size, struct items *to)
{
    int64_t from, last;
    enum outcome all = NOT_FOUND;
    if (get_index(r, range->from, item, &from) == BROKEN)
        return BROKEN;
    last = from;
    if (range->to && get_index(r, range->to, item, &last) == BROKEN)
        return BROKEN;
    if (!r->ignores_structure && (from < 0 || from > last || last >= size))
        return fail(r, "22033", "jsonpath array subscript is out of bounds");
    last = MIN(last, (int64_t)size - 1);
    struct jsonb_walk w = jsonb_walk(item);
    struct slice key, value = item;
    for (int64_t i = 0; i <= last && (!is_array(item) || jsonb_next(&w, &key, &value)); i++) {
        if (i < from)
            continue;
        enum outcome one = go_on(r, n, value, to);
        if (one == BROKEN || (one == FOUND && !to))
            return one;
        all = one == FOUND ? FOUND : all;
    }
    return all;
}

static enum outcome step_index(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    uint32_t outer = r->innermost, size = is_array(item) ? count(item) : 1;
    enum outcome all = NOT_FOUND;
    if (!is_array(item) && !r->lax)
        return r->ignores_structure
                   ? NOT_FOUND
                   : fail(r, "22039", "jsonpath array accessor can only be applied to an array");
    for (uint32_t i = 0; i < n->nranges; i++) {
        r->innermost = size;
        enum outcome one = over_range(r, n, &n->ranges[i], item, size, to);
        r->innermost = outer;
        if (one == BROKEN || (one == FOUND && !to))
            return one;
        all = one == FOUND ? FOUND : all;
    }
    return all;
}

/* {"id": of the object, "key": ..., "value": ...} for each member. */
static enum outcome step_keyvalue(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    const int64_t ids = INT64_C(10000000000);
    enum outcome all = NOT_FOUND;
    if (!is_object(item))
        return fail(r, "2203C", "jsonpath item method .keyvalue() can only be applied to an object");
    int64_t id = r->base.id * ids + jsonpath_place(r->base.text, item.data, &r->steps);
    struct jsonb_walk w = jsonb_walk(item);
    for (struct slice key, value; jsonb_next(&w, &key, &value);) {
        if (!n->next && !to)
            return FOUND;
        if (++r->steps > JSONPATH_STEPS)
            return fail_hard(r, "54000", "a jsonpath takes too many steps");
        size_t most = key.len + value.len + 64;
        char *text = arena_alloc(r->a, most);
        int len = snprintf(text, most, "{\"id\": %lld, \"key\": %.*s, \"value\": ", (long long)id, (int)key.len,
                           key.data);
        memcpy(text + len, value.data, value.len);
        text[(size_t)len + value.len] = '}';
        struct slice made = {text, (size_t)len + value.len + 1};
        enum outcome one = go_on_in(r, n, made, r->next_id++, made, to);
        if (one == BROKEN || (one == FOUND && !to))
            return one;
        all = one == FOUND ? FOUND : all;
    }
    return all;
}

/* The children on the levels asked for, each before its own. */
static enum outcome over_levels(struct run *r, const struct jsonpath_node *n, struct slice item, uint32_t level,
                                struct items *to)
{
    enum outcome all = NOT_FOUND;
    struct jsonb_walk w = jsonb_walk(item);
    for (struct slice key, value; jsonb_next(&w, &key, &value);) {
        bool inner = is_array(value) || is_object(value);
        bool leaf = n->first == UINT32_MAX && n->last == UINT32_MAX && !inner;
        enum outcome one = NOT_FOUND;
        if (++r->steps > JSONPATH_STEPS)
            return fail_hard(r, "54000", "a jsonpath takes too many steps");
        if (level >= n->first || leaf) {
            one = go_on(r, n, value, to);
            if (one == BROKEN || (one == FOUND && !to))
                return one;
        }
        if (level < n->last && inner) {
            enum outcome below = over_levels(r, n, value, level + 1, to);
            if (below == BROKEN || (below == FOUND && !to))
                return below;
            one = below == FOUND ? FOUND : one;
        }
        all = one == FOUND ? FOUND : all;
    }
    return all;
}

static enum outcome step_any_depth(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    bool before = r->ignores_structure;
    enum outcome all = NOT_FOUND, below;
    r->ignores_structure = true;
    if (n->first == 0)
        all = go_on(r, n, item, to);
    bool done = all == BROKEN || (all == FOUND && !to) || n->last == 0;
    below = done ? all : over_levels(r, n, item, 1, to);
    r->ignores_structure = before;
    return below == NOT_FOUND ? all : below;
}

/* ---- numbers ---- */

static enum outcome give_number(struct run *r, const struct jsonpath_node *n, int128 value, unsigned scale,
                                struct items *to)
{
    char text[48];
    return go_on(r, n, text_item(r, text, decimal_print(value, scale, text)), to);
}

static const char *method_name(enum jsonpath_kind kind)
{
    return kind == PATH_ABS ? "abs" : kind == PATH_FLOOR ? "floor" : kind == PATH_CEILING ? "ceiling" : "double";
}

static enum outcome step_round(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    int128 value;
    unsigned scale;
    bool overflow;
    if (!is_number(item))
        return fail(r, "22036", "jsonpath item method .%s() can only be applied to a numeric value",
                    method_name(n->kind));
    if (!decimal_parse(item, &value, &scale, &overflow))
        return fail_hard(r, "22003", "value overflows numeric format");
    if (n->kind == PATH_ABS)
        return give_number(r, n, value < 0 ? -value : value, scale, to);
    int128 whole = value / decimal_pow10[scale], rest = value % decimal_pow10[scale];
    whole += n->kind == PATH_CEILING ? rest > 0 : -(rest < 0);
    return give_number(r, n, whole, 0, to);
}

/* A number stays as it is written; a string becomes the number that its double is. */
static enum outcome step_double(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    static const char number[] = "numeric argument of jsonpath item method .double() is out of range for type double "
                                 "precision";
    static const char string[] = "string argument of jsonpath item method .double() is not a valid representation of "
                                 "a double precision number";
    struct slice text = item, normal;
    double value;
    char digits[40];
    struct error err;
    if (is_number(item))
        return float8_parse(item, &value) == FLOAT8_OK && isfinite(value) ? go_on(r, n, item, to)
                                                                           : fail(r, "22036", "%s", number);
    if (!is_string(item))
        return fail(r, "22036", "jsonpath item method .double() can only be applied to a string or numeric value");
    (void)jsonb_text(item, r->a, &text);
    if (float8_parse(text, &value) != FLOAT8_OK || !isfinite(value))
        return fail(r, "22036", "%s", string);
    int len = snprintf(digits, sizeof digits, "%.15g", value);
    if (jsonb_normalise((struct slice){digits, (size_t)len}, KIB(64), r->a, &normal, &err) != OK)
        return fail(r, "22036", "%s", string);
    return go_on(r, n, normal, to);
}

struct number {
    int128 value;
    unsigned scale;
};

static const char *sign_of(enum jsonpath_kind kind)
{
    switch (kind) {
    case PATH_ADD:
    case PATH_PLUS: return "+";
    case PATH_SUBTRACT:
    case PATH_MINUS: return "-";
    case PATH_MULTIPLY: return "*";
    case PATH_DIVIDE: return "/";
    default: return "%";
    }
}

static enum outcome single_number(struct run *r, const struct jsonpath_node *n, const struct jsonpath_node *side,
                                  struct slice item, struct number *ret)
{
    struct items found = {0};
    bool overflow;
    enum outcome outcome = operand(r, side, item, true, &found);
    if (outcome == BROKEN)
        return BROKEN;
    if (found.n != 1 || !is_number(found.list[0]))
        return fail(r, "22038", "%s operand of jsonpath operator %s is not a single numeric value",
                    side == n->left ? "left" : "right", sign_of(n->kind));
    if (!decimal_parse(found.list[0], &ret->value, &ret->scale, &overflow))
        return fail_hard(r, "22003", "value overflows numeric format");
    return FOUND;
}

/* The first of PostgreSQL's digits, which are four decimal ones each, and its weight. */
static void first_digit(struct number x, int *ret_weight, int *ret_digit)
{
    int128 v = x.value < 0 ? -x.value : x.value;
    unsigned digits = 1;
    *ret_weight = *ret_digit = 0;
    if (v == 0)
        return;
    while (!decimal_fits(v, digits))
        digits++;
    int power = (int)digits - 1 - (int)x.scale; /* of the first decimal digit */
    *ret_weight = power >= 0 ? power / 4 : -((3 - power) / 4);
    int shift = (int)x.scale + 4 * *ret_weight;
    *ret_digit = (int)(shift >= 0 ? v / decimal_pow10[shift] : v * decimal_pow10[-shift]);
}

/* As many digits as PostgreSQL's numeric division gives: 16 significant ones, and no fewer than the operands have. */
static unsigned quotient_scale(struct number x, struct number y)
{
    int wx, wy, dx, dy;
    first_digit(x, &wx, &dx);
    first_digit(y, &wy, &dy);
    int weight = wx - wy - (dx <= dy), scale = 16 - weight * 4;
    scale = MAX(MAX(scale, (int)x.scale), (int)y.scale);
    return (unsigned)MIN(MAX(scale, 0), NUMERIC_MAX_PRECISION);
}

static bool calculate(enum jsonpath_kind kind, struct number x, struct number y, struct number *ret)
{
    unsigned scale = MAX(x.scale, y.scale);
    struct number z = {0, scale};
    if (kind == PATH_MULTIPLY) {
        *ret = (struct number){0, x.scale + y.scale};
        return ret->scale <= NUMERIC_MAX_PRECISION && decimal_mul(x.value, y.value, &ret->value);
    }
    if (kind == PATH_DIVIDE) {
        ret->scale = quotient_scale(x, y);
        return decimal_div(x.value, x.scale, y.value, y.scale, ret->scale, &ret->value);
    }
    if (!decimal_rescale(x.value, x.scale, scale, &x.value) || !decimal_rescale(y.value, y.scale, scale, &y.value))
        return false;
    bool good = true;
    if (kind == PATH_MODULO)
        z.value = x.value % y.value;
    else
        good = decimal_add(x.value, kind == PATH_ADD ? y.value : -y.value, &z.value);
    *ret = z;
    return good;
}

static enum outcome step_arithmetic(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    struct number x, y, z;
    if (single_number(r, n, n->left, item, &x) == BROKEN || single_number(r, n, n->right, item, &y) == BROKEN)
        return BROKEN;
    if (y.value == 0 && (n->kind == PATH_DIVIDE || n->kind == PATH_MODULO))
        return fail(r, "22012", "division by zero");
    if (!calculate(n->kind, x, y, &z))
        return fail(r, "22003", "value overflows numeric format");
    return give_number(r, n, z.value, z.scale, to);
}

/* A number without a digit but 0: it has no sign. */
static bool is_zero(struct slice number)
{
    for (size_t i = 0; i < number.len; i++)
        if (number.data[i] != '0' && number.data[i] != '.')
            return false;
    return true;
}

static enum outcome step_sign(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    struct items found = {0};
    enum outcome all = NOT_FOUND;
    if (operand(r, n->left, item, true, &found) == BROKEN)
        return BROKEN;
    for (uint32_t i = 0; i < found.n; i++) {
        struct slice one = found.list[i];
        if (!is_number(one) && !to && !n->next)
            continue;
        if (!is_number(one))
            return fail(r, "2203B", "operand of unary jsonpath operator %s is not a numeric value", sign_of(n->kind));
        if (n->kind == PATH_MINUS && one.data[0] == '-')
            one = (struct slice){one.data + 1, one.len - 1};
        else if (n->kind == PATH_MINUS && !is_zero(one)) {
            char *negative = arena_alloc(r->a, one.len + 1);
            negative[0] = '-';
            memcpy(negative + 1, one.data, one.len);
            one = (struct slice){negative, one.len + 1};
        }
        enum outcome outcome = go_on(r, n, one, to);
        if (outcome == BROKEN || (outcome == FOUND && !to))
            return outcome;
        all = outcome == FOUND ? FOUND : all;
    }
    return all;
}

/* ---- conditions ---- */

typedef enum truth compare_fn(struct run *r, const struct jsonpath_node *n, struct slice x, struct slice y);

/* For some pair of the operands' items? In strict mode a pair that cannot be asked makes all of it unknown. */
static enum truth for_pairs(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap_right,
                            compare_fn *compare)
{
    struct items left = {0}, right = {0};
    bool silent = r->silent, found = false, unknown = false;
    r->silent = true;
    enum outcome outcome = operand(r, n->left, item, true, &left);
    if (outcome != BROKEN && n->right)
        outcome = operand(r, n->right, item, unwrap_right, &right);
    r->silent = r->hard ? false : silent;
    if (outcome == BROKEN)
        return UNKNOWN;
    if (!n->right)
        add(r, &right, SLICE("null"));
    for (uint32_t i = 0; i < left.n; i++)
        for (uint32_t k = 0; k < right.n; k++) {
            enum truth t = compare(r, n, left.list[i], right.list[k]);
            if (++r->steps > JSONPATH_STEPS) {
                fail_hard(r, "54000", "a jsonpath takes too many steps");
                return UNKNOWN;
            }
            if (t == UNKNOWN && !r->lax)
                return UNKNOWN;
            if (t == YES && r->lax)
                return YES;
            unknown |= t == UNKNOWN;
            found |= t == YES;
        }
    return found ? YES : unknown ? UNKNOWN : NO;
}

static bool same_kind(struct slice x, struct slice y)
{
    bool truth = x.data[0] == 't' || x.data[0] == 'f', other = y.data[0] == 't' || y.data[0] == 'f';
    return is_number(x) ? is_number(y) : truth ? other : x.data[0] == y.data[0];
}

static enum truth compare_items(struct run *r, const struct jsonpath_node *n, struct slice x, struct slice y)
{
    (void)r;
    if (!same_kind(x, y))
        return !is_null(x) && !is_null(y) ? UNKNOWN : n->kind == PATH_NE ? YES : NO;
    if (is_array(x) || is_object(x))
        return UNKNOWN;
    int order = jsonb_order(x, y);
    switch (n->kind) {
    case PATH_EQ: return order == 0 ? YES : NO;
    case PATH_NE: return order != 0 ? YES : NO;
    case PATH_LT: return order < 0 ? YES : NO;
    case PATH_LE: return order <= 0 ? YES : NO;
    case PATH_GT: return order > 0 ? YES : NO;
    default: return order >= 0 ? YES : NO;
    }
}

static enum truth starts_with(struct run *r, const struct jsonpath_node *n, struct slice x, struct slice y)
{
    struct slice text, start;
    (void)n;
    if (!is_string(x) || !is_string(y))
        return UNKNOWN;
    (void)jsonb_text(x, r->a, &text);
    (void)jsonb_text(y, r->a, &start);
    return text.len >= start.len && memcmp(text.data, start.data, start.len) == 0 ? YES : NO;
}

static enum truth like_regex(struct run *r, const struct jsonpath_node *n, struct slice x, struct slice y)
{
    struct slice text;
    (void)y;
    if (!is_string(x))
        return UNKNOWN;
    (void)jsonb_text(x, r->a, &text);
    return regex_find(n->regex, text.data, text.len, 0, NULL, 0) ? YES : NO;
}

/* In strict mode all of it is computed, so that no error goes unseen. */
static enum truth exists(struct run *r, const struct jsonpath_node *n, struct slice item)
{
    struct items found = {0};
    bool silent = r->silent;
    r->silent = true;
    enum outcome outcome = run_item(r, n->left, item, r->lax, r->lax ? NULL : &found);
    r->silent = r->hard ? false : silent;
    return outcome == BROKEN ? UNKNOWN : outcome == FOUND ? YES : NO;
}

static enum truth test(struct run *r, const struct jsonpath_node *n, struct slice item)
{
    enum truth left, right;
    switch (n->kind) {
    case PATH_AND:
        left = test(r, n->left, item);
        if (left == NO)
            return NO;
        right = test(r, n->right, item);
        return right == YES ? left : right;
    case PATH_OR:
        left = test(r, n->left, item);
        if (left == YES)
            return YES;
        right = test(r, n->right, item);
        return right == NO ? left : right;
    case PATH_NOT:
        left = test(r, n->left, item);
        return left == UNKNOWN ? UNKNOWN : left == YES ? NO : YES;
    case PATH_IS_UNKNOWN: return test(r, n->left, item) == UNKNOWN ? YES : NO;
    case PATH_EXISTS: return exists(r, n, item);
    case PATH_STARTS_WITH: return for_pairs(r, n, item, false, starts_with);
    case PATH_LIKE_REGEX: return for_pairs(r, n, item, false, like_regex);
    default: return for_pairs(r, n, item, true, compare_items);
    }
}

static enum outcome step_filter(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                                struct items *to)
{
    if (unwrap && is_array(item))
        return each_element(r, n, item, false, to);
    struct slice outer = r->current;
    r->current = item;
    enum truth t = test(r, n->left, item);
    r->current = outer;
    return r->hard ? BROKEN : t == YES ? go_on(r, n, item, to) : NOT_FOUND;
}

/* ---- one item ---- */

static enum outcome give_variable(struct run *r, const struct jsonpath_node *n, struct items *to)
{
    struct slice value;
    if (r->vars.data && jsonb_field(r->vars, n->text, &value))
        return go_on_in(r, n, r->vars, 1, value, to);
    if (r->lenient_vars)
        return go_on(r, n, SLICE("null"), to);
    return fail_hard(r, "42704",
                     arena_printf(r->a, "could not find jsonpath variable \"%.*s\"", (int)MIN(n->text.len, (size_t)100),
                                  n->text.data));
}

static enum outcome give_type(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    const char *name = is_object(item)   ? "\"object\""
                       : is_array(item)  ? "\"array\""
                       : is_string(item) ? "\"string\""
                       : is_number(item) ? "\"number\""
                       : is_null(item)   ? "\"null\""
                                         : "\"boolean\"";
    return go_on(r, n, slice_of(name), to);
}

static enum outcome give_size(struct run *r, const struct jsonpath_node *n, struct slice item, struct items *to)
{
    if (!is_array(item) && !r->lax)
        return r->ignores_structure
                   ? NOT_FOUND
                   : fail(r, "22039", "jsonpath item method .size() can only be applied to an array");
    return give_number(r, n, is_array(item) ? count(item) : 1, 0, to);
}

/* unwrap: a step that is no array's is taken to each element of one. */
static enum outcome run_item(struct run *r, const struct jsonpath_node *n, struct slice item, bool unwrap,
                             struct items *to)
{
    static const char *const truths[] = {[NO] = "false", [YES] = "true", [UNKNOWN] = "null"};
    if (++r->steps > JSONPATH_STEPS)
        return fail_hard(r, "54000", "a jsonpath takes too many steps");
    if (r->hard)
        return BROKEN;
    if (n->kind >= PATH_EQ) {
        enum truth t = test(r, n, item);
        return r->hard ? BROKEN : go_on(r, n, slice_of(truths[t]), to);
    }
    bool scalar_step = n->kind >= PATH_DOUBLE && n->kind <= PATH_KEYVALUE;
    if (scalar_step && unwrap && is_array(item))
        return each_element(r, n, item, false, to);
    switch (n->kind) {
    case PATH_ROOT: return go_on_in(r, n, r->root, 0, r->root, to);
    case PATH_CURRENT: return go_on(r, n, r->current, to);
    case PATH_LAST: return give_number(r, n, (int64_t)r->innermost - 1, 0, to);
    case PATH_VALUE: return go_on(r, n, n->text, to);
    case PATH_VARIABLE: return give_variable(r, n, to);
    case PATH_KEY: return step_key(r, n, item, unwrap, to);
    case PATH_ANY_KEY: return step_any_key(r, n, item, unwrap, to);
    case PATH_INDEX: return step_index(r, n, item, to);
    case PATH_ANY_INDEX: return step_any_index(r, n, item, to);
    case PATH_ANY_DEPTH: return step_any_depth(r, n, item, to);
    case PATH_FILTER: return step_filter(r, n, item, unwrap, to);
    case PATH_TYPE: return give_type(r, n, item, to);
    case PATH_SIZE: return give_size(r, n, item, to);
    case PATH_DOUBLE: return step_double(r, n, item, to);
    case PATH_KEYVALUE: return step_keyvalue(r, n, item, to);
    case PATH_CEILING:
    case PATH_FLOOR:
    case PATH_ABS: return step_round(r, n, item, to);
    case PATH_PLUS:
    case PATH_MINUS: return step_sign(r, n, item, to);
    default: return step_arithmetic(r, n, item, to);
    }
}

/* ---- functions: document, path, perhaps variables, perhaps whether to be silent ---- */

/* false: the lane has failed. `all`: every item is wanted, not only whether there is one. */
static bool run_path(struct call *c, uint32_t row, bool silent, bool all, struct arena *a, struct items *ret,
                     enum outcome *ret_outcome)
{
    const struct jsonpath *path = c->extra;
    struct slice doc = arg_text(c, 0, row);
    struct run r = {.a = a, .lax = path->lax, .ignores_structure = path->lax, .root = doc, .current = doc};
    r.base.text = doc;
    r.next_id = silent ? 1 : 2; /* 1 is the variables', of which an operator has none */
    r.lenient_vars = silent;
    r.silent = silent || (c->nargs > 3 && ARG(c, 3, uint8_t, row));
    if (c->nargs > 2)
        r.vars = arg_text(c, 2, row);
    if (r.vars.data && !is_object(r.vars)) {
        call_fail(c, row, "22023", "\"vars\" argument is not an object");
        return false;
    }
    *ret_outcome = run_item(&r, path->root, doc, r.lax, all || !r.lax ? ret : NULL);
    if (*ret_outcome == BROKEN && (r.hard || !r.silent)) {
        call_fail(c, row, r.sqlstate, "%s", r.text);
        return false;
    }
    return true;
}

static void path_exists(struct call *c, bool silent)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct items found = {0};
        enum outcome outcome;
        if (run_path(c, r, silent, false, &scratch, &found, &outcome)) {
            OUT(c, uint8_t, r) = outcome == FOUND;
            if (outcome == BROKEN)
                call_null(c, r);
        }
        arena_reset(&scratch);
    }
}
static void kernel_exists(struct call *c) { path_exists(c, false); }
static void kernel_exists_silent(struct call *c) { path_exists(c, true); }

static void path_match(struct call *c, bool silent)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct items found = {0};
        enum outcome outcome;
        if (run_path(c, r, silent, true, &scratch, &found, &outcome)) {
            char first = found.n == 1 ? found.list[0].data[0] : 0;
            bool quiet = silent || (c->nargs > 3 && ARG(c, 3, uint8_t, r));
            OUT(c, uint8_t, r) = first == 't';
            if (first != 't' && first != 'f' && first != 'n' && !quiet)
                call_fail(c, r, "22038", "single boolean result is expected");
            else if (first != 't' && first != 'f')
                call_null(c, r);
        }
        arena_reset(&scratch);
    }
}
static void kernel_match(struct call *c) { path_match(c, false); }
static void kernel_match_silent(struct call *c) { path_match(c, true); }

static void kernel_query_first(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct items found = {0};
        enum outcome outcome;
        if (run_path(c, r, false, true, &scratch, &found, &outcome)) {
            if (found.n)
                call_text(c, r, found.list[0].data, found.list[0].len);
            else
                call_null(c, r);
        }
        arena_reset(&scratch);
    }
}

static void kernel_query_array(struct call *c)
{
    AUTO(arena) scratch = {0};
    AUTO(buf) out = BUF(RESULT_MAX);
    CALL_ROWS(c, r) {
        struct items found = {0};
        enum outcome outcome;
        if (run_path(c, r, false, true, &scratch, &found, &outcome)) {
            buf_clear(&out);
            buf_putc(&out, '[');
            for (uint32_t i = 0; i < found.n; i++) {
                buf_puts(&out, i ? ", " : "");
                buf_put_slice(&out, found.list[i]);
            }
            buf_putc(&out, ']');
            if (out.overflow)
                call_fail(c, r, "54000", "a jsonb value is longer than the %d bytes allowed for it", RESULT_MAX);
            else
                call_text(c, r, out.data, out.len);
        }
        arena_reset(&scratch);
    }
}

static void kernel_query(struct call *c)
{
    AUTO(arena) scratch = {0};
    CALL_ROWS(c, r) {
        struct items found = {0};
        enum outcome outcome;
        if (run_path(c, r, false, true, &scratch, &found, &outcome)) {
            struct elements e = elements_of(TYPE(TYPE_JSONB), &scratch);
            for (uint32_t i = 0; i < found.n; i++)
                elements_add_text(&e, found.list[i]);
            elements_give(&e, c, r);
        }
        arena_reset(&scratch);
    }
}

static enum status bind_path(struct binding *b, struct error *err)
{
    const struct expr *text = b->args[1];
    struct jsonpath *path = arena_zalloc(b->arena, sizeof *path);
    if (!expr_is_const(text)) {
        (void)error_set(err, ERR_UNSUPPORTED, "the path of %s must be a constant", b->function->name);
        return error_hint(err, "what varies goes into its variables: '$.a ? (@ > $x)', and a jsonb with the key x");
    }
    if (expr_is_null_const(text))
        return OK;
    b->extra = path;
    return jsonpath_parse(view_slice(text->value.data), b->arena, path, err);
}

#define J TYPE_JSONB
#define T TYPE_TEXT
#define B TYPE_BOOL
#define FN(NAME, RESULT, N, KERNEL, HELP)                                                                              \
    {.name = NAME, .result = RESULT, .nargs = N, .args = {J, T, J, B}, .kernel = KERNEL, .bind = bind_path,            \
     .help = HELP}
#define ROWS(NAME, RESULT, KERNEL, HELP)                                                                               \
    FN(NAME, RESULT, 2, KERNEL, HELP), FN(NAME, RESULT, 3, KERNEL, HELP "; with variables"),                           \
        FN(NAME, RESULT, 4, KERNEL, HELP "; with variables; true: errors in the document are no errors")

const struct function fn_jsonpath[] = {
    FN("@?", B, 2, kernel_exists_silent, "does the path find something? x @? '$.items[*] ? (@.price > 10)'"),
    FN("@@", B, 2, kernel_match_silent, "is the path's condition true? x @@ '$.price > 10'"),
    ROWS("jsonb_path_exists", B, kernel_exists, "does the path find something?"),
    ROWS("jsonb_path_match", B, kernel_match, "is the path's condition true?"),
    ROWS("jsonb_path_query_first", J, kernel_query_first, "the first value the path finds"),
    ROWS("jsonb_path_query_array", J, kernel_query_array, "an array of the values the path finds"),
    {0},
};

#define SET(N, HELP)                                                                                                   \
    {.name = "jsonb_path_query", .result = ARRAY_OF | J, .nargs = N, .args = {J, T, J, B}, .flags = FN_SET,            \
     .kernel = kernel_query, .bind = bind_path, .help = HELP}

const struct function fn_jsonpath_sets[] = {
    SET(2, "the values the path finds"),
    SET(3, "the values the path finds; with variables"),
    SET(4, "the values the path finds; with variables; true: errors in the document are no errors"),
    {0},
};
