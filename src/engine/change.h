/* What becomes of a state when its pipeline is changed (semantics 5): two plans compared, step by step. Nothing is done
 * here; `bourn plan` prints it, rebuild.c does it.
 *
 * A step whose identity the old plan has, too, is kept with its state: comments, layout, aliases, the order of
 * statements and columns it does not read are no part of it, while everything below it is. A step that keeps state and
 * is not kept is built from the beginning of its sources.
 *
 * A column that a source has more, or less, refuses no row that was read: what its type refuses, it refuses from here
 * on. One of another type is another contract, and so is one less that did refuse rows.
 */
#pragma once

#include "base/store.h"
#include "epoch/journal.h"
#include "plan/plan.h"

enum step_fate { STEP_KEPT, STEP_ADDED, STEP_REBUILT, STEP_DROPPED };

enum sink_fate {
    SINK_KEPT,
    SINK_GROWN, /* it appends, and has columns more, which are NULL in the rows it has */
    SINK_RENEWED, /* its rows are in the state, and are written from there */
    SINK_REPLACED, /* they are not, but come out when the sources are read again, and replace those it has */
    SINK_FILLED,  /* it is new, and gets the rows that come out when the sources are read again */
    SINK_GOES_ON, /* --adopt: the rows it has stay; what follows is the new pipeline's */
};

struct change_step {
    enum step_fate fate;
    const struct plan_node *now, *before; /* DROPPED: now NULL. KEPT, REBUILT: both. ADDED: before NULL */
    enum sink_fate sink; /* of a sink that is not dropped */
};

struct change {
    struct arena arena;
    const struct plan *before, *now;
    const struct manifest *manifest; /* of the state, or NULL */
    struct change_step *steps; /* one per node of `now`, in its order; then those dropped */
    uint32_t nsteps;
    /* Per node of `now`: its state is built anew; or it takes part in that, being above such a step. */
    bool *built, *wanted;
    bool *sound;   /* per node of `now`: the contracts of what it reads are as they were */
    bool *reread;  /* per table of `now`: wanted, and known before or to be read before the others */
    bool rereads;  /* something is built */
    bool refused;
    struct error refusal;
};

/* m: of the state that runs `before`, NULL: none is at hand. ERR_STATE in refusal where sources cannot be read again.
 * All must outlive it. */
struct change *change_new(const struct plan *before, const struct plan *now, const struct manifest *m, bool adopt);
void change_free(struct change *c);
/* Is the state of this step of the old plan, named by its id, kept? */
bool change_keeps(const struct change *c, const char *id);
/* Is state lost or built again? */
bool change_loses_state(const struct change *c);

/* A column that the source has no more and that rejected rows by its type, as far as the state tells; NULL: none. */
const char *change_refusing_column(const struct change *c, const struct plan_node *now, const struct plan_node *before);
/* Has this source another contract or event time than in the old plan, which had it? */
bool change_alters_source(const struct change *c, const char *table);

/* Why a step is rebuilt, in a line: the step, column or expression that is another. Nothing: it is not. */
void change_reason(const struct change *c, const struct change_step *s, struct buf *out);

/* The pipeline that the log says this state runs. */
enum status change_logged_plan(struct store *store, const struct manifest *m, struct plan **ret, struct error *err);

/* Does this bourn read what the state holds of the steps that are kept? The versions are looked at, not the rows:
 * before anything is changed, ERR_STATE says what it does not. */
enum status change_check_state(struct store *store, const struct manifest *m, const struct change *c,
                               struct error *err);

/* Of each step, as far as the store's segments tell (a merge may be at work): bytes it takes there. */
struct step_size {
    char id[SECTION_NAME_MAX];
    uint64_t bytes;
};
struct step_size *change_sizes(struct store *store, const struct manifest *m, struct arena *a, uint32_t *ret_count);
