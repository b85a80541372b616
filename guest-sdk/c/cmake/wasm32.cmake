# CMake's toolchain file for guests in C and C++: Zig's clang, whose C library comes with it. `wisted build` uses it,
# or by hand:
#
#     pip install ziglang
#     cmake -B build --toolchain …/wasm32.cmake
#
# Zig is the program that -DWISTED_ZIG or the environment variable WISTED_ZIG names, or else `zig` of the PATH or of the
# Python package. It must not know what is built.

set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)

if(NOT WISTED_ZIG)
    if(DEFINED ENV{WISTED_ZIG})
        set(WISTED_ZIG "$ENV{WISTED_ZIG}")
    else()
        find_program(WISTED_ZIG zig)
    endif()
endif()
if(NOT WISTED_ZIG)
    execute_process(COMMAND python3 -c "import ziglang, os; print(os.path.dirname(ziglang.__file__) + '/zig')"
        OUTPUT_VARIABLE WISTED_ZIG OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT WISTED_ZIG)
    message(FATAL_ERROR "Zig is needed for its C compiler. Install it (pip install ziglang), or say -DWISTED_ZIG=PATH")
endif()
set(WISTED_ZIG "${WISTED_ZIG}" CACHE FILEPATH "The zig that compiles C and C++")
# CMake tries the compiler in projects of its own.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WISTED_ZIG)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

set(CMAKE_C_COMPILER "${WISTED_ZIG}" cc)
set(CMAKE_CXX_COMPILER "${WISTED_ZIG}" c++)
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
# There is no linker for exceptions to unwind with, and run-time types are not worth their size.
set(CMAKE_CXX_FLAGS_INIT "-fno-exceptions -fno-rtti")
set(CMAKE_C_FLAGS_RELEASE_INIT "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE_INIT "-O2 -DNDEBUG")
# Otherwise zig adds debugging information and traps for undefined behaviour where nothing is said of optimisation. SIMD makes loops
# over bytes several times as fast, and is not used unless told.
foreach(language C CXX)
    string(APPEND CMAKE_${language}_FLAGS_INIT " -g0 -fno-sanitize=undefined -msimd128")
endforeach()

# `zig ar` is two words, and CMAKE_AR can only be one.
foreach(language C CXX)
    set(CMAKE_${language}_ARCHIVE_CREATE "\"${WISTED_ZIG}\" ar qc <TARGET> <OBJECTS>")
    set(CMAKE_${language}_ARCHIVE_APPEND "\"${WISTED_ZIG}\" ar q <TARGET> <OBJECTS>")
    set(CMAKE_${language}_ARCHIVE_FINISH "\"${WISTED_ZIG}\" ranlib <TARGET>")
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
