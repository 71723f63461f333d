// SPDX-License-Identifier: MIT
#include "cli/report/event_fields.h"

#include <inttypes.h>
#include <stdio.h>
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

/* Digits after the point as microseconds; what is finer is cut. */
static int fraction(const char **at)
{
    int microseconds = 0;
    int unit = 100000;
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        microseconds += (**at - '0') * unit;
    return microseconds;
}

int64_t field_time(const json_t *object, const char *key)
{
    const char *at = field_string(object, key);
    struct tm tm = {0};
    int used = 0;
    if (sscanf(at, "%4d-%2d-%2d%*[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used == 0)
        return TIME_UNKNOWN;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
        tm.tm_sec > 60)
        return TIME_UNKNOWN;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    at += used;
    int microseconds = 0;
    if (*at == '.') {
        at++;
        microseconds = fraction(&at);
    }
    int hours = 0;
    int minutes = 0;
    if (strcmp(at, "Z") != 0 && strcmp(at, "z") != 0) {
        if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d", &hours, &minutes) != 2)
            return TIME_UNKNOWN;
        if (*at == '-') {
            hours = -hours;
            minutes = -minutes;
        }
    }
    return ((int64_t)timegm(&tm) - hours * 3600 - minutes * 60) * 1000000 + microseconds;
}

const char *time_text(int64_t microseconds, char *text)
{
    time_t seconds = (time_t)(microseconds / 1000000);
    struct tm tm;
    if (microseconds == TIME_UNKNOWN || !gmtime_r(&seconds, &tm))
        return strcpy(text, "?");
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
