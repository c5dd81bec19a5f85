// Memory that is lent to a plugin stands in pages of its own: read-only as long as it may be read, not
// there at all behind its last byte and after its time. Pages are never used again, so that a pointer that
// was kept for however long still tells what it was.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "engine.h"

namespace tools {

namespace {

constexpr size_t page = 4096;
// Of addresses, not of memory: room for a million values.
constexpr size_t regionSize = size_t(8) << 30;
constexpr uint32_t mostBlocks = 1 << 20;

struct Block {
  uint32_t first, pages;  // in pages of the region
  uint32_t size;
  Word word;
  const char *from;
  const char *gone;  // nullptr: it may be read
};

struct Region {
  uint8_t *base = nullptr;
  uint32_t nextPage = 1;
  Block *blocks = nullptr;
  std::atomic<uint32_t> count{0};
  std::mutex lock;

  Region() {
    void *memory = mmap(nullptr, regionSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *table = mmap(nullptr, mostBlocks * sizeof(Block), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || table == MAP_FAILED) return;
    base = static_cast<uint8_t *>(memory);
    blocks = static_cast<Block *>(table);
  }

  // Memory for `size` bytes, which end `aligned` bytes before a page that cannot be read.
  uint8_t *take(size_t size, size_t alignment, Word word, const char *from, std::vector<uint32_t> &list) {
    const size_t rounded = (size + alignment - 1) / alignment * alignment;
    const uint32_t pages = uint32_t((rounded + page - 1) / page);
    std::lock_guard<std::mutex> guard(lock);
    const uint32_t number = count.load();
    if (!base || number == mostBlocks || size_t(nextPage + pages + 1) * page > regionSize) return nullptr;
    uint8_t *start = base + size_t(nextPage) * page;
    if (mprotect(start, pages * page, PROT_READ | PROT_WRITE) != 0) return nullptr;
    blocks[number] = Block{nextPage, pages, uint32_t(size), word, from, nullptr};
    count.store(number + 1);
    nextPage += pages + 1;
    list.push_back(number);
    return start + pages * page - rounded;
  }

  void seal(uint8_t *memory, size_t size) {
    const auto start = reinterpret_cast<uintptr_t>(memory) / page * page;
    const auto end = (reinterpret_cast<uintptr_t>(memory) + size + page - 1) / page * page;
    mprotect(reinterpret_cast<void *>(start), end - start, PROT_READ);
  }
};

Region &region() {
  static Region *one = new Region();
  return *one;
}

const char *lifetimeOf(Word word) {
  switch (word) {
    case Word::call: return "borrowed(call)";
    case Word::hook: return "borrowed(callback)";
    case Word::stream: return "borrowed(stream)";
    default: return "borrowed(config)";
  }
}

}  // namespace

martlet_bytes lend(martlet_bytes bytes, Word word, const char *from, std::vector<uint32_t> &list) {
  if (bytes.size == 0) return {nullptr, 0};
  uint8_t *memory = region().take(bytes.size, 1, word, from, list);
  if (!memory) return bytes;
  memcpy(memory, bytes.data, bytes.size);
  region().seal(memory, bytes.size);
  return {memory, bytes.size};
}

const void *lendStruct(const void *given, size_t size, const char *from, std::vector<uint32_t> &list) {
  uint8_t *memory = region().take(size, 16, Word::call, from, list);
  if (!memory) return given;
  memcpy(memory, given, size);
  region().seal(memory, size);
  return memory;
}

void takeBack(std::vector<uint32_t> &list, const char *when) {
  Region &all = region();
  for (const uint32_t number : list) {
    Block &block = all.blocks[number];
    block.gone = when;
    uint8_t *start = all.base + size_t(block.first) * page;
    madvise(start, block.pages * page, MADV_DONTNEED);
    mprotect(start, block.pages * page, PROT_NONE);
  }
  list.clear();
}

bool explainFault(uintptr_t address, bool isWrite, const char **requirement, char *text, size_t capacity) {
  Region &all = region();
  const auto base = reinterpret_cast<uintptr_t>(all.base);
  if (!base || address < base || address >= base + regionSize) return false;
  const auto at = uint32_t((address - base) / page);
  const Block *const end = all.blocks + all.count.load();
  const Block *block = std::upper_bound(static_cast<const Block *>(all.blocks), end, at,
                                        [](uint32_t at, const Block &block) { return at < block.first; });
  if (block == all.blocks) return false;
  block--;
  if (block->gone) {
    *requirement = "A7";
    snprintf(text, capacity, "%s memory that %s had lent as %s, after %s", isWrite ? "wrote to" : "read",
             block->from, lifetimeOf(block->word), block->gone);
  } else if (at < block->first + block->pages) {
    *requirement = "A21";
    snprintf(text, capacity, "wrote through a pointer that %s lends for reading (%s)", block->from,
             lifetimeOf(block->word));
  } else {
    *requirement = "A21";
    snprintf(text, capacity, "%s behind the %u bytes that %s has lent", isWrite ? "wrote" : "read",
             block->size, block->from);
  }
  return true;
}

}  // namespace tools
