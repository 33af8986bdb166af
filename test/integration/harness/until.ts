import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 20;
/** Only so that a failure says what it waited for, instead of ending with jest's own limit. */
const GIVE_UP_MILLISECONDS = 60_000;

/** Waits for a condition; an error of the condition counts as "not yet". Returns what it returned. */
export async function until<Value>(
  what: string,
  condition: () => Promise<Value | false | null | undefined> | Value | false | null | undefined,
): Promise<Value> {
  const giveUpAt = Date.now() + GIVE_UP_MILLISECONDS;
  let last: unknown = null;
  while (Date.now() < giveUpAt) {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) return value;
    } catch (thrown) {
      last = thrown;
    }
    await delay(POLL_MILLISECONDS);
  }
  throw new Error(`it did not happen: ${what}`, { cause: last });
}
