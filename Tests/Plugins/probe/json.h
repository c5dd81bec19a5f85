/* JSON (RFC 8259) as a tree, for the probe's configurations and scripts. */
#ifndef PROBE_JSON_H
#define PROBE_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT } json_kind;

typedef struct json {
  json_kind kind;
  bool truth;
  double number;
  char *text; /* ended by NUL, which it may have inside as well */
  size_t size;
  char *name; /* as a member of an object */
  struct json *first, *next;
} json;

/* NULL where the text is not JSON. */
json *json_parse(const char *text, size_t size);
void json_free(json *value);

/* A member of an object; NULL where there is none, or no object. */
const json *json_member(const json *object, const char *name);
const char *json_text(const json *object, const char *name, const char *otherwise);
double json_number(const json *object, const char *name, double otherwise);
bool json_truth(const json *object, const char *name, bool otherwise);

#endif
