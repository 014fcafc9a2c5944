// The only user of RE2, behind regex.h.
#include <re2/re2.h>

#include <new>

struct slice {
    const char *data;
    size_t len;
};

extern "C" {

struct regex {
    re2::RE2 re;
    regex(const re2::StringPiece &text, const re2::RE2::Options &options) : re(text, options) {}
};

enum { MEMORY = 8 << 20 };

struct regex *regex_compile(const char *translated, size_t len, bool lazy, const char **ret_problem);
void regex_free(struct regex *re);
unsigned regex_groups(const struct regex *re);
bool regex_find(const struct regex *re, const char *text, size_t len, size_t from, struct slice *ret, unsigned n);

struct regex *regex_compile(const char *translated, size_t len, bool lazy, const char **ret_problem)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_longest_match(!lazy);
    options.set_dot_nl(true); // the translation says [^\n] where it is meant
    options.set_max_mem(MEMORY);
    struct regex *r = new (std::nothrow) struct regex(re2::StringPiece(translated, len), options);
    if (!r)
        abort();
    switch (r->re.error_code()) {
    case re2::RE2::NoError: return r;
    case re2::RE2::ErrorMissingParen:
    case re2::RE2::ErrorUnexpectedParen: *ret_problem = "parentheses () not balanced"; break;
    case re2::RE2::ErrorMissingBracket: *ret_problem = "brackets [] not balanced"; break;
    case re2::RE2::ErrorRepeatArgument:
    case re2::RE2::ErrorRepeatOp: *ret_problem = "quantifier operand invalid"; break;
    case re2::RE2::ErrorRepeatSize: *ret_problem = "invalid repetition count(s)"; break;
    case re2::RE2::ErrorBadCharRange: *ret_problem = "invalid character range"; break;
    case re2::RE2::ErrorBadCharClass: *ret_problem = "invalid character class"; break;
    case re2::RE2::ErrorPatternTooLarge: *ret_problem = "regular expression is too complex"; break;
    default: *ret_problem = "invalid escape \\ sequence"; break;
    }
    delete r;
    return nullptr;
}

void regex_free(struct regex *re) { delete re; }

unsigned regex_groups(const struct regex *re) { return static_cast<unsigned>(re->re.NumberOfCapturingGroups()); }

bool regex_find(const struct regex *re, const char *text, size_t len, size_t from, struct slice *ret, unsigned n)
{
    re2::StringPiece groups[101];
    if (!re->re.Match(re2::StringPiece(text, len), from, len, re2::RE2::UNANCHORED, groups, static_cast<int>(n)))
        return false;
    for (unsigned i = 0; i < n; i++) {
        ret[i].data = groups[i].data();
        ret[i].len = groups[i].size();
    }
    return true;
}
}
