/* Any text is answered: with a plan that explains itself and is the same the next time, or with an error that stands
 * somewhere. Seeds: tests/sql/plans/ *.sql, examples/ */
#include <stdlib.h>

#include "../unit/plan_world.h"
#include "plan/plan.h"

static const char tables[] =
    "CREATE FOREIGN TABLE p (id text NOT NULL, ts timestamptz OPTIONS (watermark '1 day'), v numeric(18,2), n bigint,"
    " f double precision, j jsonb, b boolean, d date, i interval, CHECK (v > 0)) SERVER stream;"
    "CREATE FOREIGN TABLE f (id integer, name text) SERVER file OPTIONS (path 'x');"
    "CREATE FOREIGN TABLE up (id text PRIMARY KEY, v numeric(38,2), at timestamptz) SERVER lake;"
    "CREATE FOREIGN TABLE app (id text, v bigint) SERVER lake;";

static void explain(const struct plan *p)
{
    AUTO(buf) out = BUF(MIB(64));
    plan_explain(p, &out);
    plan_check_report(p, &out);
    assert(out.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan_text texts[] = {{"tables.sql", SLICE(tables)}, {"fuzz.sql", {(const char *)data, size}}};
    AUTO(plan) *first = NULL;
    AUTO(plan) *again = NULL;
    AUTO(plan) *query = NULL;
    struct plan_errors others = {0};
    struct error err = {0};
    if (plan_check(texts, 2, plan_test_world(), &first, &others, &err) == OK) {
        explain(first);
        enum status status = plan_make(texts, 2, plan_test_world(), &again, &err);
        assert(status == OK && strcmp(first->fingerprint, again->fingerprint) == 0);
    } else {
        assert(err.text[0] && err.place.line > 0);
    }
    if (plan_query(&texts[1], plan_test_world(), plan_test_lookup(), &query, &err) == OK)
        explain(query);
    return 0;
}
