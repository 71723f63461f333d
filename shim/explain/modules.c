// SPDX-License-Identifier: MIT
#include "explain/modules.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/dynamic_symbols.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "explain/maps.h"
#include "kernel/proc_reader.h"
#include "process/executable.h"

/* Of glibc 2.35; NULL with an older one. */
static __typeof__(&_dl_find_object) find_object; /* child: constant */

/* child: constant */
static uintptr_t vdso_address;
static struct {
    uintptr_t start, end, load_bias;
} executable;

/* The extent of the executable, by the program headers that the kernel points out. */
static void find_executable(void)
{
    const Elf64_Phdr *segments = (const Elf64_Phdr *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);
    if (segments == NULL || getauxval(AT_PHENT) != sizeof(Elf64_Phdr))
        return;
    executable.start = UINTPTR_MAX;
    executable.end = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t start = segments[i].p_vaddr, end = start + segments[i].p_memsz;
        if (segments[i].p_type == PT_PHDR)
            executable.load_bias = (uintptr_t)segments - start;
        if (segments[i].p_type != PT_LOAD)
            continue;
        executable.start = start < executable.start ? start : executable.start;
        executable.end = end > executable.end ? end : executable.end;
    }
    executable.start = (executable.start & ~(uintptr_t)4095) + executable.load_bias;
    executable.end += executable.load_bias;
}

void modules_init(void)
{
    vdso_address = getauxval(AT_SYSINFO_EHDR);
    find_object = (__typeof__(find_object))symbol_next("_dl_find_object");
    find_executable();
}

size_t module_segments(const struct memory_reader *reader, const struct module *module,
                       Elf64_Phdr *segments)
{
    Elf64_Ehdr header;
    if (!memory_read(reader, module->map_start, &header, sizeof(header)) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phoff > module->map_end - module->map_start)
        return 0;
    size_t count =
        header.e_phnum < MODULE_SEGMENT_LIMIT ? header.e_phnum : (size_t)MODULE_SEGMENT_LIMIT;
    if (!memory_read(reader, module->map_start + header.e_phoff, segments,
                     count * sizeof(Elf64_Phdr)))
        return 0;
    return count;
}

/* What the loader would have said, from the object's own headers. */
static bool module_of_file(const struct memory_reader *reader, const struct mapped_file *file,
                           uintptr_t address, struct module *module)
{
    *module = (struct module){.map_start = file->start, .map_end = file->end};
    memcpy(module->path, file->path, sizeof(module->path));
    Elf64_Phdr segments[MODULE_SEGMENT_LIMIT];
    size_t count = module_segments(reader, module, segments);
    uintptr_t first = UINTPTR_MAX, last = 0, frames = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t end = segments[i].p_vaddr + segments[i].p_memsz;
        if (segments[i].p_type == PT_LOAD && segments[i].p_vaddr < first)
            first = segments[i].p_vaddr;
        if (segments[i].p_type == PT_LOAD && end > last)
            last = end;
        if (segments[i].p_type == PT_GNU_EH_FRAME)
            frames = segments[i].p_vaddr;
    }
    if (first == UINTPTR_MAX)
        return false;
    module->load_bias = module->map_start - (first & ~(uintptr_t)4095);
    module->eh_frame_hdr = frames != 0 ? frames + module->load_bias : 0;
    /* V8 maps a piece of its file once more, and it may lie just after it. */
    if (last + module->load_bias < module->map_end)
        module->map_end = last + module->load_bias;
    return address < module->map_end;
}

static bool find_in_own_maps(const struct memory_reader *reader, uintptr_t address,
                             struct module *module)
{
    struct mapped_file file;
    if (!mapped_file_find(0, address, &file) || !module_of_file(reader, &file, address, module))
        return false;
    module->is_executable = executable.end != 0 && module->map_start == executable.start;
    return true;
}

/* The last file that begins at or below the address. */
static bool find_in_files(const struct modules *modules, const struct memory_reader *reader,
                          uintptr_t address, struct module *module)
{
    unsigned low = 0, high = modules->file_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (modules->files[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= modules->files[low - 1].end ||
        !module_of_file(reader, &modules->files[low - 1], address, module))
        return false;
    module->is_executable = strcmp(module->path, modules->executable) == 0;
    module->is_vdso = strcmp(module->path, "[vdso]") == 0;
    return true;
}

static bool find_by_loader(const struct memory_reader *reader, uintptr_t address,
                           struct module *module)
{
    struct dl_find_object found;
    if (find_object((void *)address, &found) != 0)
        return false;
    struct link_map loaded;
    if (!memory_read(reader, (uintptr_t)found.dlfo_link_map, &loaded, sizeof(loaded)))
        return false;
    module->map_start = (uintptr_t)found.dlfo_map_start;
    module->map_end = (uintptr_t)found.dlfo_map_end;
    module->load_bias = loaded.l_addr;
    module->eh_frame_hdr = (uintptr_t)found.dlfo_eh_frame;
    module->name = (uintptr_t)loaded.l_name;
    module->path[0] = '\0';
    if (module->load_bias == executable.load_bias && address >= executable.start &&
        address < executable.end) {
        /* Of an executable with gaps between its segments (node) the loader gives one segment. */
        module->map_start = executable.start;
        module->map_end = executable.end;
    }
    module->is_executable = executable.end != 0 && module->map_start == executable.start;
    return true;
}

bool module_find(const struct modules *modules, const struct memory_reader *reader,
                 uintptr_t address, struct module *module)
{
    if (modules->pid != 0)
        return find_in_files(modules, reader, address, module);
    if (find_object == NULL ? !find_in_own_maps(reader, address, module)
                            : !find_by_loader(reader, address, module))
        return false;
    module->is_vdso =
        vdso_address != 0 && vdso_address >= module->map_start && vdso_address < module->map_end;
    return true;
}

const struct modules *modules_own(void)
{
    static const struct modules own; /* all zero: what is asked of it, the loader knows */
    return &own;
}

bool modules_read(int pid, struct mapped_file *files, unsigned limit, struct modules *modules)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, 0, "exe");
    *modules = (struct modules){.pid = pid, .files = files};
    long length = raw_syscall(SYS_readlinkat, AT_FDCWD, path, modules->executable,
                              sizeof modules->executable - 1);
    modules->executable[length > 0 ? length : 0] = '\0';
    modules->file_count = mapped_files_read(pid, files, limit);
    return modules->file_count > 0;
}

void module_path(const struct memory_reader *reader, const struct module *module, char *path,
                 size_t capacity)
{
    struct text_buffer text;
    text_init(&text, path, capacity);
    if (module->is_vdso)
        text_string(&text, "[vdso]");
    else if (module->path[0] != '\0')
        text_string(&text, module->path);
    else if (module->is_executable)
        text_string(&text, executable_path()); /* the loader's own name for it is empty */
    else if (module->name != 0)
        memory_read_string(reader, module->name, path, capacity);
}

bool module_has_code_at(const struct memory_reader *reader, const struct module *module,
                        uintptr_t address)
{
    Elf64_Phdr segments[MODULE_SEGMENT_LIMIT];
    size_t count = module_segments(reader, module, segments);
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_X) != 0 &&
            address - module->load_bias - segments[i].p_vaddr < segments[i].p_memsz)
            return true;
    }
    return false;
}

size_t notes_build_id(const struct memory_reader *reader, uintptr_t address, uint64_t size,
                      uint8_t *build_id)
{
    for (unsigned notes = 0; notes < 64 && size > sizeof(Elf64_Nhdr); notes++) {
        struct {
            Elf64_Nhdr header;
            char owner[4];
        } note;
        if (!memory_read(reader, address, &note, sizeof(note)))
            return 0;
        uint64_t name_size = ((uint64_t)note.header.n_namesz + 3) & ~3ULL;
        uint64_t value_size = ((uint64_t)note.header.n_descsz + 3) & ~3ULL;
        uint64_t note_size = sizeof(Elf64_Nhdr) + name_size + value_size;
        if (note_size > size)
            return 0;
        if (note.header.n_type == NT_GNU_BUILD_ID && name_size == 4 &&
            memcmp(note.owner, "GNU", 4) == 0) {
            size_t wanted = note.header.n_descsz < BUILD_ID_LIMIT ? note.header.n_descsz
                                                                  : (size_t)BUILD_ID_LIMIT;
            return memory_read(reader, address + sizeof(note), build_id, wanted) ? wanted : 0;
        }
        address += note_size;
        size -= note_size;
    }
    return 0;
}

size_t module_build_id(const struct memory_reader *reader, const struct module *module,
                       uint8_t *build_id)
{
    Elf64_Phdr segments[MODULE_SEGMENT_LIMIT];
    size_t count = module_segments(reader, module, segments);
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type != PT_NOTE)
            continue;
        size_t size = notes_build_id(reader, module->load_bias + segments[i].p_vaddr,
                                     segments[i].p_memsz, build_id);
        if (size > 0)
            return size;
    }
    return 0;
}
