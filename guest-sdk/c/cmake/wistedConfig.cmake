# For find_package(wisted) where the SDK is installed.
include(${CMAKE_CURRENT_LIST_DIR}/wistedTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/WistedGuest.cmake)
