/* Azure Event Hubs' Kafka endpoint, from its connection string:
 *
 *     Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=NAME;SharedAccessKey=KEY[;EntityPath=HUB]
 *
 * Pairs are separated by ';' in any order, names in any case; a value runs to the next ';' and may hold '=' (keys are
 * base64). The broker is NAMESPACE...:9093, SASL_SSL with PLAIN, user "$ConnectionString", and the whole string is the
 * password (learn.microsoft.com, "Use Azure Event Hubs from Apache Kafka applications"). */
#pragma once

#include "link/kafka.h"

enum { EVENT_HUBS_OPTIONS = 10 };

struct event_hubs {
    char bootstrap[272]; /* host:9093 */
    char hub[264];
    char *password;      /* the string, trimmed */
    struct kafka_option options[EVENT_HUBS_OPTIONS]; /* for a consumer or a producer; point into this */
    size_t noptions;
};

/* hub: the hub named beside the string (EVENT_HUB_NAME), or NULL for the string's EntityPath; where both are given they
 * must agree. bootstrap: another address (a test's broker), or NULL. The error never quotes the string's values. */
enum status event_hubs_new(struct slice connection, const char *hub, const char *bootstrap, bool for_producer,
                           struct event_hubs **ret, struct error *err);
/* Wipes the password. */
void event_hubs_free(struct event_hubs *e);
