// Typed wrappers over the variadic calls and the cast macros of libmicrohttpd. Only HTTP includes this.
#pragma once

#include <microhttpd.h>
#include <signal.h>
#include <pthread.h>
#include <stdint.h>

// MHD_start_daemon is variadic; all options come in an array. Its threads inherit the signal mask of the thread that
// starts it, and no signal of the process may end up on them. A thread for each connection, and poll(2), because select(2)
// cannot take descriptors above 1023. Takes over the listening socket.
static inline struct MHD_Daemon *cmhd_start(MHD_AccessHandlerCallback handler, void *context,
                                            struct MHD_OptionItem *options) {
    unsigned flags =
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(flags, 0, NULL, NULL, handler, context, MHD_OPTION_ARRAY, options,
                                                 MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

// Function pointers travel in an option as an integer.
static inline struct MHD_OptionItem cmhd_option_completed(MHD_RequestCompletedCallback callback, void *context) {
    struct MHD_OptionItem item = {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)callback, context};
    return item;
}
static inline struct MHD_OptionItem cmhd_option_connection(MHD_NotifyConnectionCallback callback, void *context) {
    struct MHD_OptionItem item = {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)callback, context};
    return item;
}
typedef void *(*cmhd_uri_callback)(void *context, const char *uri, struct MHD_Connection *connection);
static inline struct MHD_OptionItem cmhd_option_uri(cmhd_uri_callback callback, void *context) {
    struct MHD_OptionItem item = {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)callback, context};
    return item;
}
static inline struct MHD_OptionItem cmhd_option(enum MHD_OPTION option, intptr_t value) {
    struct MHD_OptionItem item = {option, value, NULL};
    return item;
}

// Variadic by historical accident.
static inline const struct sockaddr *cmhd_client_address(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}
static inline int cmhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}
static inline enum MHD_Result cmhd_set_timeout(struct MHD_Connection *connection, unsigned seconds) {
    return MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

// Macros with casts.
static inline uint64_t cmhd_size_unknown(void) { return MHD_SIZE_UNKNOWN; }
static inline ssize_t cmhd_end_of_stream(void) { return MHD_CONTENT_READER_END_OF_STREAM; }
static inline ssize_t cmhd_end_with_error(void) { return MHD_CONTENT_READER_END_WITH_ERROR; }
