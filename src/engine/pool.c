#include "engine/pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"

/* How often a thread looks before it sleeps: some 20 us. Rounds, and the phases at an epoch's end, follow each other
 * sooner than that, and a sleeper costs both sides a call into the kernel. */
enum { LOOKS = 500 };

struct pool_thread {
    struct pool *pool;
    struct os_thread thread;
    uint32_t worker;
};

struct pool {
    uint32_t nworkers;
    struct pool_thread *threads; /* workers 1..n-1; the caller is worker 0 */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    atomic_ullong generation; /* a new number for every pool_run; written under the lock, as what follows */
    atomic_uint busy;         /* threads that have not finished this generation */
    atomic_bool stop;
    void (*run)(void *arg, uint32_t worker, uint32_t task);
    void *arg;
    uint32_t ntasks;
    atomic_uint next;
};

static void take_tasks(struct pool *p, uint32_t worker)
{
    uint32_t task;
    while ((task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->ntasks) {
        p->run(p->arg, worker, task);
        heap_tend();
    }
}

static void look_for_work(struct pool *p, uint64_t seen)
{
    for (int i = 0; i < LOOKS && p->generation == seen && !p->stop; i++)
        os_pause();
}

static void look_whether_done(struct pool *p)
{
    for (int i = 0; i < LOOKS && p->busy > 0; i++)
        os_pause();
}

static void *thread_main(void *arg)
{
    struct pool_thread *t = arg;
    struct pool *p = t->pool;
    uint64_t seen = 0;
    for (;;) {
        look_for_work(p, seen);
        pthread_mutex_lock(&p->lock);
        while (!p->stop && p->generation == seen)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->stop)
            break;
        seen = p->generation;
        pthread_mutex_unlock(&p->lock);
        take_tasks(p, t->worker);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pool *pool_new(uint32_t nworkers)
{
    assert(nworkers > 0);
    struct pool *p = mem_zalloc(sizeof *p);
    p->nworkers = nworkers;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    p->threads = mem_zalloc(nworkers * sizeof *p->threads);
    for (uint32_t i = 1; i < nworkers; i++) {
        char name[32];
        snprintf(name, sizeof name, "worker-%u", i);
        p->threads[i] = (struct pool_thread){.pool = p, .worker = i};
        os_thread_start(&p->threads[i].thread, thread_main, &p->threads[i], name);
    }
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 1; i < p->nworkers; i++)
        os_thread_join(&p->threads[i].thread);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}

void pool_run(struct pool *p, uint32_t ntasks, void (*run)(void *, uint32_t, uint32_t), void *arg)
{
    if (p->nworkers == 1 || ntasks == 1) {
        for (uint32_t task = 0; task < ntasks; task++) {
            run(arg, 0, task);
            heap_tend();
        }
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->run = run;
    p->arg = arg;
    p->ntasks = ntasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->busy = p->nworkers - 1;
    p->generation++;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    take_tasks(p, 0);
    look_whether_done(p);
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

uint32_t pool_workers(const struct pool *p) { return p->nworkers; }
