/* A folder of the local file system as a store (base/store.h).
 *
 *     struct store *s = store_local_new("/data/state");
 *     ...
 *     store_free(s);
 *
 * An object is a file under its own name; parts of the name are sub-folders, made when they are missing. What is not
 * yet whole is called ".tmp-UUID" and lies in the folder it will end up in; a crash may leave it behind, nothing
 * reads it, and sweep removes it.
 *
 *     put             write temp, fsync, rename, fsync folder
 *     put_if_absent   write temp, fsync, link, fsync folder, unlink temp: link(2) lets exactly one racer win, also
 *                     between processes
 *     remove          unlink, fsync folder
 *     discard         unlink
 *
 * A folder's own entry is made durable once per store and folder, also when the folder was there already: whoever made
 * it may have been killed before its fsync.
 *
 * After a failed fsync the object's state on disk is unknown: the error is passed on and never retried here.
 * Symbolic links inside the folder are followed: the folder is trusted, names are not.
 */
#pragma once

#include "base/store.h"

/* Never fails: the folder is made by the first put, and reading from a missing one finds nothing. Copies `folder`. */
struct store *store_local_new(const char *folder);
