#include "link/event_hubs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* What the connection string says, as slices of it; data NULL: absent. */
struct parts {
    struct slice endpoint, key_name, key, signature, entity;
};

static struct slice trim(struct slice s)
{
    while (s.len && isspace((unsigned char)s.data[0]))
        s = (struct slice){s.data + 1, s.len - 1};
    while (s.len && isspace((unsigned char)s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool is_name(struct slice s, const char *name)
{
    return s.len == strlen(name) && !strncasecmp(s.data, name, s.len);
}

static enum status malformed(struct error *err, const char *why)
{
    (void)error_set(err, ERR_USAGE, "the Event Hubs connection string %s", why);
    return error_hint(err, "it looks like Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=NAME;"
                           "SharedAccessKey=KEY;EntityPath=HUB (portal: Shared access policies)");
}

/* Unknown names are passed over: newer strings may carry more. */
static enum status split(struct slice text, struct parts *ret, struct error *err)
{
    struct parts parts = {0};
    const struct {
        const char *name;
        struct slice *value;
    } known[] = {
        {"Endpoint", &parts.endpoint},
        {"SharedAccessKeyName", &parts.key_name},
        {"SharedAccessKey", &parts.key},
        {"SharedAccessSignature", &parts.signature},
        {"EntityPath", &parts.entity},
    };
    while (text.len) {
        const char *semicolon = memchr(text.data, ';', text.len);
        size_t len = semicolon ? (size_t)(semicolon - text.data) : text.len;
        struct slice pair = trim((struct slice){text.data, len});
        size_t step = len + (semicolon ? 1 : 0);
        text = (struct slice){text.data + step, text.len - step};
        if (!pair.len)
            continue;
        const char *equals = memchr(pair.data, '=', pair.len);
        if (!equals)
            return malformed(err, "has a part without \"=\"");
        struct slice name = trim((struct slice){pair.data, (size_t)(equals - pair.data)});
        struct slice value = trim((struct slice){equals + 1, pair.len - (size_t)(equals - pair.data) - 1});
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            if (!is_name(name, known[i].name))
                continue;
            if (known[i].value->data)
                return malformed(err, "has a part twice");
            *known[i].value = value;
        }
    }
    *ret = parts;
    return OK;
}

static enum status check(const struct parts *p, struct error *err)
{
    if (!p->endpoint.len)
        return malformed(err, "has no Endpoint");
    if (!p->signature.len && !p->key_name.len)
        return malformed(err, "has no SharedAccessKeyName");
    if (!p->signature.len && !p->key.len)
        return malformed(err, "has no SharedAccessKey");
    return OK;
}

/* "sb://host[:port]/" -> "host:port"; the Kafka endpoint is at 9093. */
static enum status broker_of(struct slice endpoint, char *out, size_t size, struct error *err)
{
    static const struct slice scheme = SLICE("sb://");
    if (endpoint.len <= scheme.len || strncasecmp(endpoint.data, scheme.data, scheme.len))
        return malformed(err, "has an Endpoint that does not begin with \"sb://\"");
    struct slice host = {endpoint.data + scheme.len, endpoint.len - scheme.len};
    const char *slash = memchr(host.data, '/', host.len);
    if (slash)
        host.len = (size_t)(slash - host.data);
    bool has_port = memchr(host.data, ':', host.len);
    for (size_t i = 0; i < host.len; i++)
        if (!isalnum((unsigned char)host.data[i]) && !strchr("-._:", host.data[i]))
            return malformed(err, "has an Endpoint whose host is no host name");
    int len = snprintf(out, size, "%.*s%s", (int)MIN(host.len, size), host.data, has_port ? "" : ":9093");
    if (!host.len || len >= (int)size)
        return malformed(err, "has an Endpoint without a host, or one that is too long");
    return OK;
}

static enum status hub_of(struct slice entity, const char *named, char *out, size_t size, struct error *err)
{
    struct slice hub = named && *named ? trim(slice_of(named)) : entity;
    if (!hub.len) {
        (void)error_set(err, ERR_USAGE, "no event hub is named: the connection string has no EntityPath");
        return error_hint(err, "set EVENT_HUB_NAME, or take the connection string of the hub, not the namespace's");
    }
    if (entity.len && !slice_equal(hub, entity)) {
        (void)error_set(err, ERR_USAGE,
                        "two event hubs are named: \"%.*s\" and, as EntityPath of the connection string, \"%.*s\"",
                        (int)MIN(hub.len, 256), hub.data, (int)MIN(entity.len, 256), entity.data);
        return error_hint(err, "leave EVENT_HUB_NAME out, or take the namespace's connection string");
    }
    if (hub.len >= size)
        return error_set(err, ERR_USAGE, "the name of the event hub is longer than %zu bytes", size - 1);
    snprintf(out, size, "%.*s", (int)hub.len, hub.data);
    return OK;
}

static void option_add(struct event_hubs *e, const char *name, const char *value)
{
    assert(e->noptions < EVENT_HUBS_OPTIONS);
    e->options[e->noptions++] = (struct kafka_option){name, value, value == e->password};
}

/* What the endpoint needs. It cuts connections that were idle for 240 s, so we close ours before, and keep metadata
 * fresh below that. */
static void options_fill(struct event_hubs *e, bool for_producer)
{
    option_add(e, "bootstrap.servers", e->bootstrap);
    option_add(e, "security.protocol", "SASL_SSL");
    option_add(e, "sasl.mechanism", "PLAIN");
    option_add(e, "sasl.username", "$ConnectionString");
    option_add(e, "sasl.password", e->password);
    option_add(e, "socket.keepalive.enable", "true");
    option_add(e, "metadata.max.age.ms", "180000");
    option_add(e, "connections.max.idle.ms", "180000");
    if (for_producer)
        option_add(e, "request.timeout.ms", "60000");
    else
        option_add(e, "session.timeout.ms", "30000");
}

enum status event_hubs_new(struct slice connection, const char *hub, const char *bootstrap, bool for_producer,
                           struct event_hubs **ret, struct error *err)
{
    struct slice text = trim(connection);
    struct parts parts = {0};
    struct event_hubs found = {0};
    if (!text.len || memchr(text.data, 0, text.len))
        return malformed(err, text.len ? "holds a NUL byte" : "is empty");
    TRY(split(text, &parts, err));
    TRY(check(&parts, err));
    TRY(broker_of(parts.endpoint, found.bootstrap, sizeof found.bootstrap, err));
    TRY(hub_of(parts.entity, hub, found.hub, sizeof found.hub, err));
    if (bootstrap && *bootstrap) {
        if (strlen(bootstrap) >= sizeof found.bootstrap)
            return error_set(err, ERR_USAGE, "bootstrap.servers is longer than %zu bytes", sizeof found.bootstrap - 1);
        snprintf(found.bootstrap, sizeof found.bootstrap, "%s", bootstrap);
    }
    struct event_hubs *e = mem_dup(&found, sizeof found);
    e->password = mem_strndup(text.data, text.len);
    options_fill(e, for_producer);
    *ret = e;
    return OK;
}

void event_hubs_free(struct event_hubs *e)
{
    if (!e)
        return;
    explicit_bzero(e->password, strlen(e->password));
    free(e->password);
    free(e);
}
