/* The results of window functions for a stretch of a partition's rows: frames that slide along them, ranks, and rows at
 * a distance. What unbounded frames need of the rows before is kept a chunk, so that a change near the end of a long
 * partition costs no walk from its beginning.
 */
#pragma once

#include "op/ordered.h"
#include "plan/plan.h"

#define FRAMES_ALL INT64_MAX /* of a number of rows: to the edge of the partition */

struct frames {
    const struct plan_node *input;
    struct frame_call {
        const struct plan_over_call *call;
        const struct aggregate *function; /* AGGREGATE: as it fits the frame */
        struct type arg;
        bool running;    /* begins with the partition: continues what is known of the rows before */
        uint32_t offset; /* running: of its accumulator in a prefix */
    } *calls;
    uint32_t ncalls;
    const struct type *types;    /* of the results */
    int64_t back, forward;       /* a changed row changes the results of so many rows before and behind it */
    int64_t before, after;       /* a result reads so many rows around its own */
    bool from_first_peer;        /* a changed row changes those of its peers that are before it, too */
    bool prefixed;
    uint32_t prefix_size;
    struct ordered *rows;        /* set by the owner */
};

/* types: of the results, one a call. Allocates in the arena, keeps pointers to what it is given. */
void frames_init(struct frames *f, const struct plan_over *over, const struct plan_node *input,
                 const struct type *types, struct arena *a);
/* What struct ordered_config's forget comes down to. */
void frames_forget(const struct frames *f, void *prefix);

struct frames_result { /* a row for each copy of each row; those of weight <= 0 have none */
    struct keyed_entry **entries;
    uint32_t n;
    struct column *cols;  /* of the results */
    const char **failed;  /* the SQLSTATE of a result that cannot be represented; NULL: there is none */
};

/* The results of the rows from `from` to `to`, both included. Where frames_init says from_first_peer, `from` is the
 * first of its peers; where `forward` is FRAMES_ALL, `to` is the partition's end. */
void frames_run(const struct frames *f, struct ordered_partition *p, struct ordered_at from, struct ordered_at to,
                struct arena *a, struct frames_result *ret);

/* So many rows back or on (or FRAMES_ALL), counting only those that are there; it stops at the partition's edge. */
struct ordered_at frames_back(const struct ordered_partition *p, struct ordered_at at, int64_t rows);
struct ordered_at frames_on(const struct ordered_partition *p, struct ordered_at at, int64_t rows);
struct ordered_at frames_first_peer(const struct frames *f, const struct ordered_partition *p, struct ordered_at at);
