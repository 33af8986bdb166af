/**
 * A process that can be killed at any step. A step is a call of a port, by name.
 *
 * Mechanism: code cannot be stopped from outside, but it can only go on when a port answers. So a killed process's
 * pending calls never answer, its synchronous calls throw, and none of either has an effect any more: for the world
 * it is gone at that instant.
 */
import type { Scheduler } from './time/scheduler.ts';

/** Thrown into the code of a killed process; never seen by anything that lives. */
export class ProcessKilled extends Error {
  constructor(processName: string) {
    super(`${processName} was killed`);
    this.name = 'ProcessKilled';
  }
}

export type KillMoment = 'before' | 'within' | 'after';

interface KillPlan {
  readonly stepName: string | null;
  readonly moment: KillMoment;
  remaining: number;
}

export class SimulatedProcess {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly #onDeath: ((stepName: string) => void)[] = [];
  readonly #stepNames: Map<string, number>;
  #alive = true;
  #observed = false;
  #plan: KillPlan | null = null;
  #onStep: () => void = () => undefined;

  /** `stepNames` counts the steps of all processes of this kind, so that rare ones can be aimed at. */
  constructor(name: string, scheduler: Scheduler, stepNames: Map<string, number>) {
    this.name = name;
    this.scheduler = scheduler;
    this.#stepNames = stepNames;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get killIsPlanned(): boolean {
    return this.#plan !== null;
  }

  /** Called at the entry of every step, before its plan is looked at. */
  onStep(listener: () => void): void {
    this.#onStep = listener;
  }

  onDeath(listener: (stepName: string) => void): void {
    this.#onDeath.push(listener);
  }

  /** The process dies at the `occurrence`th step of that name from now (of any name when null). */
  planKill(stepName: string | null, occurrence: number, moment: KillMoment): void {
    this.#plan = { stepName, remaining: occurrence, moment };
  }

  /** Looks at the process from outside: what it calls meanwhile is no step. Null when it is dead. */
  observe<T>(look: () => T): T | null {
    if (!this.#alive) return null;
    const before = this.#observed;
    this.#observed = true;
    try {
      return look();
    } finally {
      this.#observed = before;
    }
  }

  kill(stepName = 'at rest'): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const listener of this.#onDeath) listener(stepName);
  }

  /** Entry of a synchronous port. `effect` gets true when the kill lands in the middle of it. */
  step<T>(stepName: string, effect: (torn: boolean) => T): T {
    if (!this.#alive) throw new ProcessKilled(this.name);
    const moment = this.#count(stepName);
    if (moment === 'before') this.#die(stepName);
    const result = effect(moment === 'within');
    if (moment !== null) this.#die(stepName);
    return result;
  }

  /** Entry of an asynchronous port: `effect` happens after `beforeMicroseconds`, the caller sees it after `afterMicroseconds` more. */
  call<T>(
    stepName: string,
    beforeMicroseconds: number,
    effect: () => T | Promise<T>,
    afterMicroseconds = 0,
  ): Promise<T> {
    if (!this.#alive) return never();
    const moment = this.#count(stepName);
    if (moment === 'before') {
      this.kill(stepName);
      return never();
    }
    return new Promise<T>((resolve, reject) => {
      const answer = (settle: () => void): void => {
        if (moment !== null) this.kill(stepName);
        if (!this.#alive) return;
        if (afterMicroseconds === 0) return settle();
        this.scheduler.after(afterMicroseconds, () => {
          if (this.#alive) settle();
        });
      };
      this.scheduler.after(beforeMicroseconds, () => {
        if (!this.#alive) return;
        let result: T | Promise<T>;
        try {
          result = effect();
        } catch (error) {
          answer(() => reject(error as Error));
          return;
        }
        if (!(result instanceof Promise)) {
          answer(() => resolve(result as T));
          return;
        }
        result.then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error as Error)),
        );
      });
    });
  }

  #die(stepName: string): never {
    this.kill(stepName);
    throw new ProcessKilled(this.name);
  }

  #count(stepName: string): KillMoment | null {
    if (this.#observed) return null;
    this.#onStep();
    if (!this.#alive) return 'before';
    this.#stepNames.set(stepName, (this.#stepNames.get(stepName) ?? 0) + 1);
    const plan = this.#plan;
    if (plan === null || (plan.stepName !== null && plan.stepName !== stepName)) return null;
    plan.remaining--;
    if (plan.remaining > 0) return null;
    this.#plan = null;
    return plan.moment;
  }
}

export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
