/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without a fuzzing engine: each corpus file as it is, then with a fixed number
 * of changes, the same on every run. Usage: fuzz_X CORPUS_DIRECTORY [CHANGES_PER_FILE] */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Flip, replace, cut, or double a part: what breaks parsers. */
static size_t change(uint8_t *data, size_t size)
{
    static const char odd[] = "\0\n\"'\\{}[]:,&*#%<>!$`-\xff";
    size_t at = next_random() % size, length = 1 + next_random() % 16;

    switch (next_random() % 5) {
    case 0:
        data[at] ^= (uint8_t)(1u << (next_random() % 8));
        break;
    case 1:
        data[at] = (uint8_t)odd[next_random() % (sizeof(odd) - 1)];
        break;
    case 2:
        size = at ? at : size;
        break;
    case 3:
        length = length < size - at ? length : size - at;
        memmove(data + at, data + at + length, size - at - length);
        size -= length < size ? length : 0;
        break;
    default:
        length = length < size - at ? length : size - at;
        memmove(data + at + length, data + at, size - at);
        size += length;
        break;
    }
    return size;
}

/* The input lies in a block of its own size, so that a sanitizer sees a read past its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int run_file(const char *path, unsigned changes)
{
    static uint8_t original[INPUT_MAX], data[INPUT_MAX + 1024];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    size = fread(original, 1, sizeof(original), file);
    fclose(file);
    run(original, size);
    state = 88172645463325252ull;
    for (unsigned i = 0; size && i < changes; i++) {
        size_t n = size;

        memcpy(data, original, size);
        for (uint64_t k = 1 + next_random() % 4; n && k; k--)
            n = change(data, n);
        run(data, n);
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned changes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 300, files = 0;
    DIR *directory = argc > 1 ? opendir(argv[1]) : NULL;
    struct dirent *entry;

    if (!directory) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY [CHANGES_PER_FILE]\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(directory))) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (run_file(path, changes))
            return 1;
        files++;
    }
    closedir(directory);
    printf("%u corpus files, %u changes of each\n", files, changes);
    return files ? 0 : 1;
}
