/**
 * A program without what only debuggers and linkers read: its symbol table, and the table of its sections.
 *
 * The kernel and the loader go by program headers alone; in the Node that npm brings, a fifth lies behind the last byte that
 * these name. `strip` would do the same and is not on every machine, and that of one platform refuses programs of another.
 * The downside: objdump and the like show nothing of such a program.
 */
import { LmsError } from '@lms/errors';

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]); // ELF, 64 bits, little-endian
const HEADER_BYTES = 64;
const PROGRAM_HEADERS_OFFSET = 0x20;
const SECTION_HEADERS_OFFSET = 0x28;
const PROGRAM_HEADER_SIZE = 0x36;
const PROGRAM_HEADER_COUNT = 0x38;
const SECTION_HEADER_COUNT = 0x3c;
const SECTION_NAMES_INDEX = 0x3e;
/** Of the two fields in a program header. */
const SEGMENT_OFFSET = 0x08;
const SEGMENT_FILE_SIZE = 0x20;

/** A part of `program`, changed in place. */
export function stripProgram(program: Buffer): Buffer {
  if (program.length < HEADER_BYTES || !program.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new LmsError('UNSUPPORTED', 'this is no 64-bit little-endian ELF program');
  }
  const table = Number(program.readBigUInt64LE(PROGRAM_HEADERS_OFFSET));
  const size = program.readUInt16LE(PROGRAM_HEADER_SIZE);
  const count = program.readUInt16LE(PROGRAM_HEADER_COUNT);
  let end = table + size * count;
  for (let index = 0; index < count; index++) {
    const header = program.subarray(table + index * size, table + (index + 1) * size);
    const offset = Number(header.readBigUInt64LE(SEGMENT_OFFSET));
    end = Math.max(end, offset + Number(header.readBigUInt64LE(SEGMENT_FILE_SIZE)));
  }
  if (end > program.length) throw new LmsError('DATA_LOSS', 'the program is shorter than its headers say');
  program.writeBigUInt64LE(0n, SECTION_HEADERS_OFFSET);
  program.writeUInt16LE(0, SECTION_HEADER_COUNT);
  program.writeUInt16LE(0, SECTION_NAMES_INDEX);
  return program.subarray(0, end);
}
