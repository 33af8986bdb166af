/**
 * Histories of `make test`: enough that every required pair of fault and step comes up with a wide margin, and that every
 * break of `test/faults` is found. `make simulate` runs any number.
 */
export const SEEDS_OF_MAKE_TEST = 200;
