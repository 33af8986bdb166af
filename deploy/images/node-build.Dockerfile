# What stands in for NODE_BUILD_IMAGE where no registry is: npm of this machine on the Node of this repository.
# Context: a folder with `npm` (the package) and `node` (the binary).
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update --quiet --quiet \
 && apt-get install --quiet --quiet --yes --no-install-recommends binutils libatomic1
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/npm
RUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm
