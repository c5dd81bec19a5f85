// The C face of RE2: see include/martlet_regex.h.
#include "martlet_regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

struct martlet_regex {
  re2::RE2 expression;

  martlet_regex(const re2::StringPiece &pattern, const re2::RE2::Options &options)
      : expression(pattern, options) {}
};

static re2::StringPiece piece(const uint8_t *bytes, size_t length) {
  return re2::StringPiece(reinterpret_cast<const char *>(bytes), length);
}

static void say(const std::string &text, char *error, size_t capacity) {
  if (capacity == 0) return;
  size_t length = std::min(text.size(), capacity - 1);
  std::memcpy(error, text.data(), length);
  error[length] = 0;
}

martlet_regex *martlet_regex_make(
    const uint8_t *pattern, size_t length, char *error, size_t capacity) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  martlet_regex *made = new (std::nothrow) martlet_regex(piece(pattern, length), options);
  if (made == nullptr) {
    say("out of memory", error, capacity);
    return nullptr;
  }
  if (!made->expression.ok()) {
    say(made->expression.error(), error, capacity);
    delete made;
    return nullptr;
  }
  return made;
}

void martlet_regex_free(martlet_regex *regex) { delete regex; }

int martlet_regex_group_count(const martlet_regex *regex) {
  return regex->expression.NumberOfCapturingGroups();
}

int martlet_regex_program_size(const martlet_regex *regex) { return regex->expression.ProgramSize(); }

bool martlet_regex_matches(const martlet_regex *regex, const uint8_t *text, size_t length) {
  return regex->expression.Match(
      piece(text, length), 0, length, re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

bool martlet_regex_capture(
    const martlet_regex *regex, const uint8_t *text, size_t length, martlet_regex_span *spans,
    int count) {
  re2::StringPiece groups[MARTLET_REGEX_GROUPS];
  count = std::min<int>(count, MARTLET_REGEX_GROUPS);
  re2::StringPiece whole = piece(text, length);
  if (!regex->expression.Match(whole, 0, length, re2::RE2::ANCHOR_BOTH, groups, count)) return false;
  for (int index = 0; index < count; index++) {
    bool matched = groups[index].data() != nullptr;
    spans[index].start = matched ? groups[index].data() - whole.data() : -1;
    spans[index].end = matched ? spans[index].start + static_cast<ptrdiff_t>(groups[index].size()) : -1;
  }
  return true;
}

bool martlet_regex_check_substitution(
    const martlet_regex *regex, const uint8_t *substitution, size_t length, char *error,
    size_t capacity) {
  std::string reason;
  if (regex->expression.CheckRewriteString(piece(substitution, length), &reason)) return true;
  say(reason, error, capacity);
  return false;
}

// Bytes of the UTF-8 character at the start of the text; 1 where there is none.
static size_t character_length(const uint8_t *text, size_t available) {
  size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 1;
  if (length > available) return 1;
  for (size_t index = 1; index < length; index++) {
    if ((text[index] & 0xc0) != 0x80) return 1;
  }
  return length;
}

static void substitute(
    const re2::StringPiece *groups, const uint8_t *substitution, size_t length,
    martlet_regex_sink sink, void *context) {
  size_t plain = 0;
  for (size_t index = 0; index + 1 < length; index++) {
    if (substitution[index] != '\\') continue;
    if (index > plain) sink(context, substitution + plain, index - plain);
    uint8_t what = substitution[index + 1];
    if (what == '\\') {
      sink(context, substitution + index, 1);
    } else if (what >= '0' && what <= '9') {
      const re2::StringPiece &group = groups[what - '0'];
      if (!group.empty()) {
        sink(context, reinterpret_cast<const uint8_t *>(group.data()), group.size());
      }
    }
    index++;
    plain = index + 1;
  }
  if (plain < length) sink(context, substitution + plain, length - plain);
}

void martlet_regex_replace_all(
    const martlet_regex *regex, const uint8_t *text, size_t length, const uint8_t *substitution,
    size_t substitution_length, martlet_regex_sink sink, void *context) {
  re2::StringPiece whole = piece(text, length);
  re2::StringPiece groups[MARTLET_REGEX_GROUPS];
  int wanted =
      1 + re2::RE2::MaxSubmatch(piece(substitution, substitution_length));
  wanted = std::min<int>(wanted, MARTLET_REGEX_GROUPS);
  size_t position = 0;
  // Where the last match ended: an empty match there is not a second one.
  size_t last_end = SIZE_MAX;
  while (position <= length) {
    if (!regex->expression.Match(whole, position, length, re2::RE2::UNANCHORED, groups, wanted)) break;
    size_t start = static_cast<size_t>(groups[0].data() - whole.data());
    if (start > position) sink(context, text + position, start - position);
    if (groups[0].empty() && start == last_end) {
      if (start < length) {
        size_t step = character_length(text + start, length - start);
        sink(context, text + start, step);
        position = start + step;
      } else {
        position = length + 1;
      }
      continue;
    }
    substitute(groups, substitution, substitution_length, sink, context);
    position = start + groups[0].size();
    last_end = position;
  }
  if (position < length) sink(context, text + position, length - position);
}
