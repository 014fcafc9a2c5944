/* The control socket of a running process: "control" in the state folder, mode 0600. A client connects and reads one
 * JSON object (engine/status.h) until the end. The answer is made by the engine's own thread between two epochs, so it
 * is consistent and costs nothing while nobody asks.
 */
#pragma once

#include "base/os.h"

struct control;
enum status control_open(const char *state, struct control **ret, struct error *err);
void control_free(struct control *c);
/* Is somebody waiting? Then answer with what status_json says. Engine's thread. */
bool control_asked(struct control *c);
void control_answer(struct control *c, const struct buf *json);
/* The client's side: ERR_NOT_FOUND: nobody is running there. */
enum status control_ask(const char *state, struct buf *ret_json, struct error *err);
