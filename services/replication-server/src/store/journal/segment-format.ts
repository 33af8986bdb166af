/**
 * Byte layout of a journal segment (docs/staging-format.md has it as tables). Little-endian; every part starts at a
 * multiple of 512 bytes, so that a header is never torn by the medium and tells by its checksum whether it was written.
 *
 *   header | record … | table | footer
 *
 * A record's checksum covers the segment's random nonce and the record's own offset: bytes of a replicated disk that look
 * like a record, or a record left by an earlier life of the file, are never taken for one. Block content needs no
 * checksum of its own: its digests are in the record.
 */
import { DIGEST_BYTES } from '@lms/block-stream';
import { crc32 } from 'node:zlib';

export const SECTOR_BYTES = 512;
/** One write frame; header and digests of 16 blocks fit into one sector. */
export const MAXIMUM_RECORD_BLOCKS = 16;
/** Block number, place of its content in sectors (0: a zero block), digest. */
export const ENTRY_BYTES = 8 + DIGEST_BYTES;

const SEGMENT_MAGIC = 0x3130_4753; // "SG01"
const RECORD_MAGIC = 0x3130_4352; // "RC01"
const FOOTER_MAGIC = 0x3130_5446; // "FT01"
const NONCE_BYTES = 16;
const RECORD_HEADER_BYTES = 64;

export type RecordKind = 'data' | 'zero' | 'mark';
const KINDS: readonly RecordKind[] = ['data', 'zero', 'mark'];

export interface SegmentHeader {
  readonly firstId: number;
  readonly lastId: number;
  readonly nonce: Uint8Array;
}

export interface RecordHeader {
  readonly kind: RecordKind;
  readonly slot: number;
  readonly firstBlock: number;
  readonly blockCount: number;
  /** Digests of a data record, JSON of a mark. */
  readonly payload: Uint8Array;
  /** Bytes of content, which starts at the sector after the header. */
  readonly dataBytes: number;
}

export interface Footer {
  readonly tableOffset: number;
  readonly tableBytes: number;
  readonly tableChecksum: number;
  /** Where the last mark's record starts; 0 when the segment has none. */
  readonly lastMarkOffset: number;
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  sector.writeUInt32LE(SEGMENT_MAGIC, 0);
  writeInteger(sector, header.firstId, 8);
  writeInteger(sector, header.lastId, 16);
  sector.set(header.nonce, 24);
  sector.writeUInt32LE(crc32(sector.subarray(0, 508)), 508);
  return sector;
}

/** Null when it was never written in whole. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  const sector = asBuffer(bytes);
  if (sector.readUInt32LE(0) !== SEGMENT_MAGIC || sector.readUInt32LE(508) !== crc32(sector.subarray(0, 508)))
    return null;
  return {
    firstId: readInteger(sector, 8),
    lastId: readInteger(sector, 16),
    nonce: Uint8Array.from(sector.subarray(24, 24 + NONCE_BYTES)),
  };
}

/** Whole sectors: header, payload, padding. */
export function encodeRecordHeader(header: RecordHeader, offset: number, nonce: Uint8Array): Buffer {
  const bytes = Buffer.alloc(recordHeaderBytes(header.payload.length));
  bytes.writeUInt32LE(RECORD_MAGIC, 0);
  bytes.writeUInt8(KINDS.indexOf(header.kind), 4);
  bytes.writeUInt32LE(header.slot, 8);
  bytes.writeUInt32LE(header.blockCount, 12);
  writeInteger(bytes, header.firstBlock, 16);
  writeInteger(bytes, offset, 24);
  bytes.writeUInt32LE(header.payload.length, 32);
  bytes.writeUInt32LE(header.dataBytes, 36);
  bytes.set(header.payload, RECORD_HEADER_BYTES);
  bytes.writeUInt32LE(recordChecksum(bytes, header.payload.length, nonce), 60);
  return bytes;
}

export function recordHeaderBytes(payloadBytes: number): number {
  return roundUp(RECORD_HEADER_BYTES + payloadBytes);
}

/** `sector`: the record's first. Null when no record of this segment starts there. */
export function decodeRecordHeader(sector: Uint8Array, offset: number, nonce: Uint8Array): RecordHeader | null {
  const bytes = asBuffer(sector);
  const kind = KINDS[bytes.readUInt8(4)];
  if (bytes.readUInt32LE(0) !== RECORD_MAGIC || kind === undefined) return null;
  const payloadBytes = bytes.readUInt32LE(32);
  if (payloadBytes > SECTOR_BYTES - RECORD_HEADER_BYTES || readInteger(bytes, 24) !== offset) return null;
  if (bytes.readUInt32LE(60) !== recordChecksum(bytes, payloadBytes, nonce)) return null;
  return {
    kind,
    slot: bytes.readUInt32LE(8),
    blockCount: bytes.readUInt32LE(12),
    firstBlock: readInteger(bytes, 16),
    payload: Uint8Array.from(bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + payloadBytes)),
    dataBytes: bytes.readUInt32LE(36),
  };
}

export function encodeFooter(footer: Footer, nonce: Uint8Array): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  sector.writeUInt32LE(FOOTER_MAGIC, 0);
  writeInteger(sector, footer.tableOffset, 8);
  writeInteger(sector, footer.tableBytes, 16);
  writeInteger(sector, footer.lastMarkOffset, 24);
  sector.set(nonce, 32);
  sector.writeUInt32LE(footer.tableChecksum, 48);
  sector.writeUInt32LE(crc32(sector.subarray(0, 508)), 508);
  return sector;
}

export function decodeFooter(bytes: Uint8Array, nonce: Uint8Array): Footer | null {
  const sector = asBuffer(bytes);
  if (sector.readUInt32LE(0) !== FOOTER_MAGIC || sector.readUInt32LE(508) !== crc32(sector.subarray(0, 508)))
    return null;
  if (Buffer.compare(sector.subarray(32, 32 + NONCE_BYTES), nonce) !== 0) return null;
  return {
    tableOffset: readInteger(sector, 8),
    tableBytes: readInteger(sector, 16),
    lastMarkOffset: readInteger(sector, 24),
    tableChecksum: sector.readUInt32LE(48),
  };
}

function recordChecksum(bytes: Buffer, payloadBytes: number, nonce: Uint8Array): number {
  const fixed = crc32(bytes.subarray(0, 60), crc32(nonce));
  return crc32(bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + payloadBytes), fixed);
}

function writeInteger(bytes: Buffer, value: number, offset: number): void {
  bytes.writeBigUInt64LE(BigInt(value), offset);
}

function readInteger(bytes: Buffer, offset: number): number {
  return Number(bytes.readBigUInt64LE(offset));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
