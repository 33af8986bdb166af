import { expect, test } from '@jest/globals';
import { createCipheriv, randomBytes } from 'node:crypto';
import { BLOCK_SIZE_BYTES } from './frames.ts';
import { createDigester, equalDigests, isZero } from './digest.ts';

const key = new Uint8Array(32).fill(3);

test('a digest is the GMAC tag of the block: AES-256-GCM over no text, the block as additional data, zero nonce', () => {
  const data = randomBytes(BLOCK_SIZE_BYTES + 100);
  const expected = [data.subarray(0, BLOCK_SIZE_BYTES), data.subarray(BLOCK_SIZE_BYTES)].map((block) => {
    const cipher = createCipheriv('aes-256-gcm', key, new Uint8Array(12));
    cipher.setAAD(block);
    cipher.final();
    return cipher.getAuthTag();
  });
  expect(Buffer.from(createDigester(key).digestBlocks(data))).toEqual(Buffer.concat(expected));
});

test('the digest of zeros is that of a block of zeros, whole or short', () => {
  const digester = createDigester(key);
  for (const length of [BLOCK_SIZE_BYTES, 512]) {
    expect(digester.digestBlocks(new Uint8Array(length))).toEqual(digester.zeroDigest(length));
    expect(digester.zeroDigest(length)).toEqual(digester.zeroDigest(length));
  }
});

test('another key, another digest; one changed bit, another digest', () => {
  const data = randomBytes(BLOCK_SIZE_BYTES);
  const digest = createDigester(key).digestBlocks(data);
  expect(equalDigests(digest, createDigester(new Uint8Array(32).fill(4)).digestBlocks(data))).toBe(false);
  data[1000] = (data[1000] ?? 0) ^ 1;
  expect(equalDigests(digest, createDigester(key).digestBlocks(data))).toBe(false);
  expect(equalDigests(digest, digest.subarray(1))).toBe(false);
});

test('isZero sees a single byte anywhere, in data of any length', () => {
  for (const length of [0, 1, 512, BLOCK_SIZE_BYTES, 16 * BLOCK_SIZE_BYTES, 16 * BLOCK_SIZE_BYTES + 3]) {
    const data = new Uint8Array(length);
    expect(isZero(data)).toBe(true);
    for (const position of [0, length >> 1, length - 1]) {
      if (length === 0) continue;
      data[position] = 1;
      expect(isZero(data)).toBe(false);
      data[position] = 0;
    }
  }
});

test('a key of another length is a programming error', () => {
  expect(() => createDigester(new Uint8Array(16))).toThrow(RangeError);
});
