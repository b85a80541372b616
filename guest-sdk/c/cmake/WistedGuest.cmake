# Functions for guests' CMakeLists.txt. It must not know what is in a guest.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "How code is compiled" FORCE)
endif()

# The SDK of the project's language.
function(wisted_library result)
    if(TARGET wisted::cpp)
        set(${result} wisted::cpp PARENT_SCOPE)
    else()
        set(${result} wisted::wisted PARENT_SCOPE)
    endif()
endfunction()

# wisted_add_guest(NAME SOURCE...)
#
# A guest. For WebAssembly it is the module NAME.wasm, which `wisted build` makes a component of; natively a library for
# tests.
function(wisted_add_guest name)
    wisted_library(library)
    if(CMAKE_SYSTEM_NAME STREQUAL "WASI")
        add_executable(${name} ${ARGN})
        set_target_properties(${name} PROPERTIES SUFFIX .wasm)
        target_link_libraries(${name} PRIVATE ${library})
    else()
        # Objects and no library: a linker would leave out a library's file that only exports a guest.
        add_library(${name} OBJECT ${ARGN})
        target_link_libraries(${name} PUBLIC ${library})
    endif()
    target_compile_options(${name} PRIVATE -Wall -Wextra)
endfunction()

# wisted_add_test(NAME GUEST SOURCE...)
#
# A unit test of a guest against the fake host: a program that fails by its exit code. For WebAssembly there is none.
function(wisted_add_test name guest)
    if(CMAKE_SYSTEM_NAME STREQUAL "WASI")
        return()
    endif()
    wisted_library(library)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE ${guest} ${library})
    target_compile_options(${name} PRIVATE -Wall -Wextra)
    add_test(NAME ${name} COMMAND ${name})
endfunction()
