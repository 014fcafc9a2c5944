#include "expr/aggregate.h"

#include <stdio.h>

#include "expr/aggregates.h"

static const struct aggregate *const tables[] = {aggregates_sum, aggregates_float, aggregates_extreme};

const struct aggregate *aggregate_at(size_t i)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct aggregate *g = tables[t]; g->name; g++)
            if (i-- == 0)
                return g;
    return NULL;
}

const char *aggregate_id(const struct aggregate *g, char out[static 64])
{
    if (g->arg == TYPE_UNKNOWN)
        snprintf(out, 64, "%s(*)", g->name);
    else
        snprintf(out, 64, "%s(%s)", g->name, function_arg_name((uint8_t)g->arg));
    return out;
}

const struct aggregate *aggregate_by_id(const char *id)
{
    char own[64];
    const struct aggregate *g;
    for (size_t i = 0; (g = aggregate_at(i)); i++)
        if (strcmp(aggregate_id(g, own), id) == 0)
            return g;
    return NULL;
}

/* How well the row takes an argument of this type: 0 not at all, then by a cast, by a cast to a
 * preferred type, as it is. */
static unsigned fitness(const struct aggregate *g, uint8_t arg)
{
    if ((unsigned)g->arg == ARG_ANY || g->arg == arg)
        return 3;
    if (!type_casts_implicitly(arg, (uint8_t)g->arg))
        return 0;
    return type_is_preferred((uint8_t)g->arg) ? 2 : 1;
}

enum status aggregate_resolve(struct arena *a, const char *name, struct expr **arg, uint32_t nargs,
                              const struct aggregate **ret, struct error *err)
{
    const struct aggregate *g, *best = NULL;
    unsigned most = 0;
    bool known = false;
    for (size_t i = 0; (g = aggregate_at(i)); i++) {
        if (strcmp(g->name, name) != 0)
            continue;
        known = true;
        if ((g->arg == TYPE_UNKNOWN) != (nargs == 0) || nargs > 1)
            continue;
        unsigned fit = nargs == 0 ? 3 : fitness(g, (*arg)->type.id);
        if (fit > most) {
            most = fit;
            best = g;
        }
    }
    if (!known) {
        *ret = NULL;
        return OK;
    }
    if (!best) {
        char type[40] = "";
        struct type t = nargs ? (*arg)->type : TYPE(TYPE_UNKNOWN);
        t.precision = t.scale = 0;
        (void)error_set(err, ERR_SQL, "function %s(%s%s) does not exist", name, nargs ? type_name(t, type) : "",
                        nargs > 1 ? ", ..." : "");
        return error_hint(err, "docs/sql.md lists what %s takes", name);
    }
    if (nargs) {
        struct type want = (unsigned)best->arg == ARG_ANY ? (*arg)->type : TYPE(best->arg);
        if (want.id == TYPE_UNKNOWN)
            want = TYPE(TYPE_TEXT);
        if (want.id == TYPE_NUMERIC)
            want = type_numeric(0, 0);
        TRY(expr_cast(a, *arg, want, CAST_IMPLICIT, (*arg)->location, arg, err));
    }
    *ret = best;
    return OK;
}
