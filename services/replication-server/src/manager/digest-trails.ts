/**
 * SHA-256 of whole disks whose exports come in parts.
 *
 * Situation: SHA-256 goes from the first byte to the last, and an export that was cut off goes on in the middle. Mechanism:
 * while a disk is sent, the state of its SHA-256 is kept every 32 MiB, the newest 64 of them; a part that begins near behind
 * one of these is hashed from there. Special case: the part begins where no state is near (this process was started anew, or
 * somebody wants the end only): the SHA-256 stays unknown, and who needs it asks for a verification, which reads the whole.
 * Downside: that is one more read of the disk; to hash all that came before would hold the part up for as long.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';

const SPACING_BYTES = 32 * 1024 * 1024;
/** 2 GiB: more than the connections, and a proxy's buffers, hold back from a client. Each state has some hundred bytes. */
const STATES_PER_TRAIL = 64;
const MAXIMUM_TRAILS = 32;
/** What is read and hashed again before a part's first byte: some seconds, and some ten on a slow disk. */
const MAXIMUM_GAP_BYTES = SPACING_BYTES * STATES_PER_TRAIL;

/** The SHA-256 of a disk up to `positionBytes`. */
export class DigestState {
  #hash: Hash;
  #positionBytes: number;

  constructor(hash: Hash = createHash('sha256'), positionBytes = 0) {
    this.#hash = hash;
    this.#positionBytes = positionBytes;
  }

  get positionBytes(): number {
    return this.#positionBytes;
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
    this.#positionBytes += data.byteLength;
  }

  copy(): DigestState {
    return new DigestState(this.#hash.copy(), this.#positionBytes);
  }

  hex(): string {
    return this.#hash.copy().digest('hex');
  }
}

export class DigestTrails {
  /** By machine, checkpoint and disk; the states in the order in which they were kept. */
  readonly #trails = new Map<string, Map<number, DigestState>>();

  /** The nearest state before `offsetBytes`; null where what lies between is too much to be hashed first. */
  near(key: string, offsetBytes: number): DigestState | null {
    let nearest = new DigestState();
    for (const state of this.#trails.get(key)?.values() ?? []) {
      if (state.positionBytes > nearest.positionBytes && state.positionBytes <= offsetBytes) nearest = state;
    }
    return offsetBytes - nearest.positionBytes > MAXIMUM_GAP_BYTES ? null : nearest.copy();
  }

  /** Call it as the export goes on. */
  keep(key: string, state: DigestState): void {
    const slot = Math.floor(state.positionBytes / SPACING_BYTES);
    const trail = this.#trails.get(key) ?? new Map<number, DigestState>();
    if (slot === 0 || trail.has(slot)) return;
    trail.set(slot, state.copy());
    dropOldest(trail, STATES_PER_TRAIL);
    // Again to the end: the one that was used last is forgotten last.
    this.#trails.delete(key);
    this.#trails.set(key, trail);
    dropOldest(this.#trails, MAXIMUM_TRAILS);
  }
}

function dropOldest<Key, Value>(map: Map<Key, Value>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
