/**
 * Frames to bytes and back, as docs/protocol.md lays them out: little-endian, each body exactly as long as its fields.
 * Bulk data (payloads, digest lists of an answer) is never copied here: encoding returns it as a buffer of its own,
 * decoding returns views on the body.
 */
import {
  BLOCK_SIZE_BYTES,
  DIGEST_BYTES,
  MAXIMUM_BLOCKS_PER_DIGEST_REQUEST,
  MAXIMUM_BLOCKS_PER_WRITE,
  MAXIMUM_CHECK_PADDING_BYTES,
} from './frames.ts';
import type { BlockCodec, Frame, HelloAnswerFrame, HelloFrame, WriteFrame } from './frames.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import {
  DIGEST_KEY_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_TABLE,
  FRAME_TYPE_BY_CODE,
  MAXIMUM_CAPABILITIES,
  MAXIMUM_DEVICE_BYTES,
  MAXIMUM_DISKS,
  MAXIMUM_DISK_BYTES,
  MAXIMUM_SENTENCE_BYTES,
  MAXIMUM_WHOLE_DISK_NUMBERS,
} from './wire-format.ts';
import { protocolViolation } from './violation.ts';

const CODECS: readonly BlockCodec[] = ['raw', 'zstd'];
const CONSISTENCIES = ['crash', 'filesystem'] as const;

/** The frame's bytes, in order: its head, then its bulk data (if any) as it was given, not copied. */
export function encodeFrame(frame: Frame): readonly Uint8Array[] {
  const { code, name, maximumBodyBytes } = FRAME_TABLE[frame.type];
  const writer = new ByteWriter();
  const bulk = encodeBody(writer, frame);
  const head = writer.finish(code, bulk?.byteLength ?? 0);
  const bodyBytes = head.byteLength - FRAME_HEADER_BYTES + (bulk?.byteLength ?? 0);
  if (bodyBytes > maximumBodyBytes) throw new RangeError(`${name} of ${bodyBytes} bytes, at most ${maximumBodyBytes}`);
  return bulk === null ? [head] : [head, bulk];
}

function encodeBody(writer: ByteWriter, frame: Frame): Uint8Array | null {
  switch (frame.type) {
    case 'hello':
      encodeHello(writer, frame);
      return null;
    case 'helloAnswer':
      encodeHelloAnswer(writer, frame);
      return null;
    case 'write':
      writer.u32(frame.firstBlock).u16(frame.diskIndex).u8(frame.blockCount).u8(CODECS.indexOf(frame.codec));
      writer.u32(frame.rawLengthBytes).bytes(frame.digests);
      return frame.payload;
    case 'zero':
    case 'digestRequest':
      writer.u32(frame.firstBlock).u32(frame.blockCount).u16(frame.diskIndex);
      return null;
    case 'digestAnswer':
      writer.u32(frame.firstBlock).u32(frame.blockCount).u16(frame.diskIndex);
      return frame.digests;
    case 'mark':
    case 'markAck':
      writer.u64(frame.markId);
      return null;
    case 'checkpoint':
      writer.text(frame.checkpointId).u64(frame.markId).u8(CONSISTENCIES.indexOf(frame.consistency));
      writer.u64(frame.instantMicroseconds).u64(frame.pauseMicroseconds);
      writer.text(frame.requestId).text(frame.traceparent);
      return null;
    case 'checkpointAck':
      writer.text(frame.checkpointId).u64(frame.markId).u64(frame.sequence);
      return null;
    case 'heartbeat':
      return null;
    case 'check':
      writer.u32(frame.answerPaddingBytes);
      return frame.padding;
    case 'checkAnswer':
      writer.u64(frame.instantMicroseconds).u8(frame.sessionConnected ? 1 : 0);
      return frame.padding;
    case 'error':
      writer.text(frame.code).text(shorten(frame.message)).text(shorten(frame.action));
      return null;
  }
}

/** Sentences come from anywhere (a system's error text among them): cut and cleaned rather than not sent. */
function shorten(sentence: string): string {
  // oxlint's no-control-regex does not apply to a property class.
  let text = sentence.replace(/\p{Cc}+/gu, ' ').toWellFormed();
  while (Buffer.byteLength(text) > MAXIMUM_SENTENCE_BYTES) {
    text = text.slice(0, Math.floor(text.length * 0.9)).toWellFormed();
  }
  return text;
}

function encodeHello(writer: ByteWriter, frame: HelloFrame): void {
  writer.u16(frame.protocolMinimum).u16(frame.protocolMaximum).text(frame.agentVersion);
  writer.list(frame.capabilities, (capability) => writer.text(capability));
  writer.text(frame.bootId).list(frame.wholeDiskNumbers, (number) => writer.u32(number));
  writer.text(frame.mapEpoch).u64(frame.acknowledgedMark);
  writer.list(frame.disks, (disk) => writer.text(disk.diskId).text(disk.device).u64(disk.sizeBytes));
}

function encodeHelloAnswer(writer: ByteWriter, frame: HelloAnswerFrame): void {
  writer.u16(frame.protocol).list(frame.capabilities, (capability) => writer.text(capability));
  writer.u64(frame.fencingGeneration).bytes(frame.digestKey);
  writer.list(frame.disks, (disk) =>
    writer
      .text(disk.diskId)
      .u16(disk.diskIndex)
      .u8(disk.empty ? 1 : 0),
  );
  writer.u8(frame.lastMark === null ? 0 : 1);
  if (frame.lastMark !== null) writer.text(frame.lastMark.mapEpoch).u64(frame.lastMark.markId);
  writer.u8(frame.lastCheckpoint === null ? 0 : 1);
  if (frame.lastCheckpoint !== null) {
    writer.text(frame.lastCheckpoint.checkpointId).u64(frame.lastCheckpoint.sequence);
  }
}

export interface FrameHeader {
  readonly type: Frame['type'];
  readonly bodyBytes: number;
}

/** Checks type and length (R8) before anything is allocated for the body. `header` is 8 bytes. */
export function decodeHeader(header: Uint8Array): FrameHeader {
  const view = new DataView(header.buffer, header.byteOffset, FRAME_HEADER_BYTES);
  const code = view.getUint8(4);
  const type = FRAME_TYPE_BY_CODE[code];
  if (type === undefined) throw protocolViolation(`of type ${code}`, 'type', 'no frame has this type');
  const { name, minimumBodyBytes, maximumBodyBytes } = FRAME_TABLE[type];
  const reserved = view.getUint8(5) | view.getUint8(6) | view.getUint8(7);
  if (reserved !== 0) throw protocolViolation(name, 'reserved', 'must be zero');
  const bodyBytes = view.getUint32(0, true);
  if (bodyBytes < minimumBodyBytes || bodyBytes > maximumBodyBytes) {
    throw protocolViolation(name, 'length', `${bodyBytes} is not within ${minimumBodyBytes} to ${maximumBodyBytes}`);
  }
  return { type, bodyBytes };
}

/** Digests and payloads of the frame are views on `body`. */
export function decodeBody(type: Frame['type'], body: Uint8Array): Frame {
  const reader = new ByteReader(FRAME_TABLE[type].name, body);
  const frame = decodeFields(type, reader);
  reader.finish();
  return frame;
}

function decodeFields(type: Frame['type'], reader: ByteReader): Frame {
  switch (type) {
    case 'hello':
      return decodeHello(reader);
    case 'helloAnswer':
      return decodeHelloAnswer(reader);
    case 'write':
      return decodeWrite(reader);
    case 'zero':
      return { type, ...decodeRange(reader, 2 ** 32 - 1) };
    case 'digestRequest':
      return { type, ...decodeRange(reader, MAXIMUM_BLOCKS_PER_DIGEST_REQUEST) };
    case 'digestAnswer': {
      const range = decodeRange(reader, MAXIMUM_BLOCKS_PER_DIGEST_REQUEST);
      return { type, ...range, digests: reader.bytes('digests', range.blockCount * DIGEST_BYTES) };
    }
    case 'mark':
    case 'markAck':
      return { type, markId: reader.u64('markId', 1) };
    case 'checkpoint':
      return {
        type,
        checkpointId: reader.token('checkpointId'),
        markId: reader.u64('markId', 1),
        consistency: CONSISTENCIES[reader.u8('consistency', 0, 1)] ?? 'crash',
        instantMicroseconds: reader.u64('instantMicroseconds'),
        pauseMicroseconds: reader.u64('pauseMicroseconds'),
        requestId: reader.token('requestId', 0),
        traceparent: reader.token('traceparent', 0),
      };
    case 'checkpointAck':
      return {
        type,
        checkpointId: reader.token('checkpointId'),
        markId: reader.u64('markId', 1),
        sequence: reader.u64('sequence', 1),
      };
    case 'heartbeat':
      return { type };
    case 'check':
      return {
        type,
        answerPaddingBytes: reader.u32('answerPaddingBytes', 0, MAXIMUM_CHECK_PADDING_BYTES),
        padding: reader.remaining(),
      };
    case 'checkAnswer':
      return {
        type,
        instantMicroseconds: reader.u64('instantMicroseconds'),
        sessionConnected: reader.u8('sessionConnected', 0, 1) === 1,
        padding: reader.remaining(),
      };
    case 'error':
      return {
        type,
        code: reader.token('code'),
        message: reader.text('message', 0, MAXIMUM_SENTENCE_BYTES),
        action: reader.text('action', 0, MAXIMUM_SENTENCE_BYTES),
      };
  }
}

/** `firstBlock + blockCount` cannot pass 2^32, so that no later sum overflows; the disk's end is checked by `validate.ts`. */
function decodeRange(reader: ByteReader, maximumBlocks: number) {
  const firstBlock = reader.u32('firstBlock');
  const blockCount = reader.u32('blockCount', 1, maximumBlocks);
  if (firstBlock + blockCount > 2 ** 32) reader.fail('blockCount', `passes block 2^32 from block ${firstBlock}`);
  return { firstBlock, blockCount, diskIndex: reader.u16('diskIndex', 0, MAXIMUM_DISKS - 1) };
}

function decodeWrite(reader: ByteReader): WriteFrame {
  const firstBlock = reader.u32('firstBlock');
  const diskIndex = reader.u16('diskIndex', 0, MAXIMUM_DISKS - 1);
  const blockCount = reader.u8('blockCount', 1, MAXIMUM_BLOCKS_PER_WRITE);
  if (firstBlock + blockCount > 2 ** 32) reader.fail('blockCount', `passes block 2^32 from block ${firstBlock}`);
  const codec = CODECS[reader.u8('codec', 0, CODECS.length - 1)] ?? 'raw';
  const longest = blockCount * BLOCK_SIZE_BYTES;
  const rawLengthBytes = reader.u32('rawLengthBytes', longest - BLOCK_SIZE_BYTES + 1, longest);
  const digests = reader.bytes('digests', blockCount * DIGEST_BYTES);
  const payload = reader.remaining();
  if (codec === 'raw' && payload.byteLength !== rawLengthBytes) {
    reader.fail('payload', `${payload.byteLength} bytes of raw data, announced ${rawLengthBytes}`);
  }
  if (codec === 'zstd' && (payload.byteLength === 0 || payload.byteLength >= rawLengthBytes)) {
    reader.fail('payload', `${payload.byteLength} compressed bytes for ${rawLengthBytes} raw ones`);
  }
  return { type: 'write', diskIndex, firstBlock, blockCount, codec, rawLengthBytes, digests, payload };
}

function decodeHello(reader: ByteReader): HelloFrame {
  const protocolMinimum = reader.u16('protocolMinimum', 1);
  const protocolMaximum = reader.u16('protocolMaximum', protocolMinimum);
  return {
    type: 'hello',
    protocolMinimum,
    protocolMaximum,
    agentVersion: reader.token('agentVersion'),
    capabilities: reader.list('capabilities', 0, MAXIMUM_CAPABILITIES, (field) => reader.token(field), String),
    bootId: reader.token('bootId'),
    wholeDiskNumbers: reader.list(
      'wholeDiskNumbers',
      0,
      MAXIMUM_WHOLE_DISK_NUMBERS,
      (field) => reader.u32(field),
      Number,
    ),
    mapEpoch: reader.token('mapEpoch'),
    acknowledgedMark: reader.u64('acknowledgedMark'),
    disks: reader.list(
      'disks',
      1,
      MAXIMUM_DISKS,
      (field) => ({
        diskId: reader.token(`${field}.diskId`),
        device: reader.text(`${field}.device`, 1, MAXIMUM_DEVICE_BYTES),
        sizeBytes: reader.u64(`${field}.sizeBytes`, 1, MAXIMUM_DISK_BYTES),
      }),
      (disk) => disk.diskId,
    ),
  };
}

function decodeHelloAnswer(reader: ByteReader): HelloAnswerFrame {
  const protocol = reader.u16('protocol', 1);
  const capabilities = reader.list('capabilities', 0, MAXIMUM_CAPABILITIES, (field) => reader.token(field), String);
  const fencingGeneration = reader.u64('fencingGeneration', 1);
  const digestKey = Uint8Array.from(reader.bytes('digestKey', DIGEST_KEY_BYTES));
  const indexes = new Set<number>();
  const disks = reader.list(
    'disks',
    1,
    MAXIMUM_DISKS,
    (field) => {
      const diskId = reader.token(`${field}.diskId`);
      const diskIndex = reader.u16(`${field}.diskIndex`, 0, MAXIMUM_DISKS - 1);
      if (indexes.has(diskIndex)) reader.fail(`${field}.diskIndex`, `repeats ${diskIndex}`);
      indexes.add(diskIndex);
      return { diskId, diskIndex, empty: reader.u8(`${field}.empty`, 0, 1) === 1 };
    },
    (disk) => disk.diskId,
  );
  const lastMark =
    reader.u8('lastMark.present', 0, 1) === 1
      ? { mapEpoch: reader.token('lastMark.mapEpoch'), markId: reader.u64('lastMark.markId') }
      : null;
  const lastCheckpoint =
    reader.u8('lastCheckpoint.present', 0, 1) === 1
      ? {
          checkpointId: reader.token('lastCheckpoint.checkpointId'),
          sequence: reader.u64('lastCheckpoint.sequence', 1),
        }
      : null;
  return {
    type: 'helloAnswer',
    protocol,
    capabilities,
    fencingGeneration,
    digestKey,
    disks,
    lastMark,
    lastCheckpoint,
  };
}
