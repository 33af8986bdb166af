/** How many replication servers are replaced at the same time when their pods change: the others go on replicating. */

/** A pod that has not come back by then is broken, and must not hold up all others for ever. */
const SLOT_LIFE_MILLISECONDS = 10 * 60_000;

export class RolloutSlots {
  readonly #limit: number;
  /** Machine id → when its replacement began. */
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: it is called for again when a slot is free. */
  take(machineId: string, now: Date): boolean {
    this.#expire(now);
    if (this.#taken.has(machineId) || this.#taken.size < this.#limit) {
      this.#taken.set(machineId, now.getTime());
      this.#waiting.delete(machineId);
      return true;
    }
    this.#waiting.add(machineId);
    return false;
  }

  done(machineId: string): void {
    this.#taken.delete(machineId);
  }

  /** As many of those that wait as there are free slots. */
  takeWaiting(now: Date): readonly string[] {
    this.#expire(now);
    const chosen = [...this.#waiting].slice(0, Math.max(0, this.#limit - this.#taken.size));
    for (const machineId of chosen) this.#waiting.delete(machineId);
    return chosen;
  }

  #expire(now: Date): void {
    for (const [machineId, since] of this.#taken) {
      if (now.getTime() - since > SLOT_LIFE_MILLISECONDS) this.#taken.delete(machineId);
    }
  }
}
