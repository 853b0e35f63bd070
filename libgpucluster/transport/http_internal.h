/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the HTTP transport only. */
#ifndef GPUC__HTTP_INTERNAL_H
#define GPUC__HTTP_INTERNAL_H
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "transport/http.h"
#include "util/buf.h"

struct gpuc__http {
    int refs;
    gpuc_context *context;
    CURLM *multi;
    uv_timer_t timer;     /* the one curl asks for */
    int handles;          /* of libuv, not yet closed; the pool lives until the last one is */
    gpuc__http_request *current;
    char *base_url;       /* as configured, without a slash at its end; shown in errors */
    char *request_base;   /* the same with tls_server_name as its host */
    char *unix_socket;
    char *ca_pem, *cert_pem, *key_pem;
    char *authorization;  /* the whole header; NULL without a token */
    char *machine;
    struct curl_slist *connect_to; /* where the host's name really leads; NULL: to itself */
    int (*connect)(void *data);
    void *connect_data;
    bool direct, any_certificate;
    char *proxy_url;
    int domain;
};

struct gpuc__http_request {
    gpuc__http *http;
    CURL *easy;
    uv_timer_t timer;
    bool started, finished;
    char *where;              /* "GET https://host/path", without the query: it may hold secrets */
    char *send_body;
    size_t send_length;
    bool secret;
    int file;                 /* -1: none */
    int64_t file_size;
    int connection, stand_in; /* http_connect.c; connection -1: nothing to put in place */
    struct curl_slist *headers;
    gpuc__buf body;
    gpuc__buf head;           /* header lines, each ended by NUL */
    size_t header_count;
    int timeout_ms, idle_ms;
    uint64_t begun, last_byte; /* gpuc__clock_ms */
    curl_off_t uploaded;
    gpuc_error *error;        /* why it ends, when that is not curl's to say */
    char message[CURL_ERROR_SIZE];
    bool (*chunk)(void *data, const char *bytes, size_t length);
    void (*done)(void *data, int status, const char *body, size_t length, gpuc_error *error);
    void (*connected)(void *data, gpuc__http_request *request); /* NULL once it was called */
    void *data;
};

/* http.c */
CURLMcode gpuc__http_multi_add(gpuc__http *http, CURL *easy);
void gpuc__http_multi_remove(gpuc__http *http, CURL *easy);
CURLcode gpuc__http_easy_send(CURL *easy, const void *bytes, size_t length, size_t *moved);
CURLcode gpuc__http_easy_recv(CURL *easy, void *bytes, size_t length, size_t *moved);
void gpuc__http_handle_closed(gpuc__http *http);

/* http_connect.c: has the request use the caller's connections; puts one in place; closes one that
 * was not put in place. */
void gpuc__http_connection_set(gpuc__http_request *request);
void gpuc__http_connection_ready(gpuc__http_request *request);
void gpuc__http_connection_drop(gpuc__http_request *request);

/* http_request.c: curl is through with the transfer; reports the end of one. */
void gpuc__http_request_done(gpuc__http_request *request, CURLcode result);
void gpuc__http_request_finish(gpuc__http_request *request, CURLcode result);

/* http_easy.c: makes request->easy and what it points at. */
int gpuc__http_easy_new(gpuc__http_request *request, const gpuc__http_args *args, gpuc_error **err);

/* http_error.c: what a curl result means; *err is set. */
void gpuc__http_error_from(gpuc__http_request *request, CURLcode result, gpuc_error **err);
#endif
