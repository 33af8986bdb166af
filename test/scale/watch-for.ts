// How long something is looked at. Nothing is waited for: what happens in a span of time is what is measured.

import { pause } from '@lms/service';

const never = new AbortController().signal;

/** In seconds, as long as it really was. */
export async function watchFor(milliseconds: number): Promise<number> {
  const startedAt = performance.now();
  await pause(milliseconds, never);
  return (performance.now() - startedAt) / 1_000;
}
