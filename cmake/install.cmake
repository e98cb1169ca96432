# What `cmake --install` writes, in three components: the program, the library (find_package(deepsad) gives the targets
# deepsad::deepsad and deepsad::scoring; pkg-config knows deepsad-scoring), and the module for mpirun (mpi/CMakeLists.txt). The
# Debian packages are made of the same components.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME library)
include(CMakePackageConfigHelpers)
set(libraries deepsad)
if(TARGET deepsad_scoring)
  list(APPEND libraries deepsad_scoring)
  # Relative, so that the installed folder may move.
  file(RELATIVE_PATH DEEPSAD_PC_UP ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  configure_file(cmake/deepsad-scoring.pc.in ${CMAKE_CURRENT_BINARY_DIR}/deepsad-scoring.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deepsad-scoring.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
install(TARGETS ${libraries} EXPORT deepsadTargets
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
  install(TARGETS deepsad_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  if(NOT CMAKE_CROSSCOMPILING)  # they are written by the program itself
    install(FILES ${PROJECT_BINARY_DIR}/shell/deepsad.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
    install(FILES ${PROJECT_BINARY_DIR}/shell/deepsad.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
            RENAME deepsad COMPONENT program)
    install(FILES ${PROJECT_BINARY_DIR}/shell/deepsad.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
            RENAME _deepsad COMPONENT program)
    install(FILES ${PROJECT_BINARY_DIR}/shell/deepsad.fish
            DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
  endif()
  install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
  install(DIRECTORY docs experiments DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
endif()
include(cmake/package.cmake)
