/**
 * Block digests (R9, R15): GMAC, that is AES-256-GCM over no plain text, with the block as additional data and a fixed
 * zero nonce. It runs at memory speed where SHA-256 would cost a core. The downside: it is a digest only while the key is
 * secret and the tags are seen by nobody who could choose data by them; so keys stay within one machine's store and its
 * agent, and whatever is shown or exported gets SHA-256. All zero bytes mean "no digest known"; a real tag is that with
 * probability 2^-128.
 */
import { createCipheriv, createSecretKey, timingSafeEqual } from 'node:crypto';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from './frames.ts';
import { DIGEST_KEY_BYTES } from './wire-format.ts';

const NONCE = new Uint8Array(12);
const AUTHENTICATION = { authTagLength: DIGEST_BYTES };
/** A write's worth of zeros: what `isZero` compares with, and what zero blocks read as. */
const ZEROS = Buffer.alloc(16 * BLOCK_SIZE_BYTES);

export interface Digester {
  /** One 16-byte digest per block of `data`, which starts at a block's start; the last block may be short. */
  digestBlocks(data: Uint8Array): Uint8Array;
  /** Digest of a block of `lengthBytes` zeros (a whole block, or a disk's short last one). */
  zeroDigest(lengthBytes: number): Uint8Array;
}

/** `key`: 32 bytes, secret, of one machine. */
export function createDigester(key: Uint8Array): Digester {
  if (key.byteLength !== DIGEST_KEY_BYTES) throw new RangeError(`A digest key has ${DIGEST_KEY_BYTES} bytes`);
  const secret = createSecretKey(key);
  let wholeZeroBlock: Uint8Array | null = null;

  const digest = (block: Uint8Array): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', secret, NONCE, AUTHENTICATION);
    cipher.setAAD(block);
    cipher.final();
    return cipher.getAuthTag();
  };

  return {
    digestBlocks(data) {
      const blockCount = Math.ceil(data.byteLength / BLOCK_SIZE_BYTES);
      const digests = new Uint8Array(blockCount * DIGEST_BYTES);
      for (let block = 0; block < blockCount; block += 1) {
        const start = block * BLOCK_SIZE_BYTES;
        digests.set(digest(data.subarray(start, start + BLOCK_SIZE_BYTES)), block * DIGEST_BYTES);
      }
      return digests;
    },
    zeroDigest(lengthBytes) {
      if (lengthBytes !== BLOCK_SIZE_BYTES) return Uint8Array.from(digest(ZEROS.subarray(0, lengthBytes)));
      wholeZeroBlock ??= Uint8Array.from(digest(ZEROS.subarray(0, BLOCK_SIZE_BYTES)));
      return wholeZeroBlock;
    },
  };
}

/** Constant time: what a peer can measure must not tell it a tag. */
export function equalDigests(first: Uint8Array, second: Uint8Array): boolean {
  return first.byteLength === second.byteLength && timingSafeEqual(first, second);
}

/** Whether every byte is zero; by comparing with zeros, which memcmp does at more than 40 GB/s. */
export function isZero(data: Uint8Array): boolean {
  for (let start = 0; start < data.byteLength; start += ZEROS.byteLength) {
    const part = data.subarray(start, start + ZEROS.byteLength);
    if (Buffer.compare(part, part.byteLength === ZEROS.byteLength ? ZEROS : ZEROS.subarray(0, part.byteLength)) !== 0) {
      return false;
    }
  }
  return true;
}
