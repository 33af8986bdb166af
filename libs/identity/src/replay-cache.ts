/**
 * Which assertions were used. Bounded twice: in all, and for one identity, so that one machine that asks without end
 * cannot push out what another's thief would replay. Only assertions whose signature is right get here.
 */
import { LmsError } from '@lms/errors';

/** 10,000 machines that ask every five minutes need 20,000. */
const MAXIMUM_ENTRIES = 200_000;
/** An access token lasts minutes; a process that starts again and again asks more often. */
const MAXIMUM_ENTRIES_PER_SUBJECT = 120;

export interface ReplayLimits {
  readonly entries: number;
  readonly entriesPerSubject: number;
}

export class ReplayCache {
  private readonly lastsMilliseconds: number;
  private readonly limits: ReplayLimits;
  /** In order of time, oldest first. */
  private readonly used = new Map<string, { readonly subject: string; readonly at: number }>();
  private readonly subjects = new Map<string, number>();

  /** `lastsSeconds`: how long an assertion could be accepted at all. */
  constructor(
    lastsSeconds: number,
    limits: ReplayLimits = { entries: MAXIMUM_ENTRIES, entriesPerSubject: MAXIMUM_ENTRIES_PER_SUBJECT },
  ) {
    this.lastsMilliseconds = lastsSeconds * 1_000;
    this.limits = limits;
  }

  /** True the first time; false when it was used. RESOURCE_EXHAUSTED where it cannot be remembered. */
  firstUse(subject: string, jti: string, now: Date): boolean {
    this.forget(now.getTime());
    const key = `${subject} ${jti}`;
    if (this.used.has(key)) return false;
    const count = this.subjects.get(subject) ?? 0;
    if (count >= this.limits.entriesPerSubject || this.used.size >= this.limits.entries) {
      throw new LmsError('RESOURCE_EXHAUSTED', `${subject} asked for too many access tokens`, {
        action: 'wait some minutes; an access token is meant to be used until it expires',
      });
    }
    this.used.set(key, { subject, at: now.getTime() });
    this.subjects.set(subject, count + 1);
    return true;
  }

  get size(): number {
    return this.used.size;
  }

  private forget(now: number): void {
    for (const [key, { subject, at }] of this.used) {
      // A clock that went back keeps entries longer, never shorter.
      if (now - at < this.lastsMilliseconds) break;
      this.used.delete(key);
      const left = (this.subjects.get(subject) ?? 1) - 1;
      if (left === 0) this.subjects.delete(subject);
      else this.subjects.set(subject, left);
    }
  }
}
