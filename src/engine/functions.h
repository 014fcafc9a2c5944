/* Functions in C: what a shared object declares, whether it may be trusted, and loading it. Reading what it declares
 * runs nothing of it, so `check`, `explain` and `plan` need nobody's leave. */
#pragma once

#include "plan/plan.h"

/* struct plan_world.function: the file's hash, and what its symbol says of types. */
enum status functions_declare(void *arg, struct foreign *f, struct error *err);

/* In a logged plan, the hashes stand behind the text, one line for each function in C:
 *
 *     -- function "NAME": sha256 HEX
 */
void functions_log(const struct plan *p, struct buf *text);
/* struct plan_world.function for such a plan; arg: struct slice, the text. Its functions can be compared, not called.
 */
enum status functions_logged(void *arg, struct foreign *f, struct error *err);
/* The functions whose library is another in `now` than in `before`, as "half of libhalf.so, ..."; false: none. */
bool functions_changed(const struct plan *before, const struct plan *now, struct buf *out);

/* Load what the functions that the plan calls lie in. A library is loaded once in a process, and stays. FAILED: it is
 * not allowed to (ERR_USAGE), or the file is another than the plan was made with. */
enum status functions_load(struct plan *p, bool allowed, struct error *err);
