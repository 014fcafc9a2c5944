#include "link/store_open.h"

#include "link/local.h"

enum status store_open(const char *place, struct store **ret, struct error *err)
{
    static const char file[] = "file://";
    if (strncmp(place, file, sizeof file - 1) == 0)
        place += sizeof file - 1;
    const char *scheme = strstr(place, "://");
    if (scheme && strcspn(place, "/") > (size_t)(scheme - place)) {
        (void)error_set(err, ERR_UNSUPPORTED, "\"%.*s://\" is no place bourn can store objects in",
                        (int)MIN(scheme - place, 20), place);
        return error_hint(err, "give the path of a folder");
    }
    if (!*place)
        return error_set(err, ERR_USAGE, "the path of a folder is empty");
    *ret = store_local_new(place);
    return OK;
}
