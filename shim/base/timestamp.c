// SPDX-License-Identifier: MIT
#include "base/timestamp.h"

#include "base/clock.h"
#include "base/text_buffer.h"

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && leap);
}

static unsigned days_in_year(unsigned year)
{
    return 337 + days_in_month(year, 1);
}

void timestamp_rfc3339(uint64_t time_ns, char text[TIMESTAMP_SIZE])
{
    uint64_t seconds = time_ns / NS_PER_S;
    uint64_t days = seconds / 86400;
    unsigned second = (unsigned)(seconds % 86400);
    unsigned year = 1970;
    unsigned month = 0;
    for (; days >= days_in_year(year); year++)
        days -= days_in_year(year);
    for (; days >= days_in_month(year, month); month++)
        days -= days_in_month(year, month);
    struct text_buffer out;
    text_init(&out, text, TIMESTAMP_SIZE);
    text_padded(&out, year, 4);
    text_char(&out, '-');
    text_padded(&out, month + 1, 2);
    text_char(&out, '-');
    text_padded(&out, days + 1, 2);
    text_char(&out, 'T');
    text_padded(&out, second / 3600, 2);
    text_char(&out, ':');
    text_padded(&out, second / 60 % 60, 2);
    text_char(&out, ':');
    text_padded(&out, second % 60, 2);
    text_char(&out, '.');
    text_padded(&out, time_ns / NS_PER_US % 1000000, 6);
    text_char(&out, 'Z');
}
