// What the C++ library calls when it gives up: a trap, whose place the host prints. Its own would bring printf along.
// It knows nothing of guests.
#include <version>

#ifdef _LIBCPP_VERSION
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char *, ...) noexcept;
void __libcpp_verbose_abort(const char *, ...) noexcept {
    __builtin_trap();
}
_LIBCPP_END_NAMESPACE_STD
#endif

extern "C" {
[[noreturn]] void __cxa_pure_virtual();
void __cxa_pure_virtual() {
    __builtin_trap();
}
[[noreturn]] void __cxa_deleted_virtual();
void __cxa_deleted_virtual() {
    __builtin_trap();
}
}
