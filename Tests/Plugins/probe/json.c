/* A recursive descent over the text; see json.h. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *at, *end;
  int depth;
} reader;

static void skip_space(reader *in) {
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

static bool take(reader *in, char expected) {
  skip_space(in);
  if (in->at == in->end || *in->at != expected) return false;
  in->at++;
  return true;
}

static bool take_word(reader *in, const char *word) {
  size_t size = strlen(word);
  if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0) return false;
  in->at += size;
  return true;
}

static bool take_hexadecimal(reader *in, unsigned *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef";
    if (in->at == in->end) return false;
    char letter = *in->at++;
    if (letter >= 'A' && letter <= 'F') letter = (char)(letter + 32);
    const char *digit = letter ? strchr(digits, letter) : NULL;
    if (!digit) return false;
    *out = *out * 16 + (unsigned)(digit - digits);
  }
  return true;
}

static size_t put_utf8(char *out, unsigned scalar) {
  if (scalar < 0x80) return out[0] = (char)scalar, 1;
  if (scalar < 0x800) return out[0] = (char)(0xc0 | scalar >> 6), out[1] = (char)(0x80 | (scalar & 63)), 2;
  out[0] = (char)(0xe0 | scalar >> 12);
  out[1] = (char)(0x80 | (scalar >> 6 & 63));
  out[2] = (char)(0x80 | (scalar & 63));
  return 3;
}

/* Scalars beyond 16 bits are written as they are in these scripts, never as pairs of escapes. */
static bool take_text(reader *in, char **text, size_t *size) {
  if (!take(in, '"')) return false;
  char *made = malloc((size_t)(in->end - in->at) + 4), *to = made;
  while (in->at < in->end && *in->at != '"') {
    char letter = *in->at++;
    if (letter != '\\') {
      *to++ = letter;
      continue;
    }
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *name = in->at < in->end && *in->at ? strchr(names, *in->at) : NULL;
    unsigned scalar;
    if (name) {
      in->at++;
      *to++ = meanings[name - names];
    } else if (take_word(in, "u") && take_hexadecimal(in, &scalar)) {
      to += put_utf8(to, scalar);
    } else {
      free(made);
      return false;
    }
  }
  *to = 0;
  *text = made;
  *size = (size_t)(to - made);
  if (take(in, '"')) return true;
  free(made);
  return false;
}

static json *take_value(reader *in);

static bool take_members(reader *in, json *parent, char end) {
  json **last = &parent->first;
  if (take(in, end)) return true;
  do {
    char *name = NULL;
    size_t size;
    if (end == '}' && (!take_text(in, &name, &size) || !take(in, ':'))) return free(name), false;
    json *value = take_value(in);
    if (!value) return free(name), false;
    value->name = name;
    *last = value;
    last = &value->next;
  } while (take(in, ','));
  return take(in, end);
}

static json *take_value(reader *in) {
  json *made = calloc(1, sizeof *made);
  bool right = ++in->depth < 64;
  skip_space(in);
  char first = in->at < in->end ? *in->at : 0;
  if (!right) {
  } else if (first == '{' || first == '[') {
    in->at++;
    made->kind = first == '{' ? JSON_OBJECT : JSON_LIST;
    right = take_members(in, made, first == '{' ? '}' : ']');
  } else if (first == '"') {
    made->kind = JSON_TEXT;
    right = take_text(in, &made->text, &made->size);
  } else if (take_word(in, "true")) {
    made->kind = JSON_BOOLEAN;
    made->truth = true;
  } else if (take_word(in, "false")) {
    made->kind = JSON_BOOLEAN;
  } else if (take_word(in, "null")) {
    made->kind = JSON_NULL;
  } else {
    char digits[64] = "", *end;
    size_t size = 0;
    while (in->at + size < in->end && size < 63 && strchr("+-.0123456789eE", in->at[size]) && in->at[size]) size++;
    memcpy(digits, in->at, size);
    made->kind = JSON_NUMBER;
    made->number = strtod(digits, &end);
    right = size > 0 && *end == 0;
    in->at += size;
  }
  in->depth--;
  if (right) return made;
  json_free(made);
  return NULL;
}

json *json_parse(const char *text, size_t size) {
  reader in = {text, text + size, 0};
  json *value = take_value(&in);
  skip_space(&in);
  if (value && in.at == in.end) return value;
  json_free(value);
  return NULL;
}

void json_free(json *value) {
  while (value) {
    json *next = value->next;
    json_free(value->first);
    free(value->text);
    free(value->name);
    free(value);
    value = next;
  }
}

const json *json_member(const json *object, const char *name) {
  if (!object || object->kind != JSON_OBJECT) return NULL;
  for (const json *member = object->first; member; member = member->next) {
    if (strcmp(member->name, name) == 0) return member;
  }
  return NULL;
}

const char *json_text(const json *object, const char *name, const char *otherwise) {
  const json *member = json_member(object, name);
  return member && member->kind == JSON_TEXT ? member->text : otherwise;
}

double json_number(const json *object, const char *name, double otherwise) {
  const json *member = json_member(object, name);
  return member && member->kind == JSON_NUMBER ? member->number : otherwise;
}

bool json_truth(const json *object, const char *name, bool otherwise) {
  const json *member = json_member(object, name);
  return member && member->kind == JSON_BOOLEAN ? member->truth : otherwise;
}
