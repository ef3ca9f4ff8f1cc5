# Compiles the CUDA library for every architecture that NVCC knows of those we support, and PTX for all others.
# Where that fails, it says so and leaves no library; the other back ends do without.
execute_process(COMMAND ${NVCC} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
# Two intermediate codes are enough, and half of the time: the sources ask for nothing that is newer.
set(code_80 compute_80)
set(code_90)
foreach(architecture 80 86 89 90 100 120)
  if(known MATCHES "sm_${architecture}[^0-9]")
    if(architecture LESS 90)
      list(APPEND code_80 sm_${architecture})
    else()
      list(APPEND code_90 sm_${architecture})
    endif()
  endif()
endforeach()
list(JOIN code_80 "," code_80)
set(architectures -gencode "arch=compute_80,code=[${code_80}]")
if(code_90)
  list(JOIN code_90 "," code_90)
  list(APPEND architectures -gencode "arch=compute_90,code=[${code_90}]")
endif()
file(REMOVE ${LIBRARY})
execute_process(
  COMMAND ${NVCC} -std=c++17 -O3 -ccbin ${CXX} -shared -cudart static -Xcompiler -fPIC,-fvisibility=hidden --threads 0
          ${architectures} -o ${LIBRARY} ${SOURCE}
  RESULT_VARIABLE failed
  ERROR_VARIABLE said)
if(failed)
  file(REMOVE ${LIBRARY})
  message(WARNING "CUDA kernels: not built, ${NVCC} failed:\n${said}")
endif()
file(TOUCH ${LIBRARY}.done)
