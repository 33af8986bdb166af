/**
 * That an operator has removed this machine from the manager. The manager's word is final: it is kept in the state folder,
 * so that an agent which is started again and again, or whose manager forgets what it said, begins nothing anew.
 */
import { z } from 'zod';

export const Removal = z.object({
  schemaVersion: z.literal(1),
  /** When this agent was told, RFC 3339. */
  learnedAt: z.string(),
  /** The manager's sentence. */
  message: z.string(),
});
export type Removal = z.infer<typeof Removal>;

/** What is there to be done, for the log and for `lms-agent status`. */
export function describeRemoval({ message }: Removal, stateDir: string): string {
  return `${message}; nothing is sent or tracked any more: stop this agent, then lms-agent uninstall --state-dir ${stateDir}`;
}
