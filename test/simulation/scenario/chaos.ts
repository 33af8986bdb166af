/**
 * Chooses what goes wrong next, and waits for the step of the protocol in which it shall strike.
 *
 * Mechanism: a strike is aimed at one (fault, step) pair; it lands at one of the port calls that the agent or the server
 * makes while the protocol is in that step, so also between any two of their awaits. A pair that does not come up in time
 * is given up for another.
 */
import { requiredSteps, type Fault, type ProtocolStep } from '../faults.ts';
import type { Random } from '../time/random.ts';
import type { History } from './history.ts';
import { STRIKES } from './strikes.ts';

/** Longest wait for a step to come up. */
const AIM_MICROSECONDS = 8_000_000;
/** Chance of each port call within the step to be the one. */
const STRIKE_CHANCE = 0.15;

interface Aim {
  readonly fault: Fault;
  readonly step: ProtocolStep | null;
}

export class Chaos {
  readonly #history: History;
  readonly #random: Random;
  #aim: Aim | null = null;
  #looking = false;

  constructor(history: History, random: Random) {
    this.#history = history;
    this.#random = random;
  }

  /** Strikes now and then until the time is over. `faults`: what may be chosen, with how often. */
  async rage(microseconds: number, faults: readonly Fault[]): Promise<void> {
    const { scheduler } = this.#history;
    const end = scheduler.nowMicroseconds + microseconds;
    const aims = faults.flatMap(aimsOf);
    // The initial sync comes only once.
    this.#aim = this.#random.pick(aims.filter(({ step }) => step === 'initialSync'));
    while (scheduler.nowMicroseconds < end) {
      await scheduler.pause(this.#random.between(50_000, 2_000_000));
      this.#aim = this.#random.pick(aims);
      if (this.#aim.step !== null) this.#history.provoke(this.#aim.step);
      const giveUp = Math.min(end, scheduler.nowMicroseconds + AIM_MICROSECONDS);
      while (this.#aim !== null && scheduler.nowMicroseconds < giveUp) await scheduler.pause(50_000);
      this.#aim = null;
      if (this.#random.chance(0.2)) this.#changeLoad();
    }
  }

  /** Entry of every port call of either core. */
  beforeStep(): void {
    const aim = this.#aim;
    if (aim === null || this.#looking) return;
    this.#looking = true;
    try {
      if (aim.step !== null && this.#history.step !== aim.step) return;
      if (!this.#random.chance(STRIKE_CHANCE)) return;
      if (STRIKES[aim.fault](this.#history, this.#random)) this.#aim = null;
    } finally {
      this.#looking = false;
    }
  }

  #changeLoad(): void {
    const { load } = this.#history;
    load.writesPerSecond = this.#random.pick([0, 0, 2, 10, 40]);
    load.rawWriters = this.#random.chance(0.3);
    load.discards = this.#random.chance(0.5);
  }
}

/** Each pair is as likely as any other, so that faults of many steps strike in each of them. */
function aimsOf(fault: Fault): Aim[] {
  const steps = requiredSteps(fault);
  return steps.length === 0 ? [{ fault, step: null }] : steps.map((step) => ({ fault, step }));
}
