module example.org/gpucluster-bed/simulated_runc

go 1.26.0
