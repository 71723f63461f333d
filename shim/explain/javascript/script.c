// SPDX-License-Identifier: MIT
#include "explain/javascript/script.h"

#include <string.h>

#include "base/text_buffer.h"
#include "explain/javascript/string.h"

enum {
    LINE_LIMIT = 1 << 22,
    OFFSET_LIMIT = 1 << 24,
    LINE_SEPARATOR = 0x2028,
    PARAGRAPH_SEPARATOR = 0x2029,
};

static bool string_field(struct v8_heap *heap, uint64_t object, int32_t offset, char *to,
                         size_t capacity)
{
    uint64_t string;
    to[0] = '\0';
    return v8_field(heap, object, offset, &string) && v8_is_string(heap, string) &&
           v8_string(heap, string, V8_STRING_KEEP_END, to, capacity) && to[0] != '\0';
}

/* The script whose code called eval; 0: it is not known. */
static uint64_t eval_origin(struct v8_heap *heap, uint64_t script)
{
    const struct v8_layout *layout = heap->layout;
    uint64_t shared, origin;
    if (layout->script_eval_from != V8_ABSENT &&
        v8_object_field(heap, script, layout->script_eval_from,
                        layout->published.type_shared_function, &shared) &&
        v8_object_field(heap, shared, layout->shared_script, layout->published.type_script,
                        &origin))
        return origin;
    return 0;
}

bool v8_script_name(struct v8_heap *heap, uint64_t script, char *to, size_t capacity)
{
    static const char eval_in[] = "eval in ";
    const struct v8_layout *layout = heap->layout;
    if (!v8_has_type(heap, script, layout->published.type_script)) {
        to[0] = '\0';
        return false;
    }
    if (string_field(heap, script, layout->published.script_name, to, capacity) ||
        string_field(heap, script, layout->script_source_url, to, capacity))
        return true;
    uint64_t origin = eval_origin(heap, script);
    if (origin == 0 || !string_field(heap, origin, layout->published.script_name,
                                     to + sizeof eval_in - 1, capacity - (sizeof eval_in - 1)))
        return false;
    memcpy(to, eval_in, sizeof eval_in - 1);
    return true;
}

bool v8_script_is_generated(struct v8_heap *heap, uint64_t script)
{
    uint64_t url;
    return v8_field(heap, script, heap->layout->script_mapping_url, &url) &&
           v8_is_string(heap, url);
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* The ends of lines as V8 counted them: a FixedArray of Smis. */
static bool line_of_table(struct v8_heap *heap, uint64_t ends, int32_t count, struct v8_line *line)
{
    int32_t data = heap->layout->published.array_data;
    int32_t low = 0, high = count, end, before = -1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (!v8_smi_field(heap, ends, data + 8 * middle, &end))
            return false;
        if (end >= line->position)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == count || (low > 0 && !v8_smi_field(heap, ends, data + 8 * (low - 1), &before)) ||
        before >= line->position)
        return false;
    line->line = low + 1;
    line->column = line->position - before;
    return true;
}

static bool lines_by_table(struct v8_heap *heap, uint64_t script, struct v8_line *lines,
                           unsigned count)
{
    const struct v8_constants *k = &heap->layout->published;
    uint64_t ends;
    int32_t length;
    if (!v8_object_field(heap, script, k->script_line_ends, k->type_fixed_array, &ends) ||
        !v8_smi_field(heap, ends, k->array_length, &length) || length <= 0 || length > LINE_LIMIT)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!line_of_table(heap, ends, length, &lines[i]))
            return false;
    return true;
}

/* Counts the ends of lines as JavaScript does: \n, \r\n, \r, U+2028 and U+2029. */
struct line_counter {
    int32_t at;        /* the position of the next unit */
    int32_t line;      /* of that position */
    int32_t last_end;  /* the position of the end before it; -1: none */
    bool after_return; /* the unit before was \r: \n would belong to it */
};

static void count_unit(struct line_counter *counter, uint16_t unit)
{
    bool joins = counter->after_return && unit == '\n';
    if (joins) {
        counter->last_end = counter->at;
    } else if (unit == '\n' || unit == '\r' || unit == LINE_SEPARATOR ||
               unit == PARAGRAPH_SEPARATOR) {
        counter->line++;
        counter->last_end = counter->at;
    }
    counter->after_return = unit == '\r';
    counter->at++;
}

/* Most text is ASCII in long lines: whole words without an end are passed over. */
static int32_t plain_length(const unsigned char *bytes, int32_t size)
{
    int32_t length = 0;
    for (; size - length >= 8; length += 8) {
        uint64_t word;
        memcpy(&word, bytes + length, 8);
        /* A byte below 0x0e in any place: \n, \r, or one that is looked at in vain. */
        if (((word - 0x0e0e0e0e0e0e0e0eULL) & ~word & 0x8080808080808080ULL) != 0)
            break;
    }
    return length;
}

static void count_bytes(struct line_counter *counter, const unsigned char *bytes, int32_t size)
{
    int32_t i = 0;
    while (i < size) {
        int32_t plain = counter->after_return ? 0 : plain_length(bytes + i, size - i);
        counter->at += plain;
        i += plain;
        for (int32_t k = 0; k < 8 && i < size; k++)
            count_unit(counter, bytes[i++]);
    }
}

static void count_units(struct line_counter *counter, const unsigned char *bytes, int32_t units)
{
    for (int32_t i = 0; i < units; i++) {
        uint16_t unit;
        memcpy(&unit, bytes + (size_t)2 * (size_t)i, sizeof unit);
        count_unit(counter, unit);
    }
}

static void count_text(struct line_counter *counter, const unsigned char *bytes, int32_t units,
                       unsigned width)
{
    if (width == 1)
        count_bytes(counter, bytes, units);
    else
        count_units(counter, bytes, units);
}

/* A \r whose \n comes next ends its line there: the position of the \r itself is still in it, and
 * so is that of the \n. */
static void take_line(const struct line_counter *counter, bool newline_follows,
                      struct v8_line *line)
{
    if (counter->after_return && newline_follows) {
        line->line = 0; /* no code stands between the two */
        return;
    }
    line->line = counter->line;
    line->column = line->position - counter->last_end;
}

static void lines_by_text(struct v8_heap *heap, const struct v8_text *text, struct v8_line *lines,
                          unsigned count)
{
    unsigned char *block = heap->text;
    struct line_counter counter = {.line = 1, .last_end = -1};
    int32_t block_start = 0, block_units = 0, units_limit = V8_TEXT_BUFFER / (int32_t)text->width;
    for (unsigned i = 0; i < count; i++) {
        if (lines[i].position < counter.at || (uint32_t)lines[i].position > text->length ||
            (uint64_t)(uint32_t)lines[i].position * text->width > V8_SOURCE_LIMIT)
            return;
        while (counter.at < lines[i].position) {
            if (counter.at == block_start + block_units) {
                block_start = counter.at;
                uint32_t left = text->length - (uint32_t)block_start;
                block_units = left < (uint32_t)units_limit ? (int32_t)left : units_limit;
                uintptr_t from = text->address + (uintptr_t)block_start * text->width;
                if (heap->reads++ >= V8_READ_LIMIT ||
                    !memory_read(heap->memory, from, block, (size_t)block_units * text->width))
                    return;
            }
            int32_t end = block_start + block_units;
            int32_t until = lines[i].position < end ? lines[i].position : end;
            count_text(&counter, block + (size_t)(counter.at - block_start) * text->width,
                       until - counter.at, text->width);
        }
        bool newline = counter.at < block_start + block_units && text->width == 1 &&
                       block[counter.at - block_start] == '\n';
        take_line(&counter, newline, &lines[i]);
    }
}

/* vm.Script can say that its text begins elsewhere than at the first line of the file. */
static void add_script_offset(struct v8_heap *heap, uint64_t script, struct v8_line *lines,
                              unsigned count)
{
    const struct v8_layout *layout = heap->layout;
    int32_t line_offset, column_offset;
    if (!v8_smi_field(heap, script, layout->script_line_offset, &line_offset) ||
        !v8_smi_field(heap, script, layout->script_column_offset, &column_offset) ||
        line_offset < 0 || line_offset >= OFFSET_LIMIT || column_offset < 0 ||
        column_offset >= OFFSET_LIMIT)
        line_offset = -1;
    for (unsigned i = 0; i < count; i++) {
        if (lines[i].line == 0)
            continue;
        if (line_offset < 0) {
            lines[i].line = lines[i].column = 0;
            continue;
        }
        if (lines[i].line == 1)
            lines[i].column += column_offset;
        lines[i].line += line_offset;
    }
}

void v8_script_lines(struct v8_heap *heap, uint64_t script, struct v8_line *lines, unsigned count)
{
    struct v8_text text, again;
    uint64_t source;
    for (unsigned i = 0; i < count; i++)
        lines[i].line = lines[i].column = 0;
    if (!v8_has_type(heap, script, heap->layout->published.type_script) ||
        !v8_field(heap, script, heap->layout->published.script_source, &source) ||
        !v8_string_locate(heap, source, &text))
        return;
    bool past_end = count > 0 && (uint32_t)lines[count - 1].position > text.length;
    if (past_end)
        return;
    if (!lines_by_table(heap, script, lines, count)) {
        for (unsigned i = 0; i < count; i++)
            lines[i].line = lines[i].column = 0;
        lines_by_text(heap, &text, lines, count);
        /* A text on the heap may have been moved while its lines were counted. */
        v8_heap_forget(heap);
        if (!v8_string_locate(heap, source, &again) || again.address != text.address ||
            again.length != text.length)
            for (unsigned i = 0; i < count; i++)
                lines[i].line = lines[i].column = 0;
    }
    add_script_offset(heap, script, lines, count);
}
