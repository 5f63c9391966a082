/* SQLite, as its authors ship it, reading a database over HTTP: every page it asks for is a range request, and the code that
 * asks, SQLite's own, is suspended until it has come. Many queries at once, each on a stack of its own.
 *
 *   node examples/sqlite-page/build.mjs        fetches the amalgamation and compiles both
 */
#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tokiwa.h>
#include "sqlite3.h"

static int32_t requests;
EMSCRIPTEN_KEEPALIVE int32_t requests_get(void) { return requests; }
EMSCRIPTEN_KEEPALIVE void *room(int32_t bytes) { return malloc((size_t)bytes); }

/* ---- a file that is a URL */
struct remote { sqlite3_file base; sqlite3_int64 size; char url[512]; };

/* Bytes from..from+count-1 into `into`; how many came, or -1. *size is the whole file's. */
static int read_range(const char *url, char *into, int count, sqlite3_int64 from, sqlite3_int64 *size) {
  char init[96], range[64];
  snprintf(init, sizeof init, "{\"headers\":{\"Range\":\"bytes=%lld-%lld\"}}", (long long)from, (long long)from + count - 1);
  tk_io io = tk_io_fetch(url, init);
  int have = -1;
  requests++;
  if (io < 0) return -1;
  if (tk_io_wait(io, TK_IO_OPEN) > 0 && tk_io_status(io) == 206) {
    if (size && tk_io_header(io, "content-range", range, sizeof range) > 0 && strchr(range, '/')) *size = atoll(strchr(range, '/') + 1);
    int32_t n = 0;
    for (have = 0; have < count && (n = tk_io_recv(io, into + have, count - have)) >= 0;) have += n;
    if (n < 0 && n != TK_END) have = -1;
  }
  tk_io_close(io);
  return have;
}

static int file_close(sqlite3_file *file) { (void)file; return SQLITE_OK; }
static int file_read(sqlite3_file *file, void *into, int count, sqlite3_int64 from) {
  struct remote *remote = (struct remote *)file;
  int have = read_range(remote->url, into, count, from, 0);
  if (have == count) return SQLITE_OK;
  if (have < 0) return SQLITE_IOERR_READ;
  memset((char *)into + have, 0, (size_t)(count - have));
  return SQLITE_IOERR_SHORT_READ;
}
static int file_write(sqlite3_file *file, const void *from, int count, sqlite3_int64 at) { (void)file; (void)from; (void)count; (void)at; return SQLITE_READONLY; }
static int file_truncate(sqlite3_file *file, sqlite3_int64 size) { (void)file; (void)size; return SQLITE_READONLY; }
static int file_sync(sqlite3_file *file, int flags) { (void)file; (void)flags; return SQLITE_OK; }
static int file_size(sqlite3_file *file, sqlite3_int64 *size) { *size = ((struct remote *)file)->size; return SQLITE_OK; }
static int file_lock(sqlite3_file *file, int level) { (void)file; (void)level; return SQLITE_OK; }
static int file_reserved(sqlite3_file *file, int *result) { (void)file; *result = 0; return SQLITE_OK; }
static int file_control(sqlite3_file *file, int op, void *arg) { (void)file; (void)op; (void)arg; return SQLITE_NOTFOUND; }
static int file_sector(sqlite3_file *file) { (void)file; return 4096; }
static int file_traits(sqlite3_file *file) { (void)file; return SQLITE_IOCAP_IMMUTABLE; }
static const sqlite3_io_methods methods = {
  1, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_lock, file_reserved, file_control, file_sector, file_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
  struct remote *remote = (struct remote *)file;
  char first;
  (void)vfs;
  remote->base.pMethods = 0;
  if (!name || !(flags & SQLITE_OPEN_MAIN_DB) || strlen(name) >= sizeof remote->url) return SQLITE_CANTOPEN;
  strcpy(remote->url, name);
  if (read_range(name, &first, 1, 0, &remote->size) != 1) return SQLITE_CANTOPEN;
  remote->base.pMethods = &methods;
  if (out) *out = SQLITE_OPEN_READONLY;
  return SQLITE_OK;
}
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) { (void)vfs; (void)name; (void)sync; return SQLITE_READONLY; }
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) { (void)vfs; (void)name; (void)flags; *result = 0; return SQLITE_OK; }
static int vfs_full(sqlite3_vfs *vfs, const char *name, int room, char *out) { (void)vfs; snprintf(out, (size_t)room, "%s", name); return SQLITE_OK; }
static int vfs_random(sqlite3_vfs *vfs, int count, char *out) { (void)vfs; for (int i = 0; i < count; i++) out[i] = (char)rand(); return count; }
static int vfs_sleep(sqlite3_vfs *vfs, int us) { (void)vfs; tk_sleep(us / 1000.0); return us; }
static int vfs_time(sqlite3_vfs *vfs, double *day) { (void)vfs; *day = 2440587.5 + emscripten_get_now() / 86400000.0; return SQLITE_OK; }
static int vfs_error(sqlite3_vfs *vfs, int room, char *out) { (void)vfs; (void)room; (void)out; return 0; }
static sqlite3_vfs http = {
  1, sizeof(struct remote), 511, 0, "http", 0, vfs_open, vfs_delete, vfs_access, vfs_full, 0, 0, 0, 0, vfs_random, vfs_sleep, vfs_time, vfs_error, 0, 0, 0, 0,
};
int sqlite3_os_init(void) { return sqlite3_vfs_register(&http, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }

/* ---- what the page calls */
static int row(void *text, int columns, char **values, char **names) {
  (void)names;
  sqlite3_str *out = text;
  for (int i = 0; i < columns; i++) sqlite3_str_appendf(out, "%s%s", i ? " | " : "", values[i] ? values[i] : "NULL");
  sqlite3_str_append(out, "\n", 1);
  return 0;
}
/* Blocking. The rows of a query as a text, or what went wrong; to be freed. */
EMSCRIPTEN_KEEPALIVE char *query(const char *url, const char *sql) {
  sqlite3 *db = 0;
  char *error = 0;
  sqlite3_str *out = sqlite3_str_new(0);
  if (sqlite3_open_v2(url, &db, SQLITE_OPEN_READONLY, "http") != SQLITE_OK) sqlite3_str_appendf(out, "error: %s: %s", url, sqlite3_errmsg(db));
  else if (sqlite3_exec(db, sql, row, out, &error) != SQLITE_OK) sqlite3_str_appendf(out, "error: %s", error ? error : sqlite3_errmsg(db));
  sqlite3_free(error);
  sqlite3_close(db);
  return sqlite3_str_finish(out);
}
EMSCRIPTEN_KEEPALIVE void forget(char *text) { sqlite3_free(text); }

/* A database in memory, for build.mjs to write into a file: towns with their inhabitants. */
static sqlite3_int64 made;
EMSCRIPTEN_KEEPALIVE int32_t made_bytes(void) { return (int32_t)made; }
EMSCRIPTEN_KEEPALIVE unsigned char *make_database(int32_t towns) {
  sqlite3 *db = 0;
  char *sql = sqlite3_mprintf(
      "PRAGMA page_size = 4096; CREATE TABLE towns(id INTEGER PRIMARY KEY, name TEXT, country TEXT, inhabitants INTEGER);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
      " INSERT INTO towns SELECT i, 'Town ' || printf('%%06d', i), 'Country ' || (i %% 40), (i * 7919) %% 1000003 FROM n;"
      "CREATE INDEX by_size ON towns(inhabitants); CREATE INDEX by_country ON towns(country, inhabitants);", towns);
  unsigned char *bytes = 0;
  if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, 0) == SQLITE_OK && sqlite3_exec(db, sql, 0, 0, 0) == SQLITE_OK) {
    bytes = sqlite3_serialize(db, "main", &made, 0);
  }
  sqlite3_free(sql);
  sqlite3_close(db);
  return bytes;
}
