/* The sources there are. To add one: a file that defines a struct source_connector, a line here, a line in
 * engine/builtin.c. */
#pragma once

#include "flow/source.h"

extern const struct source_connector source_generator_connector;
extern const struct source_connector source_file_connector;
extern const struct source_connector source_kafka_connector;
extern const struct source_connector source_delta_connector;
