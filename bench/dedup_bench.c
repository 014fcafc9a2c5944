/* What the dedup set costs an id: nanoseconds of processor time, one thread, epochs of 20,480 rows in batches of 2,048.
 *
 *   dedup_bench [MILLIONS [SECONDS]]     so many ids unexpired (default 10), then so many seconds of a steady stream in
 *                                        which as many expire as come (default 5), 3 % of them seen before
 *
 * Best under perf stat -e cycles:u,dTLB-load-misses,cache-misses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "state/expiring.h"

enum { BATCH = 2048, EPOCH = 20480, REPEATED = 32 };

static struct hash128 ids[BATCH];
static int64_t times[BATCH];
static uint32_t rows[BATCH];
static uint8_t fresh[BATCH];

struct cost {
    int64_t insert_us, save_us;
    uint64_t ids, saved_bytes, duplicates;
};

/* One epoch: event n happens at microsecond n; every 32nd is one of the last `reach` again. */
static void epoch(struct expiring *s, uint64_t n, uint64_t reach, int64_t evict_us, struct cost *c)
{
    for (uint32_t done = 0; done < EPOCH; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            uint64_t event = n + done + i, back = hash_mix(event) % reach;
            event -= event % REPEATED == 0 && back < event ? back : 0;
            ids[i] = hash128(&event, sizeof event, 1);
            times[i] = (int64_t)event;
            rows[i] = i;
        }
        int64_t before = os_cpu_us();
        expiring_insert_rows(s, ids, times, rows, BATCH, evict_us, fresh);
        expiring_note_rows(s, 0, ids, times, rows, BATCH, fresh);
        c->insert_us += os_cpu_us() - before;
        for (uint32_t i = 0; i < BATCH; i++)
            c->duplicates += !fresh[i];
    }
    int64_t before = os_cpu_us();
    expiring_sweep(s, evict_us, 0, SHARDS);
    const struct bufs *out;
    (void)expiring_save(s, 0, &out);
    c->save_us += os_cpu_us() - before;
    c->saved_bytes += out->bytes;
    c->ids += EPOCH;
}

static void report(const char *what, const struct expiring *s, const struct cost *c)
{
    double n = (double)c->ids;
    printf("%-7s %11llu ids, insert %5.1f ns, end of epoch %4.1f ns, %4.1f bytes saved, %4.1f in memory; %.1f %% "
           "seen before\n",
           what, (unsigned long long)expiring_count(s), (double)c->insert_us * 1000 / n, (double)c->save_us * 1000 / n,
           (double)c->saved_bytes / n, (double)expiring_bytes(s) / (double)expiring_count(s),
           (double)c->duplicates * 100 / n);
}

int main(int argc, char **argv)
{
    uint64_t live = (argc > 1 ? strtoull(argv[1], NULL, 10) : 10) * 1000000, n = 0;
    struct expiring *s = expiring_new("bench", (int64_t)live, 1);
    struct cost filling = {0}, steady = {0};
    for (; n < live; n += EPOCH)
        epoch(s, n, live, INT64_MIN, &filling);
    report("filling", s, &filling);
    int64_t until = os_mono_us() + (argc > 2 ? strtoll(argv[2], NULL, 10) : 5) * 1000000;
    for (; os_mono_us() < until; n += EPOCH)
        epoch(s, n, live / 2, (int64_t)n, &steady);
    report("steady", s, &steady);
    expiring_free(s);
    return 0;
}
