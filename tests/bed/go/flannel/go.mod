module example.org/gpucluster-bed/flannel

go 1.26.0
