#include "lake/table_path.h"

enum status table_path(const char *written, struct arena *a, const char **ret, struct error *err)
{
    if (written[0] == '/') {
        (void)error_set(err, ERR_USAGE, "the table's path \"%s\" is absolute", written);
        return error_hint(err, "put the folder into the server's option path, and the part below it into the table's");
    }
    char *out = arena_alloc(a, strlen(written) + 1), *end = out;
    for (const char *part = written; *part;) {
        size_t len = strcspn(part, "/");
        if (len == 2 && memcmp(part, "..", 2) == 0)
            return error_set(err, ERR_USAGE, "the table's path \"%s\" leaves the folder of its server", written);
        if (len > 0 && !(len == 1 && part[0] == '.')) {
            if (end > out)
                *end++ = '/';
            memcpy(end, part, len);
            end += len;
        }
        part += len + (part[len] == '/');
    }
    *end = 0;
    *ret = out;
    return OK;
}
