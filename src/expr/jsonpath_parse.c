#include "expr/jsonpath.h"

#include <strings.h>

#include "base/ascii.h"
#include "column/jsonb.h"

/* ---- words ---- */

enum token { END, PUNCTUATION, NAME, STRING, NUMBER, VARIABLE };

struct reading {
    const char *p, *end;
    struct slice whole;
    struct arena *a;
    struct error *err;
    enum token token; /* the next one */
    struct slice text;  /* of it: of a string what it stands for */
    const char *at;     /* where it begins */
    uint32_t nnodes, depth;
    bool in_filter, in_index; /* @ and last have a meaning here */
};

static enum status syntax(const struct reading *r)
{
    if (r->token == END)
        return error_set(r->err, ERR_SQL, "syntax error at end of jsonpath input");
    (void)error_set(r->err, ERR_SQL, "syntax error at or near \"%.*s\" of jsonpath input",
                    (int)MIN((size_t)(r->p - r->at), (size_t)40), r->at);
    return error_hint(r->err, "a path is written as $.items[*] ? (@.price > 10).name");
}

static enum status refuse(const struct reading *r, const char *what)
{
    return error_set(r->err, ERR_UNSUPPORTED, "%s in a jsonpath is not supported", what);
}

static bool is_name(char c)
{
    static const char others[] = "?%$.[]{}()|&!=<>@#,*:-+/\"\\'";
    return !is_blank(c) && !memchr(others, c, sizeof others - 1);
}

static enum status skip_blanks(struct reading *r)
{
    for (;;) {
        while (r->p < r->end && is_blank(*r->p))
            r->p++;
        if (r->end - r->p < 2 || memcmp(r->p, "/*", 2) != 0)
            return OK;
        const char *close = memmem(r->p + 2, (size_t)(r->end - r->p - 2), "*/", 2);
        r->at = r->p;
        if (!close)
            return error_set(r->err, ERR_SQL, "unexpected end of comment of jsonpath input");
        r->p = close + 2;
    }
}

/* A string in double quotes, with JSON's escapes. */
static enum status take_string(struct reading *r)
{
    const char *from = r->p++;
    while (r->p < r->end && *r->p != '"')
        r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
    if (r->p >= r->end) {
        r->p = r->end;
        return error_set(r->err, ERR_SQL, "unexpected end of quoted string of jsonpath input");
    }
    r->p++;
    struct slice json = {from, (size_t)(r->p - from)}, normal;
    TRY(jsonb_normalise(json, json.len * 6 + 16, r->a, &normal, r->err));
    (void)jsonb_text(normal, r->a, &r->text);
    return OK;
}

static void take_number(struct reading *r)
{
    const char *from = r->p;
    for (bool point = false; r->p < r->end && (is_digit(*r->p) || (*r->p == '.' && !point)); r->p++)
        point |= *r->p == '.';
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        const char *digits = r->p + 1;
        digits += digits < r->end && (*digits == '+' || *digits == '-');
        if (digits < r->end && is_digit(*digits))
            for (r->p = digits; r->p < r->end && is_digit(*r->p);)
                r->p++;
    }
    r->text = (struct slice){from, (size_t)(r->p - from)};
}

static void take_name(struct reading *r)
{
    const char *from = r->p;
    while (r->p < r->end && is_name(*r->p))
        r->p++;
    r->text = (struct slice){from, (size_t)(r->p - from)};
}

static void take_punctuation(struct reading *r)
{
    static const char *const pairs[] = {"**", "==", "!=", "<>", "<=", ">=", "&&", "||"};
    size_t n = 1;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (r->end - r->p >= 2 && memcmp(r->p, pairs[i], 2) == 0)
            n = 2;
    r->text = (struct slice){r->p, n};
    r->p += n;
}

static enum status advance(struct reading *r)
{
    TRY(skip_blanks(r));
    r->at = r->p;
    r->text = (struct slice){0};
    if (r->p == r->end) {
        r->token = END;
        return OK;
    }
    bool point = *r->p == '.' && r->end - r->p > 1 && is_digit(r->p[1]);
    if (*r->p == '"') {
        r->token = STRING;
        return take_string(r);
    }
    if (*r->p == '\\' || *r->p == '\'')
        return refuse(r, "a backslash or single quote");
    if (*r->p == '$' && r->end - r->p > 1 && (r->p[1] == '"' || is_name(r->p[1]))) {
        r->token = VARIABLE;
        r->p++;
        if (*r->p == '"')
            return take_string(r);
        take_name(r);
    } else if (is_digit(*r->p) || point) {
        r->token = NUMBER;
        take_number(r);
        if (r->p < r->end && is_name(*r->p))
            return error_set(r->err, ERR_SQL,
                             "trailing junk after numeric literal at or near \"%.*s\" of jsonpath input",
                             (int)(r->p + 1 - r->at), r->at);
    } else if (is_name(*r->p)) {
        r->token = NAME;
        take_name(r);
    } else {
        r->token = PUNCTUATION;
        take_punctuation(r);
    }
    return OK;
}

static bool is(const struct reading *r, const char *punctuation)
{
    return r->token == PUNCTUATION && slice_is(r->text, punctuation);
}

/* Keywords are written in any case. */
static bool is_word(const struct reading *r, const char *word)
{
    return r->token == NAME && r->text.len == strlen(word) && strncasecmp(r->text.data, word, r->text.len) == 0;
}

static enum status expect(struct reading *r, const char *punctuation)
{
    return is(r, punctuation) ? advance(r) : syntax(r);
}

/* ---- the tree ---- */

static enum status make(struct reading *r, enum jsonpath_kind kind, struct jsonpath_node **ret)
{
    if (++r->nnodes > JSONPATH_NODES)
        return error_set(r->err, ERR_LIMIT, "a jsonpath has more than %d parts", JSONPATH_NODES);
    *ret = arena_zalloc(r->a, sizeof **ret);
    (*ret)->kind = kind;
    return OK;
}

static enum status parse_or(struct reading *r, struct jsonpath_node **ret);
static enum status parse_sum(struct reading *r, struct jsonpath_node **ret);
static enum status parse_unary(struct reading *r, struct jsonpath_node **ret);

static enum status parse_condition(struct reading *r, struct jsonpath_node **ret)
{
    TRY(parse_or(r, ret));
    return jsonpath_is_condition(*ret) ? OK : syntax(r);
}

static enum status parse_value(struct reading *r, struct jsonpath_node **ret)
{
    TRY(parse_sum(r, ret));
    return jsonpath_is_condition(*ret) ? syntax(r) : OK;
}

static enum status value_of(struct reading *r, struct slice json, struct jsonpath_node **ret)
{
    TRY(make(r, PATH_VALUE, ret));
    TRY(jsonb_normalise(json, KIB(64), r->a, &(*ret)->text, r->err));
    return advance(r);
}

static enum status quoted_value(struct reading *r, struct jsonpath_node **ret)
{
    AUTO(buf) printed = BUF(r->text.len * 6 + 2);
    jsonb_put_string(&printed, r->text);
    return value_of(r, (struct slice){arena_dup(r->a, printed.data, printed.len), printed.len}, ret);
}

/* 1. and .5 are numbers here, but not in JSON. */
static enum status number_value(struct reading *r, struct jsonpath_node **ret)
{
    struct slice s = r->text;
    AUTO(buf) json = BUF(s.len + 2);
    if (s.data[0] == '.')
        buf_putc(&json, '0');
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] != '.' || (i + 1 < s.len && is_digit(s.data[i + 1])))
            buf_putc(&json, s.data[i]);
    return value_of(r, (struct slice){arena_dup(r->a, json.data, json.len), json.len}, ret);
}

static enum status parse_exists(struct reading *r, struct jsonpath_node **ret)
{
    TRY(make(r, PATH_EXISTS, ret));
    TRY(advance(r));
    TRY(expect(r, "("));
    TRY(parse_value(r, &(*ret)->left));
    return expect(r, ")");
}

static enum status parse_parenthesis(struct reading *r, struct jsonpath_node **ret)
{
    TRY(advance(r));
    TRY(parse_or(r, ret));
    TRY(expect(r, ")"));
    if (!jsonpath_is_condition(*ret) || !is_word(r, "is"))
        return OK;
    struct jsonpath_node *unknown = NULL;
    TRY(make(r, PATH_IS_UNKNOWN, &unknown));
    unknown->left = *ret;
    *ret = unknown;
    TRY(advance(r));
    return is_word(r, "unknown") ? advance(r) : syntax(r);
}

static enum status parse_primary(struct reading *r, struct jsonpath_node **ret)
{
    if (is(r, "("))
        return parse_parenthesis(r, ret);
    if (r->token == STRING)
        return quoted_value(r, ret);
    if (r->token == NUMBER)
        return number_value(r, ret);
    if (r->token == NAME && (slice_is(r->text, "null") || slice_is(r->text, "true") || slice_is(r->text, "false")))
        return value_of(r, r->text, ret);
    if (is_word(r, "exists"))
        return parse_exists(r, ret);
    if (is(r, "@") && !r->in_filter)
        return error_set(r->err, ERR_SQL, "@ is not allowed in root expressions");
    if (is_word(r, "last") && !r->in_index)
        return error_set(r->err, ERR_SQL, "LAST is allowed only in array subscripts");
    bool simple = is(r, "$") || is(r, "@") || is_word(r, "last") || r->token == VARIABLE;
    if (!simple)
        return syntax(r);
    TRY(make(r, is(r, "$") ? PATH_ROOT : is(r, "@") ? PATH_CURRENT : r->token == VARIABLE ? PATH_VARIABLE : PATH_LAST,
             ret));
    (*ret)->text = r->text;
    return advance(r);
}

/* ---- steps ---- */

static enum status parse_ranges(struct reading *r, struct jsonpath_node *n)
{
    struct jsonpath_range ranges[64];
    bool outer = r->in_index;
    r->in_index = true;
    do {
        if (n->nranges == ARRAY_LEN(ranges))
            return error_set(r->err, ERR_LIMIT, "a jsonpath has more than %zu subscripts in one step",
                             ARRAY_LEN(ranges));
        struct jsonpath_range *range = &ranges[n->nranges++];
        *range = (struct jsonpath_range){0};
        TRY(advance(r)); /* over [ or the comma */
        TRY(parse_value(r, &range->from));
        if (is_word(r, "to")) {
            TRY(advance(r));
            TRY(parse_value(r, &range->to));
        }
    } while (is(r, ","));
    r->in_index = outer;
    n->ranges = arena_dup(r->a, ranges, n->nranges * sizeof *ranges);
    return expect(r, "]");
}

static enum status parse_brackets(struct reading *r, struct jsonpath_node **ret)
{
    const struct reading start = *r;
    TRY(advance(r));
    if (is(r, "*")) {
        TRY(make(r, PATH_ANY_INDEX, ret));
        TRY(advance(r));
        return expect(r, "]");
    }
    *r = start;
    TRY(make(r, PATH_INDEX, ret));
    return parse_ranges(r, *ret);
}

static enum status parse_level(struct reading *r, uint32_t *ret)
{
    *ret = 0;
    if (is_word(r, "last")) {
        *ret = UINT32_MAX;
        return advance(r);
    }
    for (size_t i = 0; i < r->text.len; i++) {
        if (r->token != NUMBER || !is_digit(r->text.data[i]) || *ret > 100000)
            return syntax(r);
        *ret = *ret * 10 + (uint32_t)(r->text.data[i] - '0');
    }
    return r->token == NUMBER ? advance(r) : syntax(r);
}

static enum status parse_any_depth(struct reading *r, struct jsonpath_node **ret)
{
    TRY(make(r, PATH_ANY_DEPTH, ret));
    (*ret)->last = UINT32_MAX;
    TRY(advance(r));
    if (!is(r, "{"))
        return OK;
    TRY(advance(r));
    TRY(parse_level(r, &(*ret)->first));
    (*ret)->last = (*ret)->first;
    if (is_word(r, "to")) {
        TRY(advance(r));
        TRY(parse_level(r, &(*ret)->last));
    }
    return expect(r, "}");
}

static enum status parse_filter(struct reading *r, struct jsonpath_node **ret)
{
    bool outer = r->in_filter;
    TRY(make(r, PATH_FILTER, ret));
    TRY(advance(r));
    TRY(expect(r, "("));
    r->in_filter = true;
    TRY(parse_condition(r, &(*ret)->left));
    r->in_filter = outer;
    return expect(r, ")");
}

/* The method of a name that an opening parenthesis follows; false: the name is a key. */
static bool method_of(struct slice name, enum jsonpath_kind *ret)
{
    static const struct {
        const char *name;
        enum jsonpath_kind kind;
    } methods[] = {{"type", PATH_TYPE},       {"size", PATH_SIZE},   {"double", PATH_DOUBLE},
                   {"ceiling", PATH_CEILING}, {"floor", PATH_FLOOR}, {"abs", PATH_ABS},
                   {"keyvalue", PATH_KEYVALUE}};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (name.len == strlen(methods[i].name) && strncasecmp(name.data, methods[i].name, name.len) == 0) {
            *ret = methods[i].kind;
            return true;
        }
    return false;
}

static enum status parse_name(struct reading *r, struct jsonpath_node **ret)
{
    struct slice name = r->text;
    bool quoted = r->token == STRING;
    enum jsonpath_kind kind = PATH_KEY;
    TRY(make(r, PATH_KEY, ret));
    (*ret)->text = name;
    TRY(advance(r));
    if (quoted || !is(r, "("))
        return OK;
    if (!method_of(name, &kind))
        return slice_is(name, "datetime") ? refuse(r, ".datetime()") : syntax(r);
    (*ret)->kind = kind;
    TRY(advance(r));
    return expect(r, ")");
}

static enum status parse_step(struct reading *r, struct jsonpath_node **ret)
{
    if (is(r, "["))
        return parse_brackets(r, ret);
    if (is(r, "?"))
        return parse_filter(r, ret);
    TRY(advance(r)); /* over the point */
    if (is(r, "**"))
        return parse_any_depth(r, ret);
    if (is(r, "*")) {
        TRY(make(r, PATH_ANY_KEY, ret));
        return advance(r);
    }
    return r->token == NAME || r->token == STRING ? parse_name(r, ret) : syntax(r);
}

static enum status parse_chain(struct reading *r, struct jsonpath_node **ret)
{
    struct jsonpath_node **end;
    TRY(parse_primary(r, ret));
    for (end = &(*ret)->next; *end;)
        end = &(*end)->next;
    while (is(r, ".") || is(r, "[") || is(r, "?")) {
        TRY(parse_step(r, end));
        end = &(*end)->next;
    }
    return OK;
}

/* ---- operators, by how tightly they bind ---- */

static enum status parse_sign(struct reading *r, struct jsonpath_node **ret)
{
    TRY(make(r, is(r, "-") ? PATH_MINUS : PATH_PLUS, ret));
    TRY(advance(r));
    TRY(parse_unary(r, &(*ret)->left));
    return jsonpath_is_condition((*ret)->left) ? syntax(r) : OK;
}

static enum status parse_not(struct reading *r, struct jsonpath_node **ret)
{
    TRY(make(r, PATH_NOT, ret));
    TRY(advance(r));
    if (!is(r, "(") && !is_word(r, "exists"))
        return syntax(r);
    TRY(parse_primary(r, &(*ret)->left));
    return jsonpath_is_condition((*ret)->left) ? OK : syntax(r);
}

static enum status parse_unary(struct reading *r, struct jsonpath_node **ret)
{
    if (++r->depth > JSONPATH_DEPTH)
        return error_set(r->err, ERR_LIMIT, "a jsonpath nests deeper than %d levels", JSONPATH_DEPTH);
    enum status status = is(r, "-") || is(r, "+") ? parse_sign(r, ret)
                         : is(r, "!")             ? parse_not(r, ret)
                                                  : parse_chain(r, ret);
    r->depth--;
    return status;
}

struct operator {
    const char *text;
    enum jsonpath_kind kind;
};

static const struct operator products[] = {{"*", PATH_MULTIPLY}, {"/", PATH_DIVIDE}, {"%", PATH_MODULO}, {0}};
static const struct operator sums[] = {{"+", PATH_ADD}, {"-", PATH_SUBTRACT}, {0}};
static const struct operator comparisons[] = {{"==", PATH_EQ}, {"!=", PATH_NE}, {"<>", PATH_NE}, {"<", PATH_LT},
                                              {"<=", PATH_LE}, {">", PATH_GT},  {">=", PATH_GE}, {0}};
static const struct operator ands[] = {{"&&", PATH_AND}, {0}};
static const struct operator ors[] = {{"||", PATH_OR}, {0}};

static const struct operator *operator_of(const struct reading *r, const struct operator *list)
{
    for (; list->text; list++)
        if (is(r, list->text))
            return list;
    return NULL;
}

/* left op right op ..., whose operands are conditions, or are not. */
static enum status parse_binary(struct reading *r, const struct operator *list, bool conditions,
                                enum status (*operand)(struct reading *, struct jsonpath_node **),
                                struct jsonpath_node **ret)
{
    const struct operator *op;
    TRY(operand(r, ret));
    while ((op = operator_of(r, list))) {
        struct jsonpath_node *both = NULL;
        TRY(make(r, op->kind, &both));
        both->left = *ret;
        TRY(advance(r));
        TRY(operand(r, &both->right));
        if (jsonpath_is_condition(both->left) != conditions || jsonpath_is_condition(both->right) != conditions)
            return syntax(r);
        *ret = both;
    }
    return OK;
}

static enum status parse_product(struct reading *r, struct jsonpath_node **ret)
{
    return parse_binary(r, products, false, parse_unary, ret);
}

static enum status parse_sum(struct reading *r, struct jsonpath_node **ret)
{
    return parse_binary(r, sums, false, parse_product, ret);
}

static enum status parse_starts(struct reading *r, struct jsonpath_node *n)
{
    TRY(advance(r));
    if (!is_word(r, "with"))
        return syntax(r);
    TRY(advance(r));
    return r->token == STRING || r->token == VARIABLE ? parse_primary(r, &n->right) : syntax(r);
}

static enum status regex_options(struct reading *r, struct regex_options *ret)
{
    bool dot_all = false, lines = false;
    for (size_t i = 0; i < r->text.len; i++) {
        char c = r->text.data[i];
        ret->fold |= c == 'i';
        ret->literal |= c == 'q';
        dot_all |= c == 's';
        lines |= c == 'm';
        if (c == 'x')
            return refuse(r, "the flag \"x\" of like_regex");
        if (!memchr("iqsm", c, 4))
            return error_set(r->err, ERR_SQL, "unrecognized flag character \"%c\" in LIKE_REGEX predicate", c);
    }
    ret->dot_line = !ret->literal && !dot_all;
    ret->anchor_line = !ret->literal && lines;
    return OK;
}

static enum status parse_like_regex(struct reading *r, struct jsonpath_node *n)
{
    struct regex_options options = {.dot_line = true};
    TRY(advance(r));
    if (r->token != STRING)
        return syntax(r);
    struct slice pattern = r->text;
    TRY(advance(r));
    if (is_word(r, "flag")) {
        TRY(advance(r));
        if (r->token != STRING)
            return syntax(r);
        TRY(regex_options(r, &options));
        TRY(advance(r));
    }
    n->regex = regex_constant(pattern, options, r->err);
    return n->regex ? OK : FAILED;
}

static enum status parse_comparison(struct reading *r, struct jsonpath_node **ret)
{
    struct jsonpath_node *left = NULL, *test = NULL;
    TRY(parse_sum(r, &left));
    const struct operator *op = operator_of(r, comparisons);
    bool starts = is_word(r, "starts"), like = is_word(r, "like_regex");
    *ret = left;
    if (!op && !starts && !like)
        return OK;
    TRY(make(r, op ? op->kind : starts ? PATH_STARTS_WITH : PATH_LIKE_REGEX, &test));
    test->left = left;
    if (jsonpath_is_condition(left))
        return syntax(r);
    *ret = test;
    if (!op)
        return starts ? parse_starts(r, test) : parse_like_regex(r, test);
    TRY(advance(r));
    return parse_value(r, &test->right);
}

static enum status parse_and(struct reading *r, struct jsonpath_node **ret)
{
    return parse_binary(r, ands, true, parse_comparison, ret);
}

static enum status parse_or(struct reading *r, struct jsonpath_node **ret)
{
    return parse_binary(r, ors, true, parse_and, ret);
}

enum status jsonpath_parse(struct slice text, struct arena *a, struct jsonpath *ret, struct error *err)
{
    struct reading r = {.p = text.data, .end = text.data + text.len, .whole = text, .a = a, .err = err};
    struct jsonpath path = {.lax = true};
    TRY(advance(&r));
    if (r.token == END)
        return error_set(err, ERR_SQL, "invalid input syntax for type jsonpath: \"\"");
    if (is_word(&r, "strict") || is_word(&r, "lax")) {
        path.lax = is_word(&r, "lax");
        TRY(advance(&r));
    }
    TRY(parse_or(&r, &path.root));
    if (r.token != END)
        return syntax(&r);
    *ret = path;
    return OK;
}
