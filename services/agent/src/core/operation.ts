/**
 * R2: what a request does to the disk, from the letters that the kernel gives it (`rwbs`).
 *
 * Situation: the letters grow with kernels (`W` `WS` `FWFS` `D` `DE` `N` …). Mechanism: only what is known to leave the
 * disk as it is, a pure read or a pure flush, is let go; everything else marks its range. Special cases: a leading `F`
 * is a pre-flush of the operation behind it; only `F`s and modifiers is a pure flush; a flush that the block layer
 * dresses as an empty write (`FW`, no sectors) is told apart by its length (`changesNothing`).
 */
export const OPERATIONS = ['read', 'flush', 'write', 'flushWrite', 'discard', 'other'] as const;
/**
 * `flushWrite`: a write with a pre-flush. `discard`: discards and secure erase. `other`: write-zeroes (`N`), zone
 * operations, and every letter not known here.
 */
export type Operation = (typeof OPERATIONS)[number];

const F = 0x46;
const R = 0x52;
const W = 0x57;
const D = 0x44;
/** Modifiers behind the operation: read-ahead, sync, metadata, FUA, atomic. */
const MODIFIERS: ReadonlySet<number> = new Set([0x41, 0x53, 0x4d, F, 0x55]);

/** Classifies the zero-terminated letters in `bytes[start, end)`. */
export function classifyOperation(bytes: Uint8Array, start: number, end: number): Operation {
  let position = start;
  while (position < end && bytes[position] === F) position++;
  const flushes = position > start;
  const letter = position < end ? bytes[position] : 0;
  if (letter === W) {
    if (!onlyModifiers(bytes, position + 1, end)) return 'other';
    return flushes ? 'flushWrite' : 'write';
  }
  if (letter === R && !flushes) return onlyModifiers(bytes, position + 1, end) ? 'read' : 'other';
  if (letter === D) return 'discard';
  if (flushes && onlyModifiers(bytes, position, end)) return 'flush';
  return 'other';
}

/** Whether a request of this operation and length leaves the disk as it is. */
export function changesNothing(operation: Operation, sectorCount: number): boolean {
  if (operation === 'read' || operation === 'flush') return true;
  return operation === 'flushWrite' && sectorCount === 0;
}

/** Whether one completion may stand for more ranges than it names (R3). */
export function mayHideRanges(operation: Operation): boolean {
  return operation === 'discard' || operation === 'other';
}

function onlyModifiers(bytes: Uint8Array, start: number, end: number): boolean {
  for (let position = start; position < end; position++) {
    const letter = bytes[position] as number;
    if (letter === 0) return true;
    if (!MODIFIERS.has(letter)) return false;
  }
  return true;
}
