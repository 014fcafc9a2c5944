/* The sinks there are. To add one: a file that defines a struct sink_connector, a line here, a line in
 * engine/builtin.c. */
#pragma once

#include "flow/sink.h"

extern const struct sink_connector sink_delta_connector;
extern const struct sink_connector sink_file_connector;
extern const struct sink_connector sink_console_connector;
extern const struct sink_connector sink_blackhole_connector;
