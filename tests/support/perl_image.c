// SPDX-License-Identifier: MIT
#include "perl_image.h"

#include <string.h>

enum {
    INTERPRETER = PERL_IMAGE_ADDRESS,
    FUNCTIONS = INTERPRETER + 0x400,
    NAMES = FUNCTIONS + 0x1000,
    TEXTS = NAMES + 0x1000,
    STATEMENTS = TEXTS + 0x800,
    STACKS = STATEMENTS + 0x400,
    CONTEXTS = STACKS + 0x400,
    SUBS = CONTEXTS + 0x800,
    TYPE = 198, /* of a statement */
    EVAL = 11,
    SUB = 9,
};

static void put(struct perl_image *image, uintptr_t address, const void *bytes, size_t size)
{
    memcpy(image->bytes + (address - PERL_IMAGE_ADDRESS), bytes, size);
}

void perl_image_poke(struct perl_image *image, uintptr_t address, uint64_t value)
{
    put(image, address, &value, sizeof value);
}

static uintptr_t put_text(struct perl_image *image, unsigned index, const char *text)
{
    uintptr_t address = TEXTS + index * 0x80;
    put(image, address, text, strlen(text) + 1);
    return address;
}

static void put_statement(struct perl_image *image, unsigned index, uintptr_t file, uint32_t line)
{
    uintptr_t cop = STATEMENTS + index * 0x40;
    image->statements[index] = cop;
    perl_image_poke(image, cop + 16, 0xc0de);
    put(image, cop + 32, &(uint16_t){TYPE | 0x600}, 2); /* op_opt and op_slabbed */
    put(image, cop + 36, &line, sizeof line);
    perl_image_poke(image, cop + 48, file);
}

/* A subroutine whose name is its GV's, or its own. */
static uintptr_t put_sub(struct perl_image *image, unsigned index, const char *name, bool own)
{
    uintptr_t sub = SUBS + index * 0x200, body = sub + 0x20, glob = sub + 0xa0, key = sub + 0x120;
    uint32_t length = (uint32_t)strlen(name), flags = own ? 0x8000 : 0;
    perl_image_poke(image, sub, body);
    perl_image_poke(image, body + 56, own ? key : glob);
    put(image, body + 92, &flags, sizeof flags);
    perl_image_poke(image, glob, glob + 0x20);
    perl_image_poke(image, glob + 0x20 + 32, key);
    put(image, key + 4, &length, sizeof length);
    put(image, key + 8, name, length + 1);
    return sub;
}

static void put_context(struct perl_image *image, uintptr_t context, unsigned char type,
                        uintptr_t statement, uintptr_t sub, unsigned sub_offset)
{
    put(image, context, &type, 1);
    perl_image_poke(image, context + 16, statement);
    perl_image_poke(image, context + sub_offset, sub);
}

static uintptr_t put_stack(struct perl_image *image, unsigned index, uintptr_t contexts, int top,
                           uintptr_t previous)
{
    uintptr_t stack = STACKS + index * 0x40;
    perl_image_poke(image, stack + 8, contexts);
    perl_image_poke(image, stack + 16, previous);
    put(image, stack + 32, &top, sizeof top);
    return stack;
}

void perl_image_build(struct perl_image *image, unsigned version)
{
    unsigned size = version < 32 ? 96 : 104, sub = version < 32 ? 64 : 72;
    unsigned statement = version < 34 ? 224 : 208;
    memset(image, 0, sizeof *image);
    image->runtime = (struct perl_runtime){.layout = perl_layout_find(version),
                                           .interpreter = INTERPRETER,
                                           .functions = FUNCTIONS,
                                           .names = NAMES};
    perl_image_poke(image, FUNCTIONS + TYPE * 8, 0xc0de);
    perl_image_poke(image, NAMES + TYPE * 8, put_text(image, 0, "nextstate"));
    uintptr_t module = put_text(image, 1, "/usr/share/perl/5.36/IPC/Open3.pm");
    uintptr_t program = put_text(image, 2, "/srv/app/deploy.pl");
    put_statement(image, 0, module, 300);
    put_statement(image, 1, program, 12);
    put_statement(image, 2, program, 20);
    uintptr_t outer = CONTEXTS, inner = CONTEXTS + 0x400;
    put_context(image, outer, SUB, image->statements[2], put_sub(image, 0, "run", true), sub);
    put_context(image, outer + size, EVAL, image->statements[1], 0, sub);
    put_context(image, inner, SUB, image->statements[1], put_sub(image, 1, "spawn", false), sub);
    image->outer_stack = put_stack(image, 0, outer, 1, 0);
    image->inner_stack = put_stack(image, 1, inner, 0, image->outer_stack);
    perl_image_poke(image, INTERPRETER + statement, image->statements[0]);
    perl_image_poke(image, INTERPRETER + statement + 16, image->inner_stack);
}

struct memory_reader perl_image_reader(const struct perl_image *image)
{
    return memory_reader_image(image->bytes, PERL_IMAGE_ADDRESS, sizeof image->bytes);
}
