/**
 * Numbers of the wire: frame types, the bound of each frame, the bound of each list and string (R8).
 * `docs/protocol.md` has the same table for people; a test compares the two.
 */
import type { Frame } from './frames.ts';
import {
  BLOCK_SIZE_BYTES,
  DIGEST_BYTES,
  MAXIMUM_BLOCKS_PER_DIGEST_REQUEST,
  MAXIMUM_BLOCKS_PER_WRITE,
  MAXIMUM_CHECK_PADDING_BYTES,
} from './frames.ts';

/** `u32` body length, `u8` type, three reserved bytes that are zero. */
export const FRAME_HEADER_BYTES = 8;

/** Disks of one machine. 128 is more than any hypervisor attaches by default, and keeps a hello small. */
export const MAXIMUM_DISKS = 128;
/** 2^48: where a 32-bit block number ends (2^32 blocks of 64 KiB, 256 TiB). */
export const MAXIMUM_DISK_BYTES = 2 ** 48;
export const MAXIMUM_CAPABILITIES = 32;
/** Source disks and the whole disks below them. */
export const MAXIMUM_WHOLE_DISK_NUMBERS = 1024;

/** Longest strings, in bytes of UTF-8. */
export const MAXIMUM_TOKEN_BYTES = 128;
export const MAXIMUM_DEVICE_BYTES = 255;
export const MAXIMUM_SENTENCE_BYTES = 1024;

const MAXIMUM_STRING_OVERHEAD_BYTES = 2;
const TOKEN_FIELD_BYTES = MAXIMUM_STRING_OVERHEAD_BYTES + MAXIMUM_TOKEN_BYTES;
const HELLO_DISK_BYTES = TOKEN_FIELD_BYTES + MAXIMUM_STRING_OVERHEAD_BYTES + MAXIMUM_DEVICE_BYTES + 8;

export const DIGEST_KEY_BYTES = 32;

/** Fixed part of a WRITE body, before the digests. */
export const WRITE_PREFIX_BYTES = 12;
export const DIGEST_ANSWER_PREFIX_BYTES = 10;

const CHECK_PREFIX_BYTES = 4;
const CHECK_ANSWER_PREFIX_BYTES = 9;

export const MAXIMUM_RAW_BYTES_PER_WRITE = MAXIMUM_BLOCKS_PER_WRITE * BLOCK_SIZE_BYTES;

interface FrameRow {
  readonly code: number;
  readonly name: string;
  readonly minimumBodyBytes: number;
  readonly maximumBodyBytes: number;
}

/** Code, and how short and how long a body can be: a header outside of it is refused before anything is allocated. */
export const FRAME_TABLE: Readonly<Record<Frame['type'], FrameRow>> = {
  hello: {
    code: 1,
    name: 'HELLO',
    minimumBodyBytes: 41,
    maximumBodyBytes:
      16 +
      TOKEN_FIELD_BYTES * (3 + MAXIMUM_CAPABILITIES) +
      2 +
      4 * MAXIMUM_WHOLE_DISK_NUMBERS +
      2 +
      HELLO_DISK_BYTES * MAXIMUM_DISKS,
  },
  helloAnswer: {
    code: 2,
    name: 'HELLO_ANSWER',
    minimumBodyBytes: 54,
    maximumBodyBytes:
      2 +
      2 +
      TOKEN_FIELD_BYTES * MAXIMUM_CAPABILITIES +
      8 +
      DIGEST_KEY_BYTES +
      2 +
      (TOKEN_FIELD_BYTES + 3) * MAXIMUM_DISKS +
      (1 + TOKEN_FIELD_BYTES + 8) * 2,
  },
  write: {
    code: 3,
    name: 'WRITE',
    minimumBodyBytes: WRITE_PREFIX_BYTES + DIGEST_BYTES + 1,
    maximumBodyBytes: WRITE_PREFIX_BYTES + DIGEST_BYTES * MAXIMUM_BLOCKS_PER_WRITE + MAXIMUM_RAW_BYTES_PER_WRITE,
  },
  zero: { code: 4, name: 'ZERO', minimumBodyBytes: 10, maximumBodyBytes: 10 },
  mark: { code: 5, name: 'MARK', minimumBodyBytes: 8, maximumBodyBytes: 8 },
  markAck: { code: 6, name: 'MARK_ACK', minimumBodyBytes: 8, maximumBodyBytes: 8 },
  checkpoint: {
    code: 7,
    name: 'CHECKPOINT',
    minimumBodyBytes: 32,
    maximumBodyBytes: TOKEN_FIELD_BYTES * 3 + 8 + 1 + 8 + 8,
  },
  checkpointAck: { code: 8, name: 'CHECKPOINT_ACK', minimumBodyBytes: 19, maximumBodyBytes: TOKEN_FIELD_BYTES + 16 },
  digestRequest: { code: 9, name: 'DIGEST_REQUEST', minimumBodyBytes: 10, maximumBodyBytes: 10 },
  digestAnswer: {
    code: 10,
    name: 'DIGEST_ANSWER',
    minimumBodyBytes: DIGEST_ANSWER_PREFIX_BYTES + DIGEST_BYTES,
    maximumBodyBytes: DIGEST_ANSWER_PREFIX_BYTES + DIGEST_BYTES * MAXIMUM_BLOCKS_PER_DIGEST_REQUEST,
  },
  heartbeat: { code: 11, name: 'HEARTBEAT', minimumBodyBytes: 0, maximumBodyBytes: 0 },
  check: {
    code: 13,
    name: 'CHECK',
    minimumBodyBytes: CHECK_PREFIX_BYTES,
    maximumBodyBytes: CHECK_PREFIX_BYTES + MAXIMUM_CHECK_PADDING_BYTES,
  },
  checkAnswer: {
    code: 14,
    name: 'CHECK_ANSWER',
    minimumBodyBytes: CHECK_ANSWER_PREFIX_BYTES,
    maximumBodyBytes: CHECK_ANSWER_PREFIX_BYTES + MAXIMUM_CHECK_PADDING_BYTES,
  },
  error: {
    code: 12,
    name: 'ERROR',
    minimumBodyBytes: 7,
    maximumBodyBytes: TOKEN_FIELD_BYTES + 2 * (MAXIMUM_STRING_OVERHEAD_BYTES + MAXIMUM_SENTENCE_BYTES),
  },
};

/** Frame type by code; undefined for a code that no frame has. */
export const FRAME_TYPE_BY_CODE: readonly (Frame['type'] | undefined)[] = (() => {
  const types: (Frame['type'] | undefined)[] = [];
  for (const [type, row] of Object.entries(FRAME_TABLE)) types[row.code] = type as Frame['type'];
  return types;
})();

/** Longest body of any frame. Every large receive buffer has this size, so that any of them fits any frame. */
export const MAXIMUM_BODY_BYTES = Math.max(...Object.values(FRAME_TABLE).map((row) => row.maximumBodyBytes));
