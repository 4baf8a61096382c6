// Memory that a parent and its child processes both see: an anonymous file, mapped on each side as an ArrayBuffer.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "exports.h"
#include "invocation.h"

namespace halfway {
namespace {

struct Mapping {
  void* data;
  size_t bytes;
};

[[noreturn]] void FailSystem(const char* what) {
  const int code = errno;
  Fail(code == ENOMEM ? ErrorKind::kOutOfMemory : ErrorKind::kTorch, what, ": ", std::strerror(code));
}

size_t SizeAt(const Invocation& call, size_t index) {
  const int64_t bytes = call.Integer(index);
  if (bytes < 1) Fail(ErrorKind::kTorch, "the size must be at least 1 byte, got ", bytes);
  return static_cast<size_t>(bytes);
}

void Unmap(napi_env, void*, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  munmap(mapping->data, mapping->bytes);
  delete mapping;
}

int FileAt(const Invocation& call, size_t index) {
  const int64_t file = call.Integer(index);
  if (file < 0 || file > std::numeric_limits<int>::max())
    Fail(ErrorKind::kTorch, "must be a file descriptor, got ", file);
  return static_cast<int>(file);
}

// Touching a map beyond the end of its file is a bus error in every process that maps it, so the file must keep its
// size.
constexpr int kKeepsSize = F_SEAL_SHRINK;

// (bytes) -> file descriptor of a new anonymous file of that size, full of zeros; closed on exec unless handed on by
// spawn
napi_value CreateSharedFile(Invocation& call) {
  const size_t bytes = SizeAt(call, 0);
  const int file = memfd_create("halfway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) FailSystem("memfd_create");
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0 || fcntl(file, F_ADD_SEALS, kKeepsSize) != 0) {
    const int code = errno;
    close(file);
    errno = code;
    FailSystem("ftruncate");
  }
  return MakeNumber(call, file);
}

// (file descriptor, bytes) -> ArrayBuffer; unmapped when the buffer is collected. The descriptor may be closed before
// that.
napi_value MapSharedFile(Invocation& call) {
  const int file = FileAt(call, 0);
  const size_t bytes = SizeAt(call, 1);
  const off_t end = lseek(file, 0, SEEK_END);
  if (end < 0) FailSystem("lseek");
  if (static_cast<size_t>(end) < bytes) Fail(ErrorKind::kTorch, "the file has ", end, " bytes, asked for ", bytes);
  const int seals = fcntl(file, F_GET_SEALS);
  if (seals < 0 && errno != EINVAL) FailSystem("fcntl");
  if (seals < 0 || (seals & kKeepsSize) == 0)
    Fail(ErrorKind::kTorch, "file ", file, " was not made by createSharedFile");
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) FailSystem("mmap");
  auto* mapping = new Mapping{data, bytes};
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(call.env(), data, bytes, Unmap, mapping, &buffer);
  if (status != napi_ok) {
    Unmap(call.env(), data, mapping);
    Check(status, "napi_create_external_arraybuffer");
  }
  return buffer;
}

}  // namespace

void ExportSharedMemory(Environment& state, napi_value exports) {
  Export<CreateSharedFile>(state, exports, "createSharedFile");
  Export<MapSharedFile>(state, exports, "mapSharedFile");
}

}  // namespace halfway
