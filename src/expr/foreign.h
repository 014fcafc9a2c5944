/* Functions in C, out of a shared object: how a program calls them. bourn_function.h is their side. */
#pragma once

#include "expr/bourn_function.h"
#include "expr/function.h"

/* One of the pipeline's, from CREATE FUNCTION. A plan may be made of functions that are only known by what they
 * declare: `run` must be set before any program runs that calls it. */
struct foreign {
    const char *name, *library, *symbol; /* library: the path of the file */
    char sha256[65];                     /* of the file */
    bool called;                         /* somewhere in the plan: else it is not loaded */
    bool declared;                       /* its types are known, as enum type_id: */
    uint8_t result, nargs, args[BOURN_MAX_ARGS];
    size_t (*run)(const struct bourn_call *c);
    const char *culprit; /* who is named if it crashes; set with `run` */
};

enum { FOREIGN_MAX_SCRATCH = 64 << 20 };

/* enum type_id of an enum bourn_type, and back; TYPE_UNKNOWN, 0: there is no such type on the other side. */
uint8_t foreign_type(uint32_t bourn_type);
uint32_t foreign_type_of(uint8_t type_id);
/* The row that calls f; strict: not for rows with a NULL argument. It is called after the file's hash, not its path, so
 * that a step's fingerprint is that of what it computes. Lives in the arena, as f does. */
const struct function *foreign_function(struct arena *a, const struct foreign *f, struct type result, bool strict);
/* A call, which is never folded: nothing of a function in C runs while a plan is made. */
struct expr *foreign_call(struct arena *a, const struct function *f, const struct foreign *foreign, struct type result,
                          struct expr *const *args, uint32_t nargs, int32_t location);
