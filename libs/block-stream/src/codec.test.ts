import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LmsError } from '@lms/errors';
import { decodeBody, encodeFrame } from './codec.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { DecodedFrame } from './frame-decoder.ts';
import type { Frame } from './frames.ts';
import { arbitraryFrame } from '../test/arbitrary-frames.ts';
import { FRAME_HEADER_BYTES, FRAME_TABLE, FRAME_TYPE_BY_CODE, MAXIMUM_BODY_BYTES } from './wire-format.ts';
import { MAXIMUM_FRAME_BYTES } from './frames.ts';

/** Feeds `bytes` cut at `cuts`; the frames are copied out of the pooled buffers. */
function decodeAll(bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.byteLength + 1)), bytes.byteLength])];
  edges.sort((first, second) => first - second);
  for (let index = 1; index < edges.length; index += 1) {
    decoder.push(bytes.subarray(edges[index - 1], edges[index]));
    for (let next: DecodedFrame | null = decoder.next(); next !== null; next = decoder.next()) {
      frames.push(structuredClone(next.frame));
      next.release();
    }
  }
  decoder.end();
  return frames;
}

function plain(frame: Frame): unknown {
  return JSON.parse(
    JSON.stringify(frame, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  );
}

test('any frames survive encoding and decoding, wherever the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(arbitraryFrame(), { maxLength: 6 }), fc.array(fc.nat()), (frames, cuts) => {
      const bytes = Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
      expect(decodeAll(bytes, cuts).map(plain)).toEqual(frames.map(plain));
    }),
    { numRuns: 300 },
  );
});

test('a stream of arbitrary bytes gives frames or PROTOCOL_VIOLATION, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decodeAll(bytes, [bytes.byteLength >> 1]);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(LmsError);
        expect((thrown as LmsError).code).toBe('PROTOCOL_VIOLATION');
        expect((thrown as LmsError).field).not.toBeNull();
      }
    }),
    { numRuns: 2000 },
  );
});

test('a valid frame with any bytes changed gives a frame or PROTOCOL_VIOLATION, nothing else', () => {
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(arbitraryFrame(), fc.array(change, { minLength: 1, maxLength: 4 }), (frame, changes) => {
      const bytes = Buffer.concat(encodeFrame(frame));
      for (const [position, value] of changes) bytes[position % bytes.byteLength] = value;
      try {
        decodeAll(bytes, []);
      } catch (thrown) {
        expect((thrown as LmsError).code).toBe('PROTOCOL_VIOLATION');
      }
    }),
    { numRuns: 1000 },
  );
});

test('a body of arbitrary bytes, of any type, gives a frame or PROTOCOL_VIOLATION, nothing else', () => {
  const types = Object.keys(FRAME_TABLE) as Frame['type'][];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 300 }), (type, body) => {
      try {
        decodeBody(type, body);
      } catch (thrown) {
        expect((thrown as LmsError).code).toBe('PROTOCOL_VIOLATION');
      }
    }),
    { numRuns: 3000 },
  );
});

function header(bodyBytes: number, code: number, reserved = 0): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  bytes.writeUInt32LE(bodyBytes);
  bytes.writeUInt8(code, 4);
  bytes.writeUInt8(reserved, 6);
  return bytes;
}

function violation(action: () => unknown): LmsError {
  try {
    action();
  } catch (thrown) {
    return thrown as LmsError;
  }
  throw new Error('nothing was thrown');
}

test('a length beyond the bound of its type is refused at the header, before its body is there (R8)', () => {
  for (const [code, type] of FRAME_TYPE_BY_CODE.entries()) {
    if (type === undefined) continue;
    const { name, maximumBodyBytes, minimumBodyBytes } = FRAME_TABLE[type];
    const decoder = new FrameDecoder({
      acquire: () => {
        throw new Error('a buffer was taken for a frame that is out of bounds');
      },
      release: () => undefined,
    });
    decoder.push(header(maximumBodyBytes + 1, code));
    const error = violation(() => decoder.next());
    expect(error.code).toBe('PROTOCOL_VIOLATION');
    expect(error.message).toContain(name);
    expect(error.field).toBe('length');
    if (minimumBodyBytes > 0) {
      const short = new FrameDecoder();
      short.push(header(minimumBodyBytes - 1, code));
      expect(violation(() => short.next()).field).toBe('length');
    }
  }
});

test('no frame type may be longer than 4 MiB', () => {
  expect(MAXIMUM_BODY_BYTES + FRAME_HEADER_BYTES).toBeLessThanOrEqual(MAXIMUM_FRAME_BYTES);
});

test('an unknown frame type and a reserved byte that is set are violations', () => {
  for (const bytes of [header(0, 0), header(0, 15), header(0, 255)]) {
    const decoder = new FrameDecoder();
    decoder.push(bytes);
    expect(violation(() => decoder.next()).field).toBe('type');
  }
  const decoder = new FrameDecoder();
  decoder.push(header(0, FRAME_TABLE.heartbeat.code, 1));
  expect(violation(() => decoder.next()).field).toBe('reserved');
});

test('a stream that ends within a frame is a violation, one that ends between frames is not', () => {
  const bytes = Buffer.concat(encodeFrame({ type: 'mark', markId: 7 }));
  for (let length = 0; length <= bytes.byteLength; length += 1) {
    const decoder = new FrameDecoder();
    decoder.push(bytes.subarray(0, length));
    decoder.next();
    if (length === 0 || length === bytes.byteLength) decoder.end();
    else expect(violation(() => decoder.end()).code).toBe('PROTOCOL_VIOLATION');
  }
});

const hello: Frame = {
  type: 'hello',
  protocolMinimum: 1,
  protocolMaximum: 1,
  agentVersion: '0.1.0',
  capabilities: [],
  bootId: 'boot',
  wholeDiskNumbers: [8 << 20],
  mapEpoch: 'epoch',
  acknowledgedMark: 0,
  disks: [{ diskId: 'one', device: '/dev/sda', sizeBytes: 65_536 }],
};

const rejected: readonly (readonly [string, Frame, string])[] = [
  [
    'two disks of one id',
    { ...hello, disks: [...hello.disks, { diskId: 'one', device: '/dev/sdb', sizeBytes: 1 }] },
    'disks[1]',
  ],
  ['no disk', { ...hello, disks: [] }, 'disks.count'],
  ['a disk of no bytes', { ...hello, disks: [{ diskId: 'one', device: 'x', sizeBytes: 0 }] }, 'disks[0].sizeBytes'],
  [
    'a disk beyond 256 TiB',
    { ...hello, disks: [{ diskId: 'one', device: 'x', sizeBytes: 2 ** 48 + 1 }] },
    'disks[0].sizeBytes',
  ],
  [
    'an id that could be a path',
    { ...hello, disks: [{ diskId: '../x', device: 'x', sizeBytes: 1 }] },
    'disks[0].diskId',
  ],
  ['a control character', { ...hello, disks: [{ diskId: 'x', device: 'a\nb', sizeBytes: 1 }] }, 'disks[0].device'],
  ['protocol versions upside down', { ...hello, protocolMinimum: 2 }, 'protocolMaximum'],
  ['no block', { type: 'zero', diskIndex: 0, firstBlock: 0, blockCount: 0 }, 'blockCount'],
  ['blocks that overflow', { type: 'zero', diskIndex: 0, firstBlock: 2 ** 32 - 1, blockCount: 2 }, 'blockCount'],
  ['disk 128', { type: 'zero', diskIndex: 128, firstBlock: 0, blockCount: 1 }, 'diskIndex'],
  ['too many digests', { type: 'digestRequest', diskIndex: 0, firstBlock: 0, blockCount: 65_537 }, 'blockCount'],
  ['mark 0', { type: 'mark', markId: 0 }, 'markId'],
];

for (const [what, frame, field] of rejected) {
  test(`a frame with ${what} is refused, by name`, () => {
    const error = violation(() => decodeAll(Buffer.concat(encodeFrame(frame)), []));
    expect(error.code).toBe('PROTOCOL_VIOLATION');
    expect(error.field).toBe(field);
  });
}

test('a 64-bit field beyond 2^53 is refused', () => {
  const bytes = Buffer.concat(encodeFrame({ type: 'mark', markId: Number.MAX_SAFE_INTEGER }));
  expect(decodeAll(bytes, [])).toHaveLength(1);
  bytes.writeBigUInt64LE(2n ** 53n, FRAME_HEADER_BYTES);
  expect(violation(() => decodeAll(bytes, [])).field).toBe('markId');
});

test('a raw write whose payload is not as long as announced is refused', () => {
  const write: Frame = {
    type: 'write',
    diskIndex: 0,
    firstBlock: 0,
    blockCount: 1,
    codec: 'raw',
    rawLengthBytes: 100,
    digests: new Uint8Array(16),
    payload: new Uint8Array(99),
  };
  expect(violation(() => decodeAll(Buffer.concat(encodeFrame(write)), [])).field).toBe('payload');
  const grown: Frame = { ...write, codec: 'zstd', payload: new Uint8Array(100) };
  expect(violation(() => decodeAll(Buffer.concat(encodeFrame(grown)), [])).field).toBe('payload');
});

test('a payload is encoded without a copy', () => {
  const payload = new Uint8Array(65_536);
  const parts = encodeFrame({
    type: 'write',
    diskIndex: 0,
    firstBlock: 0,
    blockCount: 1,
    codec: 'raw',
    rawLengthBytes: payload.byteLength,
    digests: new Uint8Array(16),
    payload,
  });
  expect(parts[1]).toBe(payload);
});
