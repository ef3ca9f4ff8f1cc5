# Compiles the CUDA library for every architecture that NVCC knows of those we support, and PTX for all others.
# Where that fails, it says so and leaves no library; the other back ends do without.
execute_process(COMMAND ${NVCC} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
set(architectures)
foreach(architecture 80 86 89 90 100 120)
  if(known MATCHES "sm_${architecture}[^0-9]")
    list(APPEND architectures -gencode arch=compute_${architecture},code=sm_${architecture})
  endif()
endforeach()
file(REMOVE ${LIBRARY})
execute_process(
  COMMAND ${NVCC} -std=c++17 -O3 -ccbin ${CXX} -shared -cudart static -Xcompiler -fPIC,-fvisibility=hidden --threads 0
          ${architectures} -gencode arch=compute_80,code=compute_80 -o ${LIBRARY} ${SOURCE}
  RESULT_VARIABLE failed
  ERROR_VARIABLE said)
if(failed)
  file(REMOVE ${LIBRARY})
  message(WARNING "CUDA kernels: not built, ${NVCC} failed:\n${said}")
endif()
file(TOUCH ${LIBRARY}.done)
