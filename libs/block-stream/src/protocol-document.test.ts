/** docs/protocol.md is a contract: its table and its examples are compared with what the product does. */
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { arbitraryFrame } from '../test/arbitrary-frames.ts';
import { decodeByReference } from '../test/reference-decoder.ts';
import { encodeFrame } from './codec.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { Frame } from './frames.ts';
import { FRAME_TABLE } from './wire-format.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

interface Vector {
  readonly json: string;
  readonly bytes: Buffer;
}

const vectors: readonly Vector[] = [...page.matchAll(/```vector\n(\{.*\})\n([0-9a-f\n]+)```/g)].map((match) => ({
  json: match[1] ?? '',
  bytes: Buffer.from((match[2] ?? '').replaceAll('\n', ''), 'hex'),
}));

function asJson(frame: Frame): unknown {
  return JSON.parse(
    JSON.stringify(frame, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  );
}

function decode(bytes: Uint8Array): Frame {
  const decoder = new FrameDecoder();
  decoder.push(bytes);
  const decoded = decoder.next();
  decoder.end();
  if (decoded === null) throw new Error('not a whole frame');
  return decoded.frame;
}

test('every frame type has an example', () => {
  const types = new Set(vectors.map((vector) => decode(vector.bytes).type));
  expect([...types].sort()).toEqual(Object.keys(FRAME_TABLE).sort());
});

for (const { json, bytes } of vectors) {
  test(`the example ${json.slice(0, 60)} decodes to what the page says, by both decoders, and encodes to its bytes`, () => {
    const frame = decode(bytes);
    expect(asJson(frame)).toEqual(JSON.parse(json));
    expect(decodeByReference(bytes)).toEqual(JSON.parse(json));
    expect(Buffer.concat(encodeFrame(frame)).toString('hex')).toBe(bytes.toString('hex'));
  });
}

test('whatever the product encodes, the decoder that was written from the page reads the same', () => {
  fc.assert(
    fc.property(arbitraryFrame(), (frame) => {
      const json = asJson(frame);
      expect(decodeByReference(Buffer.concat(encodeFrame(frame)))).toEqual(json);
    }),
    { numRuns: 150 },
  );
});

test('the table of bounds is the one that the decoder uses', () => {
  for (const { code, name, minimumBodyBytes, maximumBodyBytes } of Object.values(FRAME_TABLE)) {
    const row = [code, name, minimumBodyBytes, maximumBodyBytes].join(String.raw`\s*\|\s*`);
    expect(page).toMatch(new RegExp(String.raw`\|\s*${row}\s*\|`));
  }
});
