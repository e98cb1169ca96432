# Installed package: find_package(deepsad) gives the target deepsad::deepsad.
include(CMakePackageConfigHelpers)
install(TARGETS deepsad EXPORT deepsadTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/deepsad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT deepsadTargets NAMESPACE deepsad:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/deepsad)
configure_package_config_file(cmake/deepsadConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/deepsadConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/deepsad)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/deepsadConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deepsadConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/deepsadConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/deepsad)
if(DEEPSAD_BUILD_CLI)
  install(TARGETS deepsad_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
