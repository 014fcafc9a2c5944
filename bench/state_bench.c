/* What reading and changing a key costs where state is ten times its memory: the heap on disk (base/heap.h) under a
 * keyed table and an expiring set, and RocksDB where the machine has it (librocksdb-dev), with the same memory.
 *
 *   state_bench FOLDER [MEMORY_MIB [SECONDS]]    default 32 MiB of memory, 320 MiB of state, 20 s a case
 *
 * Keys of 16 bytes, values of 112; batches of 20,000 changes, as an epoch's, in the order of keys within it. Uniform
 * keys; and Zipf's, by which a fifth of the keys get nine tenths of the changes. Then ids of 16 bytes in no order, of
 * which 31 in 32 were never seen and are remembered, as deduplication does. Both write nothing ahead: what is
 * durable is the engine's segments. Prints changes a second, and bytes read and written for each (/proc/self/io); then
 * which of the two does more, case by case.
 *
 * No part takes longer than it is given: three times SECONDS to fill a store, in the order of its keys, which suits
 * both; SECONDS a case. Where the time to fill is up, the cases use the keys that are there, and say how many.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "state/expiring.h"
#include "state/keyed.h"

#ifdef HAVE_ROCKSDB
#include <rocksdb/c.h>
#endif

enum { VALUE = 112, KEY = 16, ENTRY = VALUE + KEY, BATCH = 20000, TOGETHER = 500, FILL_SHARE = 3 };
enum { UNIFORM, ZIPF, IDS, CASES };
enum { REPEATED = 32, ID_BYTES = 25 }; /* of an expiring set */

static const char *const case_names[CASES] = {"uniform", "Zipf", "ids"};

struct key {
    uint64_t number, hash;
};

struct world {
    uint64_t keys, space; /* keys: that are there, of so many */
    unsigned kind;
    uint64_t seed;
    struct key batch[BATCH];
};

static uint64_t random_key(struct world *w)
{
    uint64_t r = hash_mix(++w->seed);
    if (w->kind != ZIPF)
        return r % w->keys;
    double u = (double)(r >> 11) / 9007199254740992.0, v = u * u * u * u * u * u * u * u * u * u * u * u * u * u;
    return hash_mix((uint64_t)(v * (double)w->keys)) % w->keys; /* P(rank < x) = x^(1/14): 0.2 of the keys get 0.89 */
}

static int by_hash(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* As a hash in all its parts, and in the order of numbers. */
static struct key key_of(const struct world *w, uint64_t number)
{
    uint64_t first = (uint64_t)(((unsigned __int128)number << 32) / w->space);
    return (struct key){number, first << 32 | (hash_mix(number) & UINT32_MAX)};
}

static void make_batch(struct world *w)
{
    for (uint32_t i = 0; i < BATCH; i++)
        w->batch[i] = key_of(w, w->kind == IDS && i % REPEATED ? w->keys++ : random_key(w));
    if (w->kind == IDS)
        return;
    qsort(w->batch, BATCH, sizeof w->batch[0], by_hash);
}

static void key_bytes(const struct key *k, char out[KEY])
{
    store_u64(out, __builtin_bswap64(k->hash));
    store_u64(out + 8, k->number);
}

struct io {
    uint64_t read, written;
};

static struct io io_now(void)
{
    AUTO(buf) text = BUF(KIB(4));
    struct error err;
    struct io io = {0};
    if (os_file_slurp("/proc/self/io", &text, &err) == OK) {
        const char *r = strstr(buf_cstr(&text), "read_bytes: "), *w = strstr(buf_cstr(&text), "\nwrite_bytes: ");
        io = (struct io){r ? strtoull(r + 12, NULL, 10) : 0, w ? strtoull(w + 14, NULL, 10) : 0};
    }
    return io;
}

struct store_under_test {
    const char *name;
    void (*change)(void *arg, const struct key *keys, uint32_t n); /* n <= TOGETHER */
    void *arg;
};

/* Answers changes a second. */
static double measure(struct world *w, const struct store_under_test *s, int64_t seconds)
{
    struct io before = io_now();
    int64_t from = os_mono_us(), until = from + seconds * 1000000, cpu = os_cpu_us();
    uint64_t changes = 0;
    do {
        make_batch(w);
        for (uint32_t i = 0; i < BATCH && (changes == 0 || os_mono_us() < until); i += TOGETHER, changes += TOGETHER)
            s->change(s->arg, w->batch + i, TOGETHER);
    } while (os_mono_us() < until);
    struct io after = io_now();
    double n = (double)changes, took = (double)(os_mono_us() - from) / 1e6;
    printf("%-8s %-8s %9.0f changes/s, %6.2f us of processor, %7.0f bytes read and %7.0f written a change, %4llu MiB "
           "resident\n",
           s->name, case_names[w->kind], n / took, (double)(os_cpu_us() - cpu) / n,
           (double)(after.read - before.read) / n, (double)(after.written - before.written) / n,
           (unsigned long long)(os_memory_resident() >> 20));
    return n / took;
}

static void fill(struct world *w, const struct store_under_test *s, int64_t seconds)
{
    int64_t from = os_mono_us(), until = from + FILL_SHARE * seconds * 1000000;
    struct key keys[TOGETHER];
    for (w->keys = 0; w->keys < w->space && (w->keys == 0 || os_mono_us() < until);) {
        uint32_t n = (uint32_t)MIN(w->space - w->keys, (uint64_t)TOGETHER);
        for (uint32_t i = 0; i < n; i++)
            keys[i] = key_of(w, w->keys + i);
        s->change(s->arg, keys, n);
        w->keys += n;
    }
    printf("%-8s filled with %llu of %llu keys, %.0f a second\n", s->name, (unsigned long long)w->keys,
           (unsigned long long)w->space, (double)w->keys * 1e6 / (double)(os_mono_us() - from));
}

static void run(const struct store_under_test *s, uint64_t keys, int64_t seconds, unsigned first, unsigned last,
                double ret_rates[static CASES])
{
    static struct world w;
    w = (struct world){.space = keys, .seed = 1};
    fill(&w, s, seconds);
    for (w.kind = first; w.kind <= last; w.kind++)
        ret_rates[w.kind] = measure(&w, s, seconds);
}

static uint64_t keys_for(uint64_t memory) { return memory * 10 / (ENTRY + 32); }
static uint64_t ids_for(uint64_t memory) { return memory * 10 / ID_BYTES; }
static struct hash128 id_of(const struct key *k) { return hash128(&k->number, sizeof k->number, 1); }

static void change_table(void *arg, const struct key *keys, uint32_t n)
{
    char bytes[KEY];
    bool fresh;
    for (uint32_t i = 0; i < n; i++)
        keyed_want(arg, keys[i].hash);
    for (uint32_t i = 0; i < n; i++)
        keyed_want_entry(arg, keys[i].hash);
    for (uint32_t i = 0; i < n; i++) {
        key_bytes(&keys[i], bytes);
        struct keyed_entry *e = keyed_get(arg, keys[i].hash, bytes, sizeof bytes, &fresh);
        ++*(uint64_t *)keyed_value(e);
    }
    heap_tend();
}

static void change_set(void *arg, const struct key *keys, uint32_t n)
{
    static struct hash128 ids[TOGETHER];
    static int64_t times[TOGETHER];
    static uint32_t rows[TOGETHER];
    static uint8_t fresh[TOGETHER];
    assert(n > 0 && n <= TOGETHER);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = id_of(&keys[i]);
        times[i] = (int64_t)keys[i].number;
        rows[i] = i;
    }
    expiring_insert_rows(arg, ids, times, rows, n, INT64_MIN, fresh);
    expiring_note_rows(arg, 0, ids, times, rows, n, fresh);
    const struct bufs *saved;
    (void)expiring_save(arg, 0, &saved);
    heap_tend();
}

static void spill(const char *folder, uint64_t memory)
{
    struct error err;
    char said[1200];
    if (heap_spill(folder, memory, &err) == OK)
        return;
    fprintf(stderr, "%s\n", error_print(&err, said, sizeof said));
    exit(1);
}

static void run_bourn(const char *folder, uint64_t memory, int64_t seconds, double ret_rates[static CASES])
{
    static const struct keyed_codec codec = {.value_size = VALUE};
    spill(folder, memory);
    struct keyed *t = keyed_new("bench", 1, &codec);
    run(&(struct store_under_test){"bourn", change_table, t}, keys_for(memory), seconds, UNIFORM, ZIPF, ret_rates);
    keyed_free(t);
    heap_end();
    spill(folder, memory);
    struct expiring *s = expiring_new("bench", INT64_MAX / 2, 1);
    run(&(struct store_under_test){"bourn", change_set, s}, ids_for(memory), seconds, IDS, IDS, ret_rates);
    expiring_free(s);
    heap_end();
}

#ifdef HAVE_ROCKSDB
struct rocks {
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
};

static void must(char *error)
{
    if (!error)
        return;
    fprintf(stderr, "rocksdb: %s\n", error);
    exit(1);
}

/* Read together, written together, as it is fastest; free what values has. */
static void get_together(struct rocks *r, char bytes[][KEY], uint32_t n, char **values)
{
    const char *at[TOGETHER] = {0};
    char *errors[TOGETHER];
    size_t sizes[TOGETHER] = {0}, lengths[TOGETHER];
    assert(n > 0 && n <= TOGETHER);
    for (uint32_t i = 0; i < n; i++) {
        at[i] = bytes[i];
        sizes[i] = KEY;
    }
    rocksdb_multi_get(r->db, r->read, n, at, sizes, values, lengths, errors);
    for (uint32_t i = 0; i < n; i++)
        must(errors[i]);
}

static void put_together(struct rocks *r, rocksdb_writebatch_t *batch)
{
    char *error = NULL;
    rocksdb_write(r->db, r->write, batch, &error);
    must(error);
    rocksdb_writebatch_destroy(batch);
}

static void change_rocks(void *arg, const struct key *keys, uint32_t n)
{
    static char bytes[TOGETHER][KEY], value[VALUE];
    char *values[TOGETHER];
    for (uint32_t i = 0; i < n; i++)
        key_bytes(&keys[i], bytes[i]);
    get_together(arg, bytes, n, values);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (uint32_t i = 0; i < n; i++) {
        memset(value, 0, VALUE);
        if (values[i])
            memcpy(value, values[i], VALUE);
        ++*(uint64_t *)value;
        rocksdb_writebatch_put(batch, bytes[i], KEY, value, VALUE);
        free(values[i]);
    }
    put_together(arg, batch);
}

static void change_rocks_ids(void *arg, const struct key *keys, uint32_t n)
{
    static char bytes[TOGETHER][KEY];
    char *values[TOGETHER];
    for (uint32_t i = 0; i < n; i++) {
        struct hash128 id = id_of(&keys[i]);
        store_u64(bytes[i], id.hi);
        store_u64(bytes[i] + 8, id.lo);
    }
    get_together(arg, bytes, n, values);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (uint32_t i = 0; i < n; i++) {
        if (!values[i])
            rocksdb_writebatch_put(batch, bytes[i], KEY, (char[8]){0}, 8); /* its time */
        free(values[i]);
    }
    put_together(arg, batch);
}

/* Of the memory an eighth for two tables of writes, the rest for blocks, filters and indexes; reads past the page
 * cache, which is not part of it. */
static void run_rocks_case(const char *folder, uint64_t memory, uint64_t keys, int64_t seconds, unsigned first,
                           unsigned last, double ret_rates[static CASES])
{
    char path[4096], *error = NULL;
    snprintf(path, sizeof path, "%s/rocksdb", folder);
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_write_buffer_size(o, memory / 16);
    rocksdb_options_set_max_write_buffer_number(o, 2);
    rocksdb_options_set_use_direct_reads(o, 1);
    rocksdb_options_set_use_direct_io_for_flush_and_compaction(o, 1);
    rocksdb_options_increase_parallelism(o, 2);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru(memory - memory / 8));
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(o, table);
    struct rocks r = {rocksdb_open(o, path, &error), rocksdb_writeoptions_create(), rocksdb_readoptions_create()};
    must(error);
    rocksdb_writeoptions_disable_WAL(r.write, 1);
    struct store_under_test store = {"RocksDB", first == IDS ? change_rocks_ids : change_rocks, &r};
    run(&store, keys, seconds, first, last, ret_rates);
    rocksdb_cancel_all_background_work(r.db, 1); /* nothing of it is kept */
    rocksdb_close(r.db);
    rocksdb_destroy_db(o, path, &error);
    must(error);
}

static bool run_rocks(const char *folder, uint64_t memory, int64_t seconds, double ret_rates[static CASES])
{
    run_rocks_case(folder, memory, keys_for(memory), seconds, UNIFORM, ZIPF, ret_rates);
    run_rocks_case(folder, memory, ids_for(memory), seconds, IDS, IDS, ret_rates);
    return true;
}
#else
static bool run_rocks(const char *folder, uint64_t memory, int64_t seconds, double ret_rates[static CASES])
{
    (void)folder, (void)memory, (void)seconds, (void)ret_rates;
    printf("RocksDB  is not on this machine (librocksdb-dev)\n");
    return false;
}
#endif

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "state_bench FOLDER [MEMORY_MIB [SECONDS]]\n");
        return 2;
    }
    uint64_t memory = (argc > 2 ? strtoull(argv[2], NULL, 10) : 32) << 20;
    int64_t seconds = argc > 3 ? strtoll(argv[3], NULL, 10) : 20;
    setvbuf(stdout, NULL, _IOLBF, 0);
    double ours[CASES], theirs[CASES];
    run_bourn(argv[1], memory, seconds, ours);
    if (!run_rocks(argv[1], memory, seconds, theirs))
        return 0;
    printf("times RocksDB's changes:");
    for (unsigned i = 0; i < CASES; i++)
        printf(" %s %.1f%s", case_names[i], ours[i] / theirs[i], i + 1 < CASES ? "," : "\n");
    return 0;
}
