# The embedded S3 server for trials and tests: versitygw, one static program and nothing else.
# Context: a folder that holds the program.
FROM scratch
COPY versitygw /versitygw
USER 65532:65532
ENTRYPOINT ["/versitygw"]
