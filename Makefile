# The project's commands. Each is a script in Scripts/ that says what it does; ARGS go to it.
#
#   make run      build the release and serve Samples/quickstart
#   make test     all tests
#   make bench    the benchmark table       make bench ROW=http1-16 ARGS="--quick"
#   make protos   generate the protobuf code again
#   make format   format the Swift sources
#   make fuzz     the fuzz targets, a minute each
#   make plugins  the filter plugins that come with Martlet, into .build/plugins
#   make soak     two minutes of hostile clients under the address sanitizer

.PHONY: run test bench protos format fuzz soak plugins

run test protos format fuzz soak plugins:
	@Scripts/$@.sh $(ARGS)

bench:
	@Scripts/bench.sh $(if $(ROW),--row $(ROW)) $(ARGS)
