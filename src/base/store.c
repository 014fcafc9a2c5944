#include "base/store.h"

enum { NAME_LIMIT = 2048, PART_LIMIT = 255 };

bool store_name_ok(const char *name)
{
    if (strlen(name) > NAME_LIMIT)
        return false;
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        bool dots = part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.'));
        if (len == 0 || len > PART_LIMIT || dots)
            return false;
        part += len;
        if (!*part)
            return true;
    }
}
