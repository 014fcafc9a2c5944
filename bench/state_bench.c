/* What reading and changing a key costs where state is ten times its memory: the heap on disk (base/heap.h) under a
 * keyed table, and RocksDB where the machine has it (librocksdb-dev), with the same memory.
 *
 *   state_bench FOLDER [MEMORY_MIB [SECONDS]]    default 32 MiB of memory, 320 MiB of state, 20 s a case
 *
 * Keys of 16 bytes, values of 112; batches of 20,000 changes, as an epoch's, in the order of keys within it. Uniform
 * keys; and Zipf's, by which a fifth of the keys get nine tenths of the changes. Both write nothing ahead: what is
 * durable is the engine's segments. Prints changes a second, and bytes read and written for each (/proc/self/io).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/os.h"
#include "state/keyed.h"

#ifdef HAVE_ROCKSDB
#include <rocksdb/c.h>
#endif

enum { VALUE = 112, KEY = 16, ENTRY = VALUE + KEY, BATCH = 20000, MOST_BATCHES = 100000 };

struct key {
    uint64_t number, hash;
};

struct world {
    uint64_t keys;
    bool zipf;
    uint64_t seed;
    struct key batch[BATCH];
};

static uint64_t random_key(struct world *w)
{
    uint64_t r = hash_mix(++w->seed);
    if (!w->zipf)
        return r % w->keys;
    double u = (double)(r >> 11) / 9007199254740992.0, v = u * u * u * u * u * u * u * u * u * u * u * u * u * u;
    return hash_mix((uint64_t)(v * (double)w->keys)) % w->keys; /* P(rank < x) = x^(1/14): 0.2 of the keys get 0.89 */
}

static int by_hash(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static void make_batch(struct world *w, uint64_t sequential)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t number = sequential == UINT64_MAX ? random_key(w) : (sequential + i) % w->keys;
        w->batch[i] = (struct key){number, hash64(&number, sizeof number, 0)};
    }
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
    void (*change)(void *arg, const struct key *keys);
    void *arg;
};

static void measure(struct world *w, const struct store_under_test *s, int64_t seconds)
{
    struct io before = io_now();
    int64_t from = os_mono_us(), cpu = os_cpu_us();
    uint64_t changes = 0;
    for (; os_mono_us() - from < seconds * 1000000; changes += BATCH) {
        make_batch(w, UINT64_MAX);
        s->change(s->arg, w->batch);
    }
    struct io after = io_now();
    double n = (double)changes, took = (double)(os_mono_us() - from) / 1e6;
    printf("%-8s %-8s %9.0f changes/s, %6.2f us of processor, %7.0f bytes read and %7.0f written a change, %4llu MiB "
           "resident\n",
           s->name, w->zipf ? "Zipf" : "uniform", n / took, (double)(os_cpu_us() - cpu) / n,
           (double)(after.read - before.read) / n, (double)(after.written - before.written) / n,
           (unsigned long long)(os_memory_resident() >> 20));
}

static void fill(struct world *w, const struct store_under_test *s)
{
    int64_t from = os_mono_us();
    for (uint64_t k = 0; k < w->keys; k += BATCH) {
        make_batch(w, k);
        s->change(s->arg, w->batch);
    }
    printf("%-8s filled with %llu keys, %.0f a second\n", s->name, (unsigned long long)w->keys,
           (double)w->keys * 1e6 / (double)(os_mono_us() - from));
}

static void run(const struct store_under_test *s, uint64_t keys, int64_t seconds)
{
    static struct world w;
    w = (struct world){.keys = keys, .seed = 1};
    fill(&w, s);
    measure(&w, s, seconds);
    w.zipf = true;
    measure(&w, s, seconds);
}

static void change_table(void *arg, const struct key *keys)
{
    enum { TOGETHER = 512 };
    char bytes[KEY];
    bool fresh;
    for (uint32_t from = 0; from < BATCH; from += TOGETHER) {
        uint32_t to = MIN(from + TOGETHER, (uint32_t)BATCH);
        for (uint32_t i = from; i < to; i++)
            keyed_want(arg, keys[i].hash);
        for (uint32_t i = from; i < to; i++)
            keyed_want_entry(arg, keys[i].hash);
        for (uint32_t i = from; i < to; i++) {
            key_bytes(&keys[i], bytes);
            struct keyed_entry *e = keyed_get(arg, keys[i].hash, bytes, sizeof bytes, &fresh);
            ++*(uint64_t *)keyed_value(e);
        }
        heap_tend();
    }
}

static void run_table(const char *folder, uint64_t memory, uint64_t keys, int64_t seconds)
{
    struct error err;
    char said[1200];
    if (heap_spill(folder, memory, &err) != OK) {
        fprintf(stderr, "%s\n", error_print(&err, said, sizeof said));
        exit(1);
    }
    static const struct keyed_codec codec = {.value_size = VALUE};
    struct keyed *t = keyed_new("bench", 1, &codec);
    run(&(struct store_under_test){"bourn", change_table, t}, keys, seconds);
    keyed_free(t);
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

/* Read together, written together, as it is fastest. */
static void change_rocks(void *arg, const struct key *keys)
{
    enum { TOGETHER = 500 };
    struct rocks *r = arg;
    static char bytes[TOGETHER][KEY], value[VALUE];
    const char *at[TOGETHER];
    char *values[TOGETHER], *errors[TOGETHER];
    size_t sizes[TOGETHER], lengths[TOGETHER];
    for (uint32_t from = 0; from < BATCH; from += TOGETHER) {
        for (uint32_t i = 0; i < TOGETHER; i++) {
            key_bytes(&keys[from + i], bytes[i]);
            at[i] = bytes[i];
            sizes[i] = KEY;
        }
        rocksdb_multi_get(r->db, r->read, TOGETHER, at, sizes, values, lengths, errors);
        rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
        for (uint32_t i = 0; i < TOGETHER; i++) {
            must(errors[i]);
            memset(value, 0, VALUE);
            if (values[i])
                memcpy(value, values[i], VALUE);
            ++*(uint64_t *)value;
            rocksdb_writebatch_put(batch, bytes[i], KEY, value, VALUE);
            free(values[i]);
        }
        char *error = NULL;
        rocksdb_write(r->db, r->write, batch, &error);
        must(error);
        rocksdb_writebatch_destroy(batch);
    }
}

/* Of the memory an eighth for two tables of writes, the rest for blocks, filters and indexes; reads past the page
 * cache, which is not part of it. */
static void run_rocks(const char *folder, uint64_t memory, uint64_t keys, int64_t seconds)
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
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(o, table);
    struct rocks r = {rocksdb_open(o, path, &error), rocksdb_writeoptions_create(), rocksdb_readoptions_create()};
    must(error);
    rocksdb_writeoptions_disable_WAL(r.write, 1);
    run(&(struct store_under_test){"RocksDB", change_rocks, &r}, keys, seconds);
    rocksdb_close(r.db);
    rocksdb_destroy_db(o, path, &error);
    must(error);
}
#else
static void run_rocks(const char *folder, uint64_t memory, uint64_t keys, int64_t seconds)
{
    (void)folder, (void)memory, (void)keys, (void)seconds;
    printf("RocksDB  is not on this machine (librocksdb-dev)\n");
}
#endif

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "state_bench FOLDER [MEMORY_MIB [SECONDS]]\n");
        return 2;
    }
    uint64_t memory = (argc > 2 ? strtoull(argv[2], NULL, 10) : 32) << 20, keys = memory * 10 / (ENTRY + 32);
    int64_t seconds = argc > 3 ? strtoll(argv[3], NULL, 10) : 20;
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_table(argv[1], memory, keys, seconds);
    run_rocks(argv[1], memory, keys, seconds);
    return 0;
}
