// SPDX-License-Identifier: MIT
#include "cli/report/event_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_TEXT_SIZE = 32 };

static const double LARGEST_MILLISECONDS = 100 * 365.25 * 86400e3;

const char *field_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t field_integer(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (!json_is_real(value))
        return fallback;
    double real = json_real_value(value);
    return real > -9e15 && real < 9e15 ? (int64_t)real : fallback;
}

int32_t field_small(const json_t *object, const char *key)
{
    int64_t value = field_integer(object, key, -1);
    return value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
}

uint64_t field_address(const json_t *object, const char *key)
{
    const char *text = field_string(object, key);
    if (*text)
        return strtoull(text, NULL, 0);
    int64_t value = field_integer(object, key, 0);
    return (uint64_t)value;
}

bool field_is_own_frame(const json_t *frame)
{
    const char *module = field_string(frame, "module"), *slash = strrchr(module, '/');
    return strcmp(slash ? slash + 1 : module, "libpipeshim.so") == 0;
}

bool field_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

int64_t value_milliseconds(const json_t *value)
{
    double milliseconds = json_is_number(value) ? json_number_value(value) : -1;
    if (!(milliseconds >= 0 && milliseconds <= LARGEST_MILLISECONDS))
        return -1;
    return (int64_t)(milliseconds * 1000 + 0.5);
}

int64_t field_milliseconds(const json_t *object, const char *key)
{
    return value_milliseconds(json_object_get(object, key));
}

/* Exactly `count` digits; -1 and *at unmoved if they are not there. */
static int digits(const char **at, unsigned count)
{
    int value = 0;
    for (unsigned i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *at += count;
    return value;
}

static bool skip(const char **at, const char *one_of)
{
    bool found = **at && strchr(one_of, **at);
    *at += found;
    return found;
}

/* Digits after the point as microseconds; what is finer is cut. */
static int fraction(const char **at)
{
    int microseconds = 0;
    int unit = 100000;
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        microseconds += (**at - '0') * unit;
    return microseconds;
}

/* "Z", "+01:00"; false if it is none. */
static bool zone_seconds(const char **at, int64_t *seconds)
{
    *seconds = 0;
    if (skip(at, "Zz"))
        return **at == '\0';
    bool west = **at == '-';
    if (!skip(at, "+-"))
        return false;
    int hours = digits(at, 2);
    skip(at, ":");
    int minutes = digits(at, 2);
    *seconds = ((int64_t)hours * 60 + minutes) * (west ? -60 : 60);
    return hours >= 0 && minutes >= 0 && **at == '\0';
}

int64_t field_time(const json_t *object, const char *key)
{
    const char *at = field_string(object, key);
    struct tm tm = {.tm_year = digits(&at, 4)};
    bool shape = skip(&at, "-");
    tm.tm_mon = digits(&at, 2);
    shape = skip(&at, "-") && shape;
    tm.tm_mday = digits(&at, 2);
    shape = skip(&at, "Tt ") && shape;
    tm.tm_hour = digits(&at, 2);
    shape = skip(&at, ":") && shape;
    tm.tm_min = digits(&at, 2);
    shape = skip(&at, ":") && shape;
    tm.tm_sec = digits(&at, 2);
    int microseconds = skip(&at, ".") ? fraction(&at) : 0;
    int64_t zone;
    if (!shape || !zone_seconds(&at, &zone) || tm.tm_year < 1970 || tm.tm_mon < 1 ||
        tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
        tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return TIME_UNKNOWN;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return ((int64_t)timegm(&tm) - zone) * 1000000 + microseconds;
}

const char *time_text(int64_t microseconds, char *text)
{
    time_t seconds = (time_t)(microseconds / 1000000);
    struct tm tm;
    if (microseconds == TIME_UNKNOWN || !gmtime_r(&seconds, &tm))
        return memcpy(text, "?", sizeof "?");
    size_t length = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(text + length, TIME_TEXT_SIZE - length, ".%03d", (int)(microseconds % 1000000 / 1000));
    return text;
}

const char *duration_text(int64_t microseconds, char *text)
{
    double seconds = (double)microseconds / 1e6;
    if (microseconds < 10000)
        snprintf(text, TIME_TEXT_SIZE, "%.1f ms", seconds * 1e3);
    else if (microseconds < 1000000)
        snprintf(text, TIME_TEXT_SIZE, "%.0f ms", seconds * 1e3);
    else if (microseconds < 100 * INT64_C(1000000))
        snprintf(text, TIME_TEXT_SIZE, "%.2f s", seconds);
    else if (microseconds < 7200 * INT64_C(1000000))
        snprintf(text, TIME_TEXT_SIZE, "%" PRId64 " min %02d s", microseconds / 60000000,
                 (int)(microseconds / 1000000 % 60));
    else
        snprintf(text, TIME_TEXT_SIZE, "%" PRId64 " h %02d min", microseconds / 3600000000,
                 (int)(microseconds / 60000000 % 60));
    return text;
}
