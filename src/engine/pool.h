/* Workers: a parallel for over a few tasks. With one worker everything runs on the caller's thread and no thread is
 * made. */
#pragma once

#include "base/os.h"

struct pool;
struct pool *pool_new(uint32_t nworkers);
void pool_free(struct pool *p);
/* run(arg, worker, task) for every task in 0..ntasks-1; returns when all are done. A task may run on any worker; one
 * worker runs one task at a time. */
void pool_run(struct pool *p, uint32_t ntasks, void (*run)(void *arg, uint32_t worker, uint32_t task), void *arg);
uint32_t pool_workers(const struct pool *p);
