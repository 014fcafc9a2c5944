/* What reading the events alone costs with simdjson's on-demand parser: the file in blocks from the page cache, its
 * documents one by one, the eight fields of each as text or number. No contract, no dedup, nothing kept.
 *
 *   simdjson_events many FILE     iterate_many over each block; every line must be well-formed
 *   simdjson_events lines FILE    a document a line, so that a malformed line spoils no other
 *
 * Prints documents, those with all eight fields, seconds, and the implementation that was picked.
 */
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

using namespace simdjson;

static constexpr size_t BLOCK = 4 << 20;

struct counts {
    size_t documents = 0, whole = 0;
    uint64_t sum = 0; /* of what was read, so that it is read */
};

static bool add_text(ondemand::object &event, const char *key, counts &c)
{
    std::string_view text;
    if (event[key].get_string().get(text))
        return false;
    c.sum += text.size();
    return true;
}

template <typename D> static void take(D &document, counts &c)
{
    c.documents++;
    ondemand::object event;
    if (document.get_object().get(event))
        return;
    bool whole = true;
    for (const char *key : {"event_id", "event_time", "user_id", "event_type", "channel", "currency"})
        whole &= add_text(event, key, c);
    double amount = 0;
    int64_t version = 0;
    whole &= !event["amount"].get_double().get(amount);
    whole &= !event["schema_version"].get_int64().get(version);
    c.sum += whole ? static_cast<uint64_t>(amount) + static_cast<uint64_t>(version) : 0;
    c.whole += whole;
}

static void take_many(ondemand::parser &parser, const char *data, size_t size, counts &c)
{
    ondemand::document_stream stream;
    if (parser.iterate_many(data, size, BLOCK).get(stream))
        return;
    for (auto document : stream)
        take(document, c);
}

static void take_lines(ondemand::parser &parser, const char *data, size_t size, counts &c)
{
    for (const char *end = data + size; data < end;) {
        const char *newline = static_cast<const char *>(memchr(data, '\n', static_cast<size_t>(end - data)));
        size_t length = static_cast<size_t>((newline ? newline : end) - data);
        ondemand::document document;
        if (!parser.iterate(padded_string_view(data, length, length + SIMDJSON_PADDING)).get(document))
            take(document, c);
        data += length + 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "many") && strcmp(argv[1], "lines"))) {
        fprintf(stderr, "usage: simdjson_events many|lines FILE\n");
        return 2;
    }
    bool many = !strcmp(argv[1], "many");
    FILE *file = fopen(argv[2], "rb");
    if (!file) {
        perror(argv[2]);
        return 1;
    }
    setvbuf(file, nullptr, _IONBF, 0);
    auto begin = std::chrono::steady_clock::now();
    std::string block(BLOCK + SIMDJSON_PADDING, '\0');
    ondemand::parser parser;
    counts c;
    size_t kept = 0, got;
    while ((got = fread(&block[kept], 1, BLOCK - kept, file)) > 0 || kept > 0) {
        size_t size = kept + got, whole = size;
        while (got > 0 && whole > 0 && block[whole - 1] != '\n')
            whole--;
        (many ? take_many : take_lines)(parser, block.data(), whole, c);
        memmove(&block[0], &block[whole], size - whole);
        kept = got > 0 ? size - whole : 0;
    }
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    printf("%zu %zu %.6f %s %llu\n", c.documents, c.whole, took.count(), get_active_implementation()->name().c_str(),
           static_cast<unsigned long long>(c.sum));
    fclose(file);
    return 0;
}
