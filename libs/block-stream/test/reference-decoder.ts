/**
 * A second decoder of the block stream, written from docs/protocol.md alone and sharing nothing with `src`, so that the
 * page and the product can be compared. It reads one frame and returns its fields; bytes come as hex. It checks nothing.
 */
type Fields = Record<string, unknown>;

class Cursor {
  private readonly bytes: Buffer;
  private at = 8;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  number(length: 1 | 2 | 4 | 8): number {
    let value = 0n;
    for (let index = length - 1; index >= 0; index -= 1)
      value = value * 256n + BigInt(this.bytes[this.at + index] ?? 0);
    this.at += length;
    return Number(value);
  }

  raw(length: number): Buffer {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  hex(length: number): string {
    return this.raw(length).toString('hex');
  }

  text(): string {
    const length = this.number(2);
    return this.raw(length).toString('utf8');
  }

  list<Item>(item: () => Item): Item[] {
    return Array.from({ length: this.number(2) }, item);
  }

  rest(): string {
    return this.hex(this.bytes.length - this.at);
  }
}

const range = (cursor: Cursor): Fields => ({
  firstBlock: cursor.number(4),
  blockCount: cursor.number(4),
  diskIndex: cursor.number(2),
});

const bodies: Readonly<Record<number, (cursor: Cursor) => Fields>> = {
  1: (c) => ({
    type: 'hello',
    protocolMinimum: c.number(2),
    protocolMaximum: c.number(2),
    agentVersion: c.text(),
    capabilities: c.list(() => c.text()),
    bootId: c.text(),
    wholeDiskNumbers: c.list(() => c.number(4)),
    mapEpoch: c.text(),
    acknowledgedMark: c.number(8),
    disks: c.list(() => ({ diskId: c.text(), device: c.text(), sizeBytes: c.number(8) })),
  }),
  2: (c) => ({
    type: 'helloAnswer',
    protocol: c.number(2),
    capabilities: c.list(() => c.text()),
    fencingGeneration: c.number(8),
    digestKey: c.hex(32),
    disks: c.list(() => ({ diskId: c.text(), diskIndex: c.number(2), empty: c.number(1) === 1 })),
    lastMark: c.number(1) === 1 ? { mapEpoch: c.text(), markId: c.number(8) } : null,
    lastCheckpoint: c.number(1) === 1 ? { checkpointId: c.text(), sequence: c.number(8) } : null,
  }),
  3: (c) => {
    const head = { type: 'write', firstBlock: c.number(4), diskIndex: c.number(2), blockCount: c.number(1) };
    const codec = c.number(1) === 0 ? 'raw' : 'zstd';
    return { ...head, codec, rawLengthBytes: c.number(4), digests: c.hex(16 * head.blockCount), payload: c.rest() };
  },
  4: (c) => ({ type: 'zero', ...range(c) }),
  5: (c) => ({ type: 'mark', markId: c.number(8) }),
  6: (c) => ({ type: 'markAck', markId: c.number(8) }),
  7: (c) => ({
    type: 'checkpoint',
    checkpointId: c.text(),
    markId: c.number(8),
    consistency: c.number(1) === 0 ? 'crash' : 'filesystem',
    instantMicroseconds: c.number(8),
    pauseMicroseconds: c.number(8),
    requestId: c.text(),
    traceparent: c.text(),
  }),
  8: (c) => ({ type: 'checkpointAck', checkpointId: c.text(), markId: c.number(8), sequence: c.number(8) }),
  9: (c) => ({ type: 'digestRequest', ...range(c) }),
  10: (c) => ({ type: 'digestAnswer', ...range(c), digests: c.rest() }),
  11: () => ({ type: 'heartbeat' }),
  13: (c) => ({ type: 'check', answerPaddingBytes: c.number(4), padding: c.rest() }),
  14: (c) => ({
    type: 'checkAnswer',
    instantMicroseconds: c.number(8),
    sessionConnected: c.number(1) === 1,
    padding: c.rest(),
  }),
  12: (c) => ({ type: 'error', code: c.text(), message: c.text(), action: c.text() }),
};

/** One whole frame, header included. */
export function decodeByReference(frame: Uint8Array): Fields {
  const bytes = Buffer.from(frame);
  const body = bodies[bytes[4] ?? 0];
  if (body === undefined || bytes.readUInt32LE(0) !== bytes.length - 8) throw new Error('not one frame');
  return body(new Cursor(bytes));
}
