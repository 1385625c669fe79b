# weir_embed_sql(NAME weir_queue_schema NAMESPACE weir::queue::schema DIR schema): a library whose header
# "<path of the folder>/<DIR>.gen.h", under <build>/gen, declares
#   namespace NAMESPACE { absl::Span<const weir::pg::Migration> Migrations(); }
# with the files NNNN_name.sql of DIR, in order.
include_guard(GLOBAL)

function(weir_embed_sql)
  cmake_parse_arguments(ARG "" "NAME;NAMESPACE;DIR" "" ${ARGN})
  file(GLOB sql_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_DIR}/*.sql)
  file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(stem ${PROJECT_BINARY_DIR}/gen/${relative}/${ARG_DIR}.gen)
  add_custom_command(
    OUTPUT ${stem}.h ${stem}.cc
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/embed_sql.py --namespace ${ARG_NAMESPACE} --include
            ${relative}/${ARG_DIR}.gen.h --out ${stem} ${sql_files}
    DEPENDS ${PROJECT_SOURCE_DIR}/tools/embed_sql.py ${sql_files}
    COMMENT "Embedding the migrations of ${relative}"
    VERBATIM)
  add_library(${ARG_NAME} STATIC ${stem}.cc ${stem}.h)
  target_include_directories(${ARG_NAME} SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/gen)
  target_link_libraries(${ARG_NAME} PUBLIC weir_pg)
endfunction()
