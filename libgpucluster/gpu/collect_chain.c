/* SPDX-License-Identifier: Apache-2.0 */
/* The section "chain": lines of key=value. */
#include <ctype.h>
#include <string.h>

#include "gpu/collect.h"

#define LINE_MAX_BYTES 512

static void copy(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);

    if (n >= size)
        n = size - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(isprint((unsigned char)text[i]) ? text[i] : '?');
    out[n] = '\0';
}

static void read_flag(gpuc__collect_chain *c, const char *key, const char *value)
{
    if (strcmp(key, "handler") == 0) {
        c->config_known = true;
        c->handler = c->handler || strcmp(value, "nvidia") == 0;
    } else if (strcmp(key, "binary_is_there") == 0) {
        c->binary_is_there = true;
    } else if (strcmp(key, "cdi") == 0) {
        c->cdi_files++;
    } else if (strcmp(key, "sockets_known") == 0) {
        c->sockets_known = true;
    } else if (strcmp(key, "socket") == 0) {
        c->kubelet_socket = c->kubelet_socket || strcmp(value, "kubelet.sock") == 0;
        c->plugin_socket = c->plugin_socket || strncmp(value, "nvidia", 6) == 0;
    }
}

static void read_line(gpuc__collect_chain *c, char *line)
{
    const struct {
        const char *key;
        char *out;
        size_t size;
    } texts[] = {
        {"toolkit", c->toolkit, sizeof(c->toolkit)},
        {"runtime", c->runtime, sizeof(c->runtime)},
        {"containerd", c->containerd, sizeof(c->containerd)},
        {"kubelet", c->kubelet, sizeof(c->kubelet)},
        {"binary", c->binary, sizeof(c->binary)},
        {"default_handler", c->default_handler, sizeof(c->default_handler)},
        {"unread", c->unread, sizeof(c->unread)},
    };
    char *value = strchr(line, '=');

    if (!value)
        return;
    *value++ = '\0';
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(line, texts[i].key) == 0) {
            copy(texts[i].out, texts[i].size, value);
            return;
        }
    }
    read_flag(c, line, value);
}

void gpuc__collect_read_chain(gpuc__collect_chain *out, const char *bytes, size_t length, bool whole)
{
    char line[LINE_MAX_BYTES];

    memset(out, 0, sizeof(*out));
    out->known = whole;
    while (length) {
        const char *end = memchr(bytes, '\n', length);
        size_t n = end ? (size_t)(end - bytes) : length;

        if (n < sizeof(line)) {
            memcpy(line, bytes, n);
            line[n] = '\0';
            read_line(out, line);
        }
        n += end != NULL;
        bytes += n;
        length -= n;
    }
}
