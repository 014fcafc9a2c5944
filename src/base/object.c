/* ELF, as far as one dynamic symbol: file header -> section headers -> .dynsym and its strings -> the symbol's address
 * -> the segment that is loaded there -> the bytes in the file. Only 64-bit files of this machine's byte order. */
#include "base/object.h"

#include <elf.h>
#include <string.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_NONE };
#endif

/* `count` records of `size` bytes at `offset` of the file; NULL: they do not lie in it. */
static const char *records(struct slice file, uint64_t offset, uint64_t count, size_t size)
{
    if (offset > file.len || count > (file.len - offset) / size)
        return NULL;
    return file.data + offset;
}

static enum status not_an_object(const char *name, const char *why, struct error *err)
{
    (void)error_set(err, ERR_UNSUPPORTED, "%s is no shared object that this machine can load: %s", name, why);
    return error_hint(err, "make it with: cc -shared -fPIC -O2 -o %s ...", name);
}

static enum status read_header(struct slice file, const char *name, Elf64_Ehdr *ret, struct error *err)
{
    if (file.len < sizeof *ret || memcmp(file.data, ELFMAG, SELFMAG) != 0)
        return not_an_object(name, "it is no ELF file", err);
    memcpy(ret, file.data, sizeof *ret);
    if (ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_ident[EI_DATA] != ELFDATA2LSB || ret->e_machine != MACHINE)
        return not_an_object(name, "it is for another processor", err);
    if (ret->e_type != ET_DYN)
        return not_an_object(name, "it is a program or a part of one", err);
    return OK;
}

struct symbols {
    const char *table, *strings;
    uint64_t count, strings_len;
};

static bool find_symbols(struct slice file, const Elf64_Ehdr *h, struct symbols *ret)
{
    const char *sections = records(file, h->e_shoff, h->e_shnum, sizeof(Elf64_Shdr));
    if (!sections || h->e_shentsize != sizeof(Elf64_Shdr))
        return false;
    for (uint32_t i = 0; i < h->e_shnum; i++) {
        Elf64_Shdr s, strings;
        memcpy(&s, sections + i * sizeof s, sizeof s);
        if (s.sh_type != SHT_DYNSYM || s.sh_link >= h->e_shnum)
            continue;
        memcpy(&strings, sections + s.sh_link * sizeof strings, sizeof strings);
        ret->count = s.sh_size / sizeof(Elf64_Sym);
        ret->table = records(file, s.sh_offset, ret->count, sizeof(Elf64_Sym));
        ret->strings_len = strings.sh_size;
        ret->strings = records(file, strings.sh_offset, strings.sh_size, 1);
        return ret->table && ret->strings;
    }
    return false;
}

static bool is_named(const struct symbols *s, uint64_t at, const char *name)
{
    size_t len = strlen(name) + 1;
    return at <= s->strings_len && len <= s->strings_len - at && memcmp(s->strings + at, name, len) == 0;
}

static bool find_symbol(const struct symbols *s, const char *name, Elf64_Sym *ret)
{
    for (uint64_t i = 0; i < s->count; i++) {
        memcpy(ret, s->table + i * sizeof *ret, sizeof *ret);
        if (ret->st_shndx != SHN_UNDEF && is_named(s, ret->st_name, name))
            return true;
    }
    return false;
}

/* Where the bytes of an address lie; NULL: not in the file. */
static const char *at_address(struct slice file, const Elf64_Ehdr *h, uint64_t address, size_t size)
{
    const char *segments = records(file, h->e_phoff, h->e_phnum, sizeof(Elf64_Phdr));
    for (uint32_t i = 0; segments && i < h->e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, segments + i * sizeof p, sizeof p);
        uint64_t into = address - p.p_vaddr;
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && into <= p.p_filesz && size <= p.p_filesz - into &&
            p.p_offset <= UINT64_MAX - into)
            return records(file, p.p_offset + into, size, 1);
    }
    return NULL;
}

enum status object_data(struct slice file, const char *name, const char *symbol, void *into, size_t size,
                        struct error *err)
{
    Elf64_Ehdr header;
    struct symbols symbols;
    Elf64_Sym found;
    TRY(read_header(file, name, &header, err));
    if (!find_symbols(file, &header, &symbols))
        return not_an_object(name, "its table of symbols cannot be read", err);
    if (!find_symbol(&symbols, symbol, &found)) {
        (void)error_set(err, ERR_UNSUPPORTED, "%s exports no symbol \"%s\"", name, symbol);
        return error_hint(err, "`nm -D %s` lists what it exports; BOURN_FUNCTION(%s) = {...} exports it", name, symbol);
    }
    bool data = ELF64_ST_TYPE(found.st_info) == STT_OBJECT;
    const char *at = at_address(file, &header, found.st_value, size);
    if (!data || found.st_size < size || !at) {
        (void)error_set(err, ERR_UNSUPPORTED, "the symbol \"%s\" of %s is no %s", symbol, name,
                        data ? "constant of the size that it should have" : "data");
        return error_hint(err, "it is to be the constant that describes the function, not the function itself");
    }
    memcpy(into, at, size);
    return OK;
}
