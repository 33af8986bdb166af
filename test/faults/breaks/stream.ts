/** R8 to R11: the block stream and the sessions of the replication server. */
import type { Break } from '../break.ts';

const STREAM = 'libs/block-stream/src';
const CORE = 'services/replication-server/src/core';
const AGENT = 'services/agent/src/core';

export const STREAM_BREAKS: readonly Break[] = [
  {
    rule: 'R8',
    what: 'a range that ends behind the disk is not refused',
    file: `${STREAM}/validate.ts`,
    from: 'if (frame.blockCount < 1 || frame.blockCount > blocks - frame.firstBlock) {',
    to: 'if (frame.blockCount < 1) {',
    by: { seed: 1 },
  },
  {
    rule: 'R8',
    what: "a frame's length is not held to the bound of its type",
    file: `${STREAM}/codec.ts`,
    from: 'if (bodyBytes < minimumBodyBytes || bodyBytes > maximumBodyBytes) {',
    to: 'if (bodyBytes < minimumBodyBytes) {',
    by: { test: `${STREAM}/codec.test.ts` },
  },
  {
    rule: 'R8',
    what: 'decompression may produce more than was announced',
    file: `${STREAM}/compression.ts`,
    from: 'maxOutputLength: rawLengthBytes,',
    to: 'maxOutputLength: 2 ** 30,',
    by: { test: `${STREAM}/compression.test.ts` },
  },
  {
    rule: 'R9',
    what: 'data is not compared with its digests before it is written',
    file: `${CORE}/session.ts`,
    from: 'if (!equalDigests(this.#context.digester.digestBlocks(raw), frame.digests)) {',
    to: 'if (raw.byteLength === 0) {',
    by: { seed: 13 },
  },
  {
    rule: 'R9',
    what: 'digests are made of one block further than what was read',
    file: `${AGENT}/chunk.ts`,
    from: 'digests: digests.subarray(start * DIGEST_BYTES, end * DIGEST_BYTES),',
    to: 'digests: digests.subarray(0, (end - start) * DIGEST_BYTES),',
    by: { test: `${AGENT}/chunk.test.ts` },
  },
  {
    rule: 'R10',
    what: 'the agent prepares everything that was pushed at once',
    file: `${AGENT}/frame-pipeline.ts`,
    from: 'const PREPARED_AHEAD = 8;',
    to: 'const PREPARED_AHEAD = 1_000_000;',
    by: { test: `${AGENT}/frame-pipeline.test.ts` },
  },
  {
    rule: 'R11',
    what: 'a new session does not end the one before it',
    file: `${CORE}/machine-replica.ts`,
    from: 'await this.#fenceCurrent(fencingGeneration);',
    to: '',
    by: { seed: 1 },
  },
  {
    rule: 'R11',
    what: 'frames that a fenced session had received still reach the store',
    file: `${CORE}/session.ts`,
    from: `this.#error = error;
    this.#pipeline.stop();`,
    to: 'this.#error = error;',
    by: { test: `${CORE}/machine-replicas.test.ts` },
  },
  {
    rule: 'R8',
    what: 'a range that begins behind the disk is not refused',
    file: `${STREAM}/validate.ts`,
    from: 'if (frame.firstBlock >= blocks) {',
    to: 'if (frame.firstBlock < 0) {',
    by: { test: `${STREAM}/validate.test.ts` },
  },
  {
    rule: 'R8',
    what: 'a write may announce another length than its range has',
    file: `${STREAM}/validate.ts`,
    from: 'if (frame.rawLengthBytes !== expected) {',
    to: 'if (frame.rawLengthBytes < 0) {',
    by: { test: `${STREAM}/validate.test.ts` },
  },
  {
    rule: 'R10',
    what: 'the server goes on receiving while its window is full',
    file: `${CORE}/ordered-pipeline.ts`,
    from: 'while (!this.#stopped && (this.#bytes >= this.#windowBytes || this.#entries.length >= this.#maximumEntries)) {',
    to: 'while (!this.#stopped && this.#entries.length < 0) {',
    by: { test: `${CORE}/ordered-pipeline.test.ts` },
  },
  {
    rule: 'R11',
    what: 'a new session does not wait for the last store call of the one before it',
    file: `${CORE}/machine-replica.ts`,
    from: 'await previous.ended;',
    to: '',
    by: { seed: 1 },
  },
];
