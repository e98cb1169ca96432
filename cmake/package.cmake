# Debian packages, `cpack -G DEB` in the build folder: deepsad (the program with manual page, completions and documents),
# deepsad-mpi (what it loads under mpirun) and libdeepsad-dev (the library).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME deepsad)
set(CPACK_PACKAGE_VENDOR "The deepsad authors")
set(CPACK_PACKAGE_CONTACT "The deepsad authors <deepsad@deepsad.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL program library)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME deepsad)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
"Learns what is normal from many unlabelled samples and a few that an expert
has marked normal or anomalous, and scores others: Deep SAD (Ruff et al.,
ICLR 2020), Deep SVDD, autoencoders, deep generative models, one-class SVM,
SSAD, kernel density estimation and isolation forest.")
# Loaded when first used, so that the package tools do not see them (src/core/shared_library.h).
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "libarchive13 | libarchive13t64, libcairo2, libcurl4 | libcurl4t64, libturbojpeg0")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "deepsad-mpi")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libdeepsad-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
"C++20 library behind the program deepsad: headers, static library and CMake
package.")
string(JOIN ", " CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS libfmt-dev libhwy-dev libisal-dev libpng-dev libsqlite3-dev libssl-dev
       libtomlplusplus-dev nlohmann-json3-dev ${CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS})

if(TARGET deepsad_mpi)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME deepsad-mpi)
  set(CPACK_COMPONENT_MPI_DESCRIPTION
"What deepsad loads under mpirun to spread the runs of an experiment over
machines.")
  set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "deepsad (= ${PROJECT_VERSION}), openmpi-bin")
endif()

# Every Debian package has its copyright file.
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} name)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${name}_PACKAGE_NAME} RENAME copyright
          COMPONENT ${component})
endforeach()
include(CPack)
