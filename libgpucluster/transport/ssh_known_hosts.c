/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ssh_known_hosts.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "util/alloc.h"

#define LINE_MAX_BYTES (64 * 1024)

static gpuc__span next_word(gpuc__wire *line)
{
    gpuc__span word;

    while (line->left && (*line->at == ' ' || *line->at == '\t')) {
        line->at++;
        line->left--;
    }
    word.data = line->at;
    while (line->left && *line->at != ' ' && *line->at != '\t' && *line->at != '\r') {
        line->at++;
        line->left--;
    }
    word.length = (size_t)(line->at - word.data);
    return word;
}

/* Shell-like * and ?, without case; iterative, so that no pattern can be expensive. */
static bool glob(const char *pattern, size_t pattern_length, const char *name)
{
    size_t p = 0, star = SIZE_MAX;
    const char *retry = name;

    while (*name) {
        if (p < pattern_length && pattern[p] == '*') {
            star = p++;
            retry = name;
        } else if (p < pattern_length &&
                   (pattern[p] == '?' || tolower((unsigned char)pattern[p]) == *name)) {
            p++;
            name++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern_length && pattern[p] == '*')
        p++;
    return p == pattern_length;
}

/* "|1|salt|hash" with HMAC-SHA1, OpenSSH's only scheme */
static bool hashed_matches(gpuc__span field, const char *name)
{
    const char *at = (const char *)field.data + 3, *end = (const char *)field.data + field.length;
    const char *bar = field.length > 3 ? memchr(at, '|', (size_t)(end - at)) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    gpuc__buf salt = GPUC__BUF_INIT(64), hash = GPUC__BUF_INIT(64);
    bool same = false;

    if (bar && gpuc__base64_get(&salt, at, (size_t)(bar - at)) &&
        gpuc__base64_get(&hash, bar + 1, (size_t)(end - bar - 1)) && salt.length &&
        HMAC(EVP_sha1(), salt.data, (int)salt.length, (const unsigned char *)name, strlen(name),
             digest, &length))
        same = hash.length == length && memcmp(hash.data, digest, length) == 0;
    gpuc__buf_clear(&salt);
    gpuc__buf_clear(&hash);
    return same;
}

static bool hosts_match(gpuc__span hosts, const char *name)
{
    const char *at = (const char *)hosts.data, *end = at + hosts.length;
    bool match = false;

    if (hosts.length > 3 && !memcmp(at, "|1|", 3))
        return hashed_matches(hosts, name);
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        bool negated = at < stop && *at == '!';

        if (glob(at + negated, (size_t)(stop - at) - negated, name)) {
            if (negated)
                return false;
            match = true;
        }
        at = stop + 1;
    }
    return match;
}

/* The name known_hosts has for the host, in lower case. */
static char *lookup_name(const char *host, int port)
{
    char *name = port == 22 ? gpuc__strdup(host) : gpuc__asprintf("[%s]:%d", host, port);

    for (char *p = name; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

/* False for lines that say nothing of the host. */
static bool read_line(const char *text, size_t length, const char *name, gpuc__known_host *entry)
{
    gpuc__wire line = gpuc__wire_of(text, length);
    gpuc__span hosts = next_word(&line);

    if (!hosts.length || hosts.data[0] == '#')
        return false;
    if (hosts.data[0] == '@') {
        if (!gpuc__span_is(hosts, "@revoked"))
            return false;
        entry->revoked = true;
        hosts = next_word(&line);
    }
    if (!hosts_match(hosts, name))
        return false;
    entry->type = next_word(&line);
    entry->base64 = next_word(&line);
    return entry->type.length && entry->base64.length;
}

void gpuc__known_hosts_find(const char *text, size_t length, const char *host, int port,
                            bool (*found)(void *data, const gpuc__known_host *entry), void *data)
{
    GPUC__AUTOFREE char *name = lookup_name(host, port);
    const char *end = text + length;

    for (unsigned number = 1; name && text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        gpuc__known_host entry = {.line = number};

        if (stop - text <= LINE_MAX_BYTES && read_line(text, (size_t)(stop - text), name, &entry) &&
            !found(data, &entry))
            return;
        text = stop + 1;
    }
}
