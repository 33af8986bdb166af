import { waitFor } from '../../harness/condition.ts';

type Falsy = false | null | undefined;

/** Waits for a condition; an error of the condition counts as "not yet". Returns what it returned. */
export function until<Value>(what: string, condition: () => Promise<Value | Falsy> | Value | Falsy): Promise<Value> {
  return waitFor(what, async () => (await condition()) ?? undefined, { pollMilliseconds: 20 });
}
