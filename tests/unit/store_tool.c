/* Works on a local store as told by standard input, for store_power.py. Each line is done, then marked as acknowledged
 * by passing a test point named like the line:
 *
 *     put NAME TEXT COUNT        the object is TEXT, COUNT times
 *     absent NAME TEXT COUNT     the same by put_if_absent
 *     remove NAME
 *
 * A failure ends it with 1. */
#include <stdio.h>

#include "base/os.h"
#include "link/local.h"

static enum status run_line(struct store *store, const char *line, struct error *err)
{
    char name[256], text[64];
    unsigned count;
    if (sscanf(line, "remove %255s", name) == 1)
        return store->ops->remove(store, name, err);
    if (sscanf(line, "%*s %255s %63s %u", name, text, &count) != 3)
        return error_set(err, ERR_USAGE, "what is \"%s\"?", line);
    AUTO(buf) bytes = BUF(MIB(1));
    for (unsigned i = 0; i < count; i++)
        buf_puts(&bytes, text);
    return line[0] == 'p' ? store_put(store, name, buf_slice(&bytes), err)
                          : store_put_if_absent(store, name, buf_slice(&bytes), err);
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    struct store *store = store_local_new(argv[1]);
    struct error err;
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (run_line(store, line, &err) != OK) {
            fprintf(stderr, "%s: %s\n", line, err.text);
            return 1;
        }
        os_test_point(line);
    }
    store_free(store);
    return 0;
}
