import { expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import {
  compressChunk,
  createCompressionChoice,
  type CompressionChoice,
  decompressChunk,
  looksCompressible,
} from './compression.ts';

const text = (length: number): Buffer => Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog, ');

test('what compresses comes back byte for byte, from aligned shared memory too', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(1_000_000));
  shared.set(text(1_000_000));
  for (const data of [text(65_536), text(1_048_576), shared]) {
    const compressed = await compressChunk(data);
    if (compressed === null) throw new Error('not compressed');
    expect(compressed.byteLength).toBeLessThan(data.byteLength / 10);
    expect(Buffer.compare(await decompressChunk(compressed, data.byteLength), data)).toBe(0);
  }
});

test('random data is not compressed, and the probe knows it from its middle alone', async () => {
  const random = randomBytes(1_048_576);
  expect(looksCompressible(random)).toBe(false);
  expect(await compressChunk(random)).toBeNull();
  expect(looksCompressible(text(65_536))).toBe(true);
  // A compressible middle alone does not make the chunk worth it.
  const misleading = Buffer.from(random);
  text(16_384).copy(misleading, 524_288 - 8_192);
  expect(await compressChunk(misleading)).toBeNull();
});

test('decompression gives exactly the announced length or PROTOCOL_VIOLATION', async () => {
  const compressed = zstdCompressSync(text(65_536));
  await expect(decompressChunk(compressed, 65_536)).resolves.toHaveLength(65_536);
  for (const announced of [1, 100, 65_535, 65_537, 1_048_576]) {
    await expect(decompressChunk(compressed, announced)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  }
});

test('a bomb costs no more than the announced length, and a window above 1 MiB is refused', async () => {
  // With a window that is allowed: by itself zstd would choose one that is refused, and the bound would not be met.
  const options = { params: { [constants.ZSTD_c_windowLog]: 19 } };
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024), options);
  await expect(decompressChunk(bomb, 65_536)).rejects.toMatchObject({
    code: 'PROTOCOL_VIOLATION',
    // Not "decompresses to so many bytes": that would have needed room for all of them.
    message: expect.stringContaining('does not decompress to 65536 bytes'),
  });
  // A hand-made frame: no content size, then one stored block that is also the last.
  const frame = (windowLog: number, data: Uint8Array): Buffer => {
    const header = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 0, 0, 0);
    header.writeUIntLE((data.byteLength << 3) | 1, 6, 3);
    return Buffer.concat([header, data]);
  };
  await expect(decompressChunk(frame(20, text(1000)), 1000)).resolves.toHaveLength(1000);
  await expect(decompressChunk(frame(21, text(1000)), 1000)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
});

test('bytes after the end are refused', async () => {
  const half = zstdCompressSync(text(32_768));
  await expect(decompressChunk(Buffer.concat([half, Buffer.of(1)]), 32_768)).rejects.toMatchObject({
    code: 'PROTOCOL_VIOLATION',
  });
});

test('arbitrary bytes never decompress to anything but an error or the announced length', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 1_000 }),
      async (bytes, length) => {
        try {
          expect(await decompressChunk(bytes, length)).toHaveLength(length);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** Tells a choice of chunks of 1 MiB that leave one after the other, each in so many milliseconds. */
function wire(choice: CompressionChoice) {
  let now = 1000;
  return {
    send(chunks: number, millisecondsEach: number): void {
      for (let chunk = 0; chunk < chunks; chunk += 1) {
        choice.sent(now, now + millisecondsEach, 1_048_576);
        now += millisecondsEach;
      }
    },
    idle(milliseconds: number): void {
      now += milliseconds;
    },
  };
}

test('the adaptive choice compresses on a slow network, sends raw on a fast one, and comes back', () => {
  const choice = createCompressionChoice('adaptive');
  const network = wire(choice);
  expect(choice.shouldCompress()).toBe(true);
  network.send(200, 0.5);
  expect(choice.shouldCompress()).toBe(false);
  network.send(200, 10);
  expect(choice.shouldCompress()).toBe(true);
  choice.setMode('off');
  expect(choice.shouldCompress()).toBe(false);
  choice.setMode('on');
  expect(choice.shouldCompress()).toBe(true);
});

test('bursts that end in the socket buffers never make a network look fast', () => {
  const choice = createCompressionChoice('adaptive');
  const network = wire(choice);
  for (let burst = 0; burst < 100; burst += 1) {
    network.send(8, 0.1);
    network.idle(1000);
  }
  expect(choice.shouldCompress()).toBe(true);
});

test('a network that was found fast is still fast after a pause', () => {
  const choice = createCompressionChoice('adaptive');
  const network = wire(choice);
  network.send(200, 0.5);
  network.idle(60_000);
  network.send(4, 0.5);
  expect(choice.shouldCompress()).toBe(false);
});
