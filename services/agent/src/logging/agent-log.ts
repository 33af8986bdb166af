/** The agent's log: to stderr, and to whoever takes records for the manager; held while something is frozen (R17). */
import type { LogRecord } from '@lms/api';
import { createLogger } from '@lms/telemetry';
import type { Logger } from '@lms/telemetry';
import { HeldDestination, writeToStderr } from './held-destination.ts';
import { logRecordOf } from './log-records.ts';

/** Until somebody takes them: what is said while the agent starts. */
const EARLY_RECORDS_LIMIT = 1_000;

export class AgentLog {
  readonly logger: Logger;
  readonly #destination: HeldDestination;
  #early: LogRecord[] = [];
  #take: ((record: LogRecord) => void) | null = null;

  constructor(writeLine: (line: string) => void = writeToStderr) {
    this.#destination = new HeldDestination([writeLine, (line) => this.#record(line)]);
    this.logger = createLogger('agent', { destination: this.#destination });
  }

  hold(isFrozen: boolean): void {
    if (isFrozen) this.#destination.hold();
    else this.#destination.release();
  }

  /** From now on records go there, those of before first. */
  recordTo(take: (record: LogRecord) => void): void {
    this.#take = take;
    for (const record of this.#early) take(record);
    this.#early = [];
  }

  #record(line: string): void {
    const record = logRecordOf(line);
    if (record === null) return;
    if (this.#take !== null) this.#take(record);
    else if (this.#early.length < EARLY_RECORDS_LIMIT) this.#early.push(record);
  }
}
