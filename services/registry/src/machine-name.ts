/**
 * Names of machines are unique. JetStream has no index, so a name is an entry of its own, made by compare-and-set before
 * the machine that gets it. A reservation whose machine never came (its registry was killed in between) is free again
 * after a minute: longer than any enrolment takes.
 */
import { z } from 'zod';

export const RESERVATION_MILLISECONDS = 60_000;

export const StoredName = z.object({ name: z.string(), machineId: z.string(), reservedAt: z.iso.datetime() });
export type StoredName = z.infer<typeof StoredName>;

export function nameKey(name: string): string {
  return Buffer.from(name).toString('base64url');
}

/** Whether another machine may take the name now. `machineExists`: whether the machine that has it is there. */
export function nameIsFree(stored: StoredName, machineExists: boolean, now: Date): boolean {
  return !machineExists && now.getTime() - Date.parse(stored.reservedAt) > RESERVATION_MILLISECONDS;
}
